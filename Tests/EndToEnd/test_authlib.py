"""A client that we did not write: Authlib gets, introspects and revokes tokens, and logs people in
and out by OpenID Connect. examples/app, in test_examples.py, is Authlib with Flask."""

import dataclasses
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from authlib.common.security import generate_token
from authlib.common.urls import add_params_to_uri
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import OpenIDProviderMetadata, get_well_known_url
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

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


def log_in(browser, uri, person):
    """Login and consent, as Authlib's request asks for them; where the answer goes."""
    answer = browser.login(person.name, person.password, browser.open(uri))
    answer = browser.submit(browser.follow(answer), decision="allow")
    location = browser.location(answer)
    assert location.startswith(REDIRECT + "?")
    SEEN.add(parse_qs(urlsplit(location).query)["code"][0])
    return location


def session_of(client, scope):
    """Authlib's side of a login, with PKCE."""
    method = "client_secret_basic" if client.secret else "none"
    session = OAuth2Session(
        client.id,
        client.secret,
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        scope=scope,
        redirect_uri=REDIRECT,
        code_challenge_method="S256",
    )
    session.trust_env = False
    return session


@pytest.mark.parametrize("public", [False, True], ids=["confidential", "public"])
def test_authlib_logs_people_in(doornail, node, api, ada, public):
    """Code, PKCE, refresh, introspection and revocation, as an application would do them."""
    client = doornail.app(f"authlib-web-{public}", *(["--public"] if public else []))
    browser = Browser(node)
    with session_of(client, "photos:read offline_access") as session:
        verifier = generate_token(48)
        SEEN.add(verifier)
        uri, state = session.create_authorization_url(
            node.url + "/authorize", code_verifier=verifier
        )
        location = log_in(browser, uri, ada)

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


AFTER = "https://app.example/bye"
OPENID = "openid profile email photos:read"


def validated(metadata, keys, client, token, nonce):
    """The claims of an ID token as Authlib validates them; JoseError where it does not."""
    algorithms = metadata["id_token_signing_alg_values_supported"]
    decoded = jwt.decode(token["id_token"], keys, algorithms=algorithms)
    options = {
        "iss": {"essential": True, "value": metadata["issuer"]},
        "aud": {"essential": True, "value": client.id},
        "at_hash": {"essential": True},
    }
    params = {"nonce": nonce, "client_id": client.id, "access_token": token["access_token"]}
    claims = CodeIDToken(decoded.claims, decoded.header, options, params)
    claims.validate(leeway=5)
    return claims


@pytest.mark.parametrize(("public", "algorithm"), [(False, "RS256"), (True, "ES256")])
def test_authlib_by_openid_connect(doornail, node, api, ada, public, algorithm):
    """From discovery to logout, with nothing known beforehand but the issuer and the client."""
    name = f"authlib-openid-{public}-{algorithm}"
    flags = ["--post-logout-redirect-uri", AFTER, "--id-token-alg", algorithm]
    client = doornail.app(name, *flags, *(["--public"] if public else []), scope=OPENID)
    document = requests.get(get_well_known_url(node.url, external=True), timeout=10).json()
    metadata = OpenIDProviderMetadata(document)
    metadata.validate()
    assert metadata["issuer"] == node.url
    keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"], timeout=10).json())
    browser = Browser(node)
    with session_of(client, OPENID) as session:
        verifier, nonce = generate_token(48), generate_token(20)
        SEEN.add(verifier)
        uri, state = session.create_authorization_url(
            metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce
        )
        token = session.fetch_token(
            metadata["token_endpoint"],
            authorization_response=log_in(browser, uri, ada),
            state=state,
            code_verifier=verifier,
        )
        first = dict(token)
        for one in ("access_token", "refresh_token", "id_token"):
            SEEN.add(first[one])

        claims = validated(metadata, keys, client, first, nonce)
        assert claims["sub"] == ada.id and claims.header["alg"] == algorithm
        # That it validates means something: each of these does not.
        other = dataclasses.replace(client, id="other")
        foreign = first | {"access_token": first["access_token"] + "x"}
        elsewhere = OpenIDProviderMetadata(dict(metadata) | {"issuer": "https://other.example"})
        header, payload, signature = first["id_token"].split(".")
        forged = first | {"id_token": f"{header}.{payload[:-4]}AAAA.{signature}"}
        for wrong in (
            (metadata, keys, client, first, "another nonce"),
            (metadata, keys, other, first, nonce),
            (metadata, keys, client, foreign, nonce),
            (elsewhere, keys, client, first, nonce),
            (metadata, keys, client, forged, nonce),
        ):
            with pytest.raises((JoseError, ValueError)):
                validated(*wrong)

        about = session.get(metadata["userinfo_endpoint"]).json()
        assert about["sub"] == claims["sub"] and about["preferred_username"] == ada.name

        refresh = first["refresh_token"]
        second = dict(session.refresh_token(metadata["token_endpoint"], refresh_token=refresh))
        for one in ("access_token", "refresh_token", "id_token"):
            SEEN.add(second[one])
            assert second[one] != first[one]
        # A refresh repeats no nonce (OpenID Connect Core §12.2).
        again = validated(metadata, keys, client, second, None)
        assert (again["sub"], again["sid"]) == (claims["sub"], claims["sid"])
        assert session.get(metadata["userinfo_endpoint"]).json()["sub"] == ada.id

        if not public:
            told = session.introspect_token(
                metadata["introspection_endpoint"], second["access_token"]
            ).json()
            assert told["active"] and told["sub"] == ada.id and told["iss"] == metadata["issuer"]
        ended = session.revoke_token(
            metadata["revocation_endpoint"],
            second["refresh_token"],
            token_type_hint="refresh_token",
        )
        assert ended.status_code == 200
        assert node.introspect(api, second["access_token"]) == INACTIVE
        assert session.get(metadata["userinfo_endpoint"]).status_code == 401

    parameters = {
        "id_token_hint": second["id_token"],
        "post_logout_redirect_uri": AFTER,
        "state": "s-1",
    }
    uri = add_params_to_uri(metadata["end_session_endpoint"], parameters)
    assert browser.location(browser.get(uri)) == AFTER + "?state=s-1"
    assert browser.session is None and browser.open("/account").is_login
