"""A client that we did not write: Authlib gets, introspects and revokes tokens."""

from urllib.parse import parse_qs, urlsplit

import pytest
from authlib.common.security import generate_token
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session

from browser import Browser
from support import INACTIVE, REDIRECT, SEEN


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
@pytest.mark.parametrize("registered", [None, "basic", "post"])
def test_authlib(doornail, node, method, registered):
    if registered and registered not in method:
        pytest.skip("registered for the other method")
    flags = ["--auth-method", registered] if registered else []
    client = doornail.client(f"authlib-{method}-{registered}", "--scope", "a b", *flags)
    with OAuth2Session(
        client.id,
        client.secret,
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        scope="a",
    ) as session:
        session.trust_env = False
        token = session.fetch_token(node.url + "/token", grant_type="client_credentials")
        SEEN.add(token["access_token"])
        assert token["token_type"] == "Bearer"
        assert token["expires_in"] == 300
        assert token["scope"] == "a"

        told = session.introspect_token(
            node.url + "/introspect", token["access_token"], token_type_hint="access_token"
        )
        assert told.status_code == 200
        assert told.json()["active"] is True and told.json()["client_id"] == client.id

        ended = session.revoke_token(
            node.url + "/revoke", token["access_token"], token_type_hint="access_token"
        )
        assert ended.status_code == 200
        told = session.introspect_token(node.url + "/introspect", token["access_token"])
        assert told.json() == INACTIVE


def test_authlib_is_told_what_is_wrong(doornail, node):
    client = doornail.client("authlib-wrong")
    with OAuth2Session(client.id, "dn_cs_wrong") as session, pytest.raises(OAuthError) as raised:
        session.fetch_token(node.url + "/token", grant_type="client_credentials")
    assert raised.value.error == "invalid_client"


@pytest.mark.parametrize("public", [False, True], ids=["confidential", "public"])
def test_authlib_logs_people_in(doornail, node, api, ada, public):
    """Code, PKCE, refresh, introspection and revocation, as an application would do them."""
    client = doornail.app(f"authlib-web-{public}", *(["--public"] if public else []))
    method = "none" if public else "client_secret_basic"
    browser = Browser(node)
    with OAuth2Session(
        client.id,
        client.secret,
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        scope="photos:read offline_access",
        redirect_uri=REDIRECT,
        code_challenge_method="S256",
    ) as session:
        session.trust_env = False
        verifier = generate_token(48)
        SEEN.add(verifier)
        uri, state = session.create_authorization_url(
            node.url + "/authorize", code_verifier=verifier
        )
        page = browser.open(uri)
        answer = browser.login(ada.name, ada.password, page)
        answer = browser.submit(browser.follow(answer), decision="allow")
        location = browser.location(answer)
        assert location.startswith(REDIRECT + "?")
        SEEN.add(parse_qs(urlsplit(location).query)["code"][0])

        token = session.fetch_token(
            node.url + "/token",
            authorization_response=location,
            state=state,
            code_verifier=verifier,
        )
        first = dict(token)
        assert set(first["scope"].split()) == {"photos:read", "offline_access"}
        second = dict(
            session.refresh_token(node.url + "/token", refresh_token=first["refresh_token"])
        )
        for one in (first, second):
            SEEN.add(one["access_token"])
            SEEN.add(one["refresh_token"])
        assert second["access_token"] != first["access_token"]
        assert second["refresh_token"] != first["refresh_token"]

        told = node.introspect(api, second["access_token"])
        assert told["active"] and told["sub"] == ada.id and told["client_id"] == client.id
        if not public:
            for one in ("access_token", "refresh_token"):
                told = session.introspect_token(
                    node.url + "/introspect", second[one], token_type_hint=one
                ).json()
                assert told["active"] is True and told["token_use"] == one

        ended = session.revoke_token(
            node.url + "/revoke", second["refresh_token"], token_type_hint="refresh_token"
        )
        assert ended.status_code == 200
        for one in (first["access_token"], second["access_token"], second["refresh_token"]):
            assert node.introspect(api, one) == INACTIVE
        with pytest.raises(OAuthError) as raised:
            session.refresh_token(node.url + "/token", refresh_token=second["refresh_token"])
        assert raised.value.error == "invalid_grant"
