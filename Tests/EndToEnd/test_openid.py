"""OpenID Connect as far as applications expect it: ID tokens, keys, userinfo, hints at logout."""

import base64
import hashlib
import json
import time
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from browser import Browser, Page, Tokens, refresh
from support import INACTIVE, SEEN, assert_error

SCOPE = "openid profile email photos:read offline_access"
AFTER = "https://app.example/bye"


@pytest.fixture(scope="module")
def node(pair):
    return pair[0]


@pytest.fixture(scope="module")
def grace(doornail):
    return doornail.user(
        "grace", "--name", "Grace Hopper", "--email", "grace@example.com", "--email-verified"
    )


def make_app(doornail, name, *flags):
    return doornail.app(
        name, "--first-party", "--post-logout-redirect-uri", AFTER, *flags, scope=SCOPE
    )


@pytest.fixture(scope="module")
def rsa(doornail):
    return make_app(doornail, "rsa-app")


@pytest.fixture(scope="module")
def ecdsa(doornail):
    return make_app(doornail, "ecdsa-app", "--id-token-alg", "ES256")


@pytest.fixture
def here(node, grace):
    browser = Browser(node)
    browser.log_in(grace)
    return browser


def key_set(node):
    answer = node.request("GET", "/jwks.json")
    assert answer.status_code == 200 and answer.headers["Access-Control-Allow-Origin"] == "*"
    keys = answer.json()
    for key in keys["keys"]:
        assert set(key) <= {"kty", "crv", "x", "y", "n", "e", "kid", "alg", "use"}, "a private part"
    return KeySet.import_key_set(keys)


def tokens_of(browser, client, **parameters):
    """What an application gets, with its ID token."""
    outcome = browser.authorize(client, **({"scope": SCOPE} | parameters))
    answer = outcome.redeem(browser.node)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    SEEN.add(body.get("id_token"))
    return Tokens.of(client, answer), body.get("id_token")


def claims_of(node, client, token):
    """The claims, once the signature was verified by the published keys."""
    decoded = jwt.decode(token, key_set(node), algorithms=["RS256", "ES256"])
    claims = decoded.claims
    assert claims["iss"] == node.environment["DOORNAIL_ISSUER"] and claims["aud"] == client.id
    return decoded.header, claims


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_id_tokens(doornail, pair, node, here, grace, rsa, ecdsa, algorithm):
    client = rsa if algorithm == "RS256" else ecdsa
    before = int(time.time())
    tokens, token = tokens_of(here, client, nonce="n-1 é")
    # By the keys of the other node.
    header, claims = claims_of(pair[1], client, token)
    assert header["alg"] == algorithm and header["typ"] == "JWT" and header["kid"]
    session = doornail.sessions(grace)[0]
    assert claims["sub"] == grace.id and claims["nonce"] == "n-1 é"
    assert claims["sid"] in [one["id"] for one in doornail.sessions(grace)] and session
    assert claims["amr"] == ["pwd"] and claims["acr"] == "1"
    assert before - 5 <= claims["iat"] <= time.time() + 5
    assert claims["iat"] < claims["exp"] <= claims["iat"] + 300
    assert before - 60 <= claims["auth_time"] <= claims["iat"]
    half = hashlib.sha256(tokens.access.encode()).digest()[:16]
    assert claims["at_hash"] == base64.urlsafe_b64encode(half).rstrip(b"=").decode()
    # A refresh vouches for the same login, and answers no nonce.
    answer = refresh(node, client, tokens.refresh)
    SEEN.add(answer.json()["id_token"])
    _, again = claims_of(node, client, answer.json()["id_token"])
    for name in ("sub", "sid", "auth_time", "aud", "amr"):
        assert again[name] == claims[name]
    assert "nonce" not in again


