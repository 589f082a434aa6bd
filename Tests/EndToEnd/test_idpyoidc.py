"""A certified OpenID Connect client that we did not write does the whole dance (idpyoidc)."""

from urllib.parse import parse_qs, urlsplit

import pytest
from idpyoidc.client.exception import ResponseError
from idpyoidc.client.rp_handler import RPHandler

from browser import Browser
from support import INACTIVE, REDIRECT, SEEN

AFTER = "https://app.example/bye"
SCOPES = ["openid", "profile", "email", "offline_access"]


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_the_whole_dance(doornail, node, api, algorithm, tmp_path, monkeypatch):
    """Discovery, PKCE, ID token, userinfo, refresh, introspection, revocation and logout."""
    # It keeps keys of its own in files.
    monkeypatch.chdir(tmp_path)
    person = doornail.user(f"person-{algorithm.lower()}", "--name", "A Person")
    client = doornail.app(
        f"idpy-{algorithm}",
        *("--id-token-alg", algorithm, "--post-logout-redirect-uri", AFTER),
        scope=" ".join(SCOPES),
    )
    config = {
        "issuer": node.url,
        "client_type": "oidc",
        "client_authn_methods": ["client_secret_basic", "bearer_header"],
        "client_id": client.id,
        "client_secret": client.secret,
        "redirect_uris": [REDIRECT],
        "post_logout_redirect_uris": [AFTER],
        "response_types_supported": ["code"],
        "scopes_supported": SCOPES,
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "id_token_signed_response_alg": algorithm,
        "allow": {"issuer_mismatch": False, "missing_kid": False},
        "services": {
            name: {"class": f"idpyoidc.client.{path}"}
            for name, path in {
                "discovery": "oidc.provider_info_discovery.ProviderInfoDiscovery",
                "authorization": "oidc.authorization.Authorization",
                "accesstoken": "oidc.access_token.AccessToken",
                "refresh": "oidc.refresh_access_token.RefreshAccessToken",
                "userinfo": "oidc.userinfo.UserInfo",
                "end_session": "oidc.end_session.EndSession",
                "introspection": "oauth2.introspection.Introspection",
                "token_revocation": "oauth2.token_revocation.TokenRevocation",
            }.items()
        },
        "add_ons": {
            "pkce": {
                "function": "idpyoidc.client.oauth2.add_on.pkce.add_support",
                "kwargs": {"code_challenge_length": 64, "code_challenge_method": "S256"},
            }
        },
    }
    party = RPHandler(base_url="https://app.example", client_configs={node.url: config})
    begun = party.begin(node.url, req_args={"scope": SCOPES})
    url = begun if isinstance(begun, str) else begun["url"]
    sent = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert sent["code_challenge_method"] == "S256" and sent["nonce"] and sent["state"]

    browser = Browser(node, user_agent=f"idpy {algorithm}")
    answer = browser.login(person.name, person.password, browser.open(url))
    answer = browser.submit(browser.follow(answer), decision="allow")
    location = urlsplit(browser.location(answer))
    answer = {name: values[0] for name, values in parse_qs(location.query).items()}
    SEEN.add(answer["code"])

    # It verifies issuer, state, nonce, at_hash and the signature, and asks for userinfo.
    done = party.finalize(node.url, answer)
    assert "error" not in done, done
    assert done["userinfo"]["sub"] == person.id and done["userinfo"]["name"] == "A Person"
    assert done["id_token"]["sid"] and done["id_token"]["amr"] == ["pwd"]
    state = sent["state"]
    access = party.get_valid_access_token(state)[0]
    SEEN.add(access)
    assert node.is_active(api, access)

    fresh = party.refresh_access_token(state)
    for name in ("access_token", "refresh_token", "id_token"):
        SEEN.add(fresh.get(name) if isinstance(fresh.get(name), str) else None)
    assert fresh["access_token"] != access and node.is_active(api, fresh["access_token"])
    assert party.get_user_info(state, access_token=fresh["access_token"])["sub"] == person.id

    session = party.get_client_from_session_key(state)
    leave = party.logout(state, post_logout_redirect_uri=AFTER)
    assert leave["url"].startswith(node.url + "/logout?")
    answer = browser.get(leave["url"])
    assert answer.status_code == 303 and answer.headers["Location"].startswith(AFTER)
    assert [s for s in doornail.sessions(person) if s["user_agent"] == f"idpy {algorithm}"] == []
    # Offline access outlives the login; its revocation ends it.
    about = {"token": fresh["refresh_token"]}
    told = session.do_request("introspection", request_args=about)
    assert told["active"] is True and told["client_id"] == client.id
    # It revokes, but takes an empty answer for a faulty one; RFC 7009 §2.2 has clients ignore it.
    with pytest.raises(ResponseError):
        session.do_request("token_revocation", request_args=about)
    assert session.do_request("introspection", request_args=about)["active"] is False
    assert node.introspect(api, fresh["access_token"]) == INACTIVE
