"""A client that we did not write: Authlib gets, introspects and revokes tokens."""

import pytest
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session

from support import INACTIVE, SEEN


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