def test_auth_time_is_the_grants(node, here, grace, rsa):
    """A refresh vouches for the login that the grant was made in (OpenID Connect Core §12.2)."""
    tokens, token = tokens_of(here, rsa)
    _, first = claims_of(node, rsa, token)
    code = here.authorize(rsa, scope=SCOPE)
    time.sleep(1.1)
    # The same person in the same browser: the same session, with a later login.
    here.log_in(grace)
    answer = code.redeem(node)
    SEEN.add(answer.json()["id_token"])
    _, before = claims_of(node, rsa, answer.json()["id_token"])
    assert before["auth_time"] == first["auth_time"]
    tokens = tokens.rotate(node)
    for _ in range(2):
        answer = refresh(node, rsa, tokens.refresh)
        SEEN.add(answer.json()["id_token"])
        _, again = claims_of(node, rsa, answer.json()["id_token"])
        assert (again["sid"], again["auth_time"]) == (first["sid"], first["auth_time"])
    _, later = claims_of(node, rsa, tokens_of(here, rsa)[1])
    assert later["sid"] == first["sid"] and later["auth_time"] > first["auth_time"]


def test_the_nonce_is_bounded(node, here, rsa):
    longest = "n" * 512
    _, token = tokens_of(here, rsa, nonce=longest)
    assert claims_of(node, rsa, token)[1]["nonce"] == longest
    assert here.authorize(rsa, scope=SCOPE, nonce=longest + "n").error == "invalid_request"


def test_only_who_asks_gets_one(here, rsa):
    for scope in ("photos:read", "profile"):
        assert tokens_of(here, rsa, scope=scope)[1] is None
    _, token = tokens_of(here, rsa, scope="openid")
    assert token


def test_no_id_token_once_the_login_is_over(doornail, node, here, grace, rsa):
    """Offline access goes on; but nobody is logged in."""
    tokens, _ = tokens_of(here, rsa)
    here.submit(here.open("/logout"))
    answer = refresh(node, rsa, tokens.refresh)
    assert answer.status_code == 200 and "id_token" not in answer.json()


def test_an_id_token_is_no_access_token(node, here, api, rsa):
    _, token = tokens_of(here, rsa)
    assert node.introspect(api, token) == INACTIVE
    answer = node.request("GET", "/userinfo", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401


def userinfo(node, token, **arguments):
    headers = {"Authorization": f"Bearer {token}"}
    return node.request("GET", "/userinfo", headers=headers, **arguments)


@pytest.mark.parametrize(
    ("scope", "names"),
    [
        ("openid", set()),
        ("openid profile", {"preferred_username", "name", "updated_at"}),
        ("openid email", {"email", "email_verified"}),
        (SCOPE, {"preferred_username", "name", "updated_at", "email", "email_verified"}),
    ],
)
def test_userinfo(pair, here, grace, rsa, scope, names):
    """What the scope lets it know, and nothing more."""
    tokens, _ = tokens_of(here, rsa, scope=scope)
    for node in pair:
        answer = userinfo(node, tokens.access)
        assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store"
        told = answer.json()
        assert told["sub"] == grace.id and set(told) == names | {"sub"}
        posted = node.post("/userinfo", {"access_token": tokens.access})
        assert posted.json() == told
    if "email" in names:
        assert told["email"] == "grace@example.com" and told["email_verified"] is True


def test_userinfo_refuses(doornail, node, here, api, rsa, client):
    tokens, _ = tokens_of(here, rsa, scope="photos:read")
    answer = userinfo(node, tokens.access)
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
    own = node.token(client)
    assert userinfo(node, own).status_code == 403
    tokens, _ = tokens_of(here, rsa)
    for wrong in (tokens.refresh, tokens.access + "x", "x", tokens.access[:-2]):
        answer = userinfo(node, wrong)
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert node.request("GET", "/userinfo", headers={"Authorization": "Bearer"}).status_code == 401
    # Without a token, or by something else than Bearer, nothing was wrong with one
    # (RFC 6750 §3.1).
    query = "/userinfo?" + urlencode({"access_token": tokens.access})
    for answer in (
        node.request("GET", "/userinfo"),
        node.request("GET", query),
        node.request("GET", "/userinfo", headers={"Authorization": f"Basic {tokens.access}"}),
        node.post("/userinfo", {}),
        node.post("/userinfo", {"token": tokens.access}),
    ):
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="doornail"'
        assert "error" not in answer.headers["WWW-Authenticate"]
    node.end(rsa, tokens.access)
    assert userinfo(node, tokens.access).status_code == 401


def test_configuration(node):
    answer = node.request("GET", "/.well-known/openid-configuration")
    assert answer.status_code == 200 and answer.headers["Access-Control-Allow-Origin"] == "*"
    told = answer.json()
    assert told == node.request("GET", "/.well-known/oauth-authorization-server").json()
    issuer = node.environment["DOORNAIL_ISSUER"]
    assert told["issuer"] == issuer and told["jwks_uri"] == issuer + "/jwks.json"
    assert told["userinfo_endpoint"] == issuer + "/userinfo"
    assert told["subject_types_supported"] == ["public"]
    assert set(told["id_token_signing_alg_values_supported"]) == {"RS256", "ES256"}


def test_below_an_issuer_with_a_path(doornail):
    """Discovery appends where RFC 8414 inserts."""
    node = doornail.node(path="/tenant")
    answer = node.request("GET", "/.well-known/openid-configuration")
    assert answer.status_code == 200 and answer.json()["issuer"] == node.url
    assert node.request("GET", "/jwks.json").status_code == 200
    node.stop()


# Logout with a hint


def log_out(browser, **parameters):
    return browser.get("/logout?" + urlencode(parameters))


def test_a_hint_of_this_login_ends_it(doornail, pair, node, here, grace, rsa, api):
    """No question is asked: the application proves that it speaks for this very login."""
    tokens, token = tokens_of(here, rsa, scope="openid photos:read")
    answer = log_out(here, id_token_hint=token, post_logout_redirect_uri=AFTER, state="s 1")
    assert answer.status_code == 303
    location = urlsplit(answer.headers["Location"])
    assert answer.headers["Location"].startswith(AFTER + "?")
    assert parse_qs(location.query) == {"state": ["s 1"]}
    assert not here.is_logged_in(rsa)
    assert all(each.introspect(api, tokens.access) == INACTIVE for each in pair)


def test_without_a_place_to_go_it_stays(here, rsa):
    _, token = tokens_of(here, rsa)
    for uri in (None, "https://evil.example/", AFTER + "/", "javascript:alert(1)"):
        browser = here.twin()
        parameters = {"post_logout_redirect_uri": uri} if uri else {}
        answer = log_out(browser, id_token_hint=token, **parameters)
        assert "evil" not in answer.headers.get("Location", "")
        page = browser.follow(answer) if answer.status_code == 303 else None
        if page:
            assert "logged out" in page.text.lower()


def test_a_hint_of_another_login_asks(node, here, grace, rsa):
    other = Browser(node)
    other.log_in(grace)
    _, token = tokens_of(other, rsa)
    answer = log_out(here, id_token_hint=token, post_logout_redirect_uri=AFTER)
    assert answer.status_code == 200
    assert here.is_logged_in(rsa) and other.is_logged_in(rsa)


def test_a_hint_without_a_cookie_ends_nothing(node, here, rsa):
    _, token = tokens_of(here, rsa)
    answer = log_out(Browser(node), id_token_hint=token, post_logout_redirect_uri=AFTER)
    assert answer.status_code == 200 and "not logged in" in answer.text.lower()
    assert here.is_logged_in(rsa)


def forged(token, **changes):
    """The same token with other claims or another header."""
    head, body, signature = token.split(".")

    def read(part):
        return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))

    def write(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    header, claims = read(head), read(body)
    header |= changes.pop("header", {})
    return f"{write(header)}.{write(claims | changes)}.{changes.get('signature', signature)}"


def test_forged_hints_are_none(node, here, grace, rsa):
    other = Browser(node)
    other.log_in(grace)
    _, theirs = tokens_of(other, rsa)
    _, token = tokens_of(here, rsa)
    sid = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))["sid"]
    for hint in (
        forged(theirs, sid=sid),
        forged(token, header={"alg": "none"}).rpartition(".")[0] + ".",
        forged(token, header={"alg": "HS256"}),
        forged(token, header={"kid": "../../dev/null"}),
        token[:-4] + "AAAA",
        "x.y.z",
        "x" * 9000,
        "x" * 20000,
    ):
        answer = log_out(here, id_token_hint=hint, post_logout_redirect_uri=AFTER)
        assert answer.status_code in (200, 431), hint[:80]
        assert here.is_logged_in(rsa)


def test_a_hint_for_another_client_asks(here, rsa, ecdsa):
    _, token = tokens_of(here, rsa)
    answer = log_out(here, id_token_hint=token, client_id=ecdsa.id)
    assert answer.status_code == 200 and here.is_logged_in(rsa)


@pytest.mark.parametrize("end", ["disable", "delete"])
def test_a_hint_of_a_client_that_may_nothing_asks(doornail, here, rsa, end):
    """Whoever was shut out speaks for no login any more: the person is asked."""
    gone = make_app(doornail, f"gone-{end}")
    _, token = tokens_of(here, gone)
    doornail.cli("client", end, gone.id)
    answer = log_out(here, id_token_hint=token, post_logout_redirect_uri=AFTER)
    assert answer.status_code == 200 and here.is_logged_in(rsa)
    # The form goes on without it, and the browser stays here.
    answer = here.submit(Page(answer))
    assert here.is_ours(here.location(answer)) and not here.is_logged_in(rsa)


# Keys


def test_keys_rotate(doornail, pair, here, rsa):
    """New keys are published before they sign; at once where the old ones are withdrawn."""
    node = pair[0]
    _, old = tokens_of(here, rsa)
    first = {key["kid"] for key in doornail.cli("key", "list")}
    rows = {key["kid"]: key for key in doornail.cli("key", "rotate", "--algorithm", "RS256")}
    new = next(kid for kid in rows if kid not in first)
    assert rows[new]["state"] == "next" and rows[new]["algorithm"] == "RS256"
    deadline = time.monotonic() + 20
    while new not in [key.kid for key in key_set(pair[1])]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    header, _ = claims_of(node, rsa, tokens_of(here, rsa)[1])
    assert header["kid"] in first

    doornail.cli("key", "rotate", "--now")
    states = [key["state"] for key in doornail.cli("key", "list")]
    assert states.count("signing") == 2 and states.count("withdrawn") == 3
    deadline = time.monotonic() + 20
    while True:
        answer = here.authorize(rsa, scope=SCOPE).redeem(node)
        SEEN.add(answer.json().get("id_token"))
        kids = {key.kid for each in pair for key in key_set(each)}
        if not kids & (first | {new}):
            break
        assert time.monotonic() < deadline
        time.sleep(0.2)
    header, _ = claims_of(pair[1], rsa, tokens_of(here, rsa)[1])
    assert header["kid"] not in first | {new}
    with pytest.raises((JoseError, ValueError)):
        claims_of(node, rsa, old)
    # A key that was withdrawn, since it may have leaked, proves nothing: the person is asked.
    assert log_out(here, id_token_hint=old).status_code == 200
    assert here.is_logged_in(rsa)


def test_private_parts_are_encrypted(doornail):
    for (sealed,) in doornail.sql("SELECT sealed FROM signing_key_copies"):
        assert b"PRIVATE" not in bytes(sealed)
    text = json.dumps(doornail.cli("key", "list")) + doornail.run("key", "list").stdout
    assert "PRIVATE" not in text


def test_wrong_clients_and_flags(doornail):
    done = doornail.run("client", "update", "rsa-app", "--id-token-alg", "none")
    assert done.returncode == 2
    assert doornail.cli("client", "show", "ecdsa-app")["id_token_alg"] == "ES256"


def test_userinfo_of_a_dead_login(doornail, node, here, grace, rsa):
    """It goes through the same choke point as introspection."""
    tokens, _ = tokens_of(here, rsa, scope="openid profile")
    doornail.cli("revoke", "session", doornail.sessions(grace)[0]["id"])
    ended = userinfo(node, tokens.access).status_code
    assert ended == 401 or here.is_logged_in(rsa)
    doornail.cli("revoke", "user", grace.name)
    assert userinfo(node, tokens.access).status_code == 401
    assert_error(refresh(node, rsa, tokens.refresh), 400, "invalid_grant")
