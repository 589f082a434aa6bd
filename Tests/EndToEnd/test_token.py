"""/token with the client credentials grant (RFC 6749 §3.2, §4.4, §5; RFC 8707 §2)."""

import base64
import re
import time

import pytest

from support import assert_error

GRANT = {"grant_type": "client_credentials"}
PHOTOS = "https://photos.example.com"
MUSIC = "https://music.example.com/v1"


@pytest.fixture(scope="module")
def roomy(doornail):
    """A client with two audiences, and with the scopes that are given only by name."""
    return doornail.client(
        "roomy",
        "--scope",
        "openid offline_access a b c",
        "--audience",
        PHOTOS,
        "--audience",
        MUSIC,
    )


def test_answer(node, client):
    answer = node.post("/token", GRANT, client)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].partition(";")[0] == "application/json"
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 300 and type(body["expires_in"]) is int
    assert body["scope"].split() == ["photos:read", "photos:write"]
    assert re.fullmatch(r"dn_at_[A-Za-z0-9_-]+", body["access_token"])
    sealed = base64.urlsafe_b64decode(body["access_token"][6:] + "===")
    assert len(sealed) > 16 + 16, "a token has an id and a tag of 128 bits each"


def test_client_without_scope(doornail, node):
    bare = doornail.client("bare")
    body = node.post("/token", GRANT, bare).json()
    assert not body.get("scope")
    assert_error(node.post("/token", GRANT | {"scope": "a"}, bare), 400, "invalid_scope")


def test_tokens_differ(node, client):
    assert len({node.token(client) for _ in range(20)}) == 20


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("photos:read", {"photos:read"}),
        ("photos:write photos:read", {"photos:read", "photos:write"}),
        ("photos:read  photos:read", {"photos:read"}),
        ("", {"photos:read", "photos:write"}),
    ],
)
def test_scope(node, client, asked, given):
    answer = node.post("/token", GRANT | {"scope": asked}, client)
    assert answer.status_code == 200
    assert set(answer.json()["scope"].split()) == given


@pytest.mark.parametrize(
    "asked",
    [
        "photos:admin",
        "photos:read photos:admin",
        "PHOTOS:READ",
        "photos",
        "photos:read\tb",
        "openid",
        "photos:read\x01",
        'a"b',
        "a\\b",
        "é",
        "x" * 4097,
    ],
)
def test_scope_that_is_not_given(node, client, asked):
    assert_error(node.post("/token", GRANT | {"scope": asked}, client), 400, "invalid_scope")


def test_scope_of_4_kib_is_looked_at(node, client):
    answer = node.post("/token", GRANT | {"scope": "x" * 4096}, client)
    assert_error(answer, 400, "invalid_scope")


@pytest.mark.parametrize("word", ["openid", "offline_access"])
def test_what_only_a_person_can_give(node, roomy, word):
    """It has both words, for logins; for itself there is nobody to log in, or to be away."""
    assert node.post("/token", GRANT, roomy).json()["scope"].split() == ["a", "b", "c"]
    for asked in (word, f"a {word}"):
        answer = node.post("/token", GRANT | {"scope": asked}, roomy)
        assert_error(answer, 400, "invalid_scope")


@pytest.mark.parametrize(
    ("asked", "audience"),
    [
        (None, {PHOTOS, MUSIC}),
        (PHOTOS, {PHOTOS}),
        ([MUSIC], {MUSIC}),
        ([PHOTOS, MUSIC], {PHOTOS, MUSIC}),
        ([PHOTOS, PHOTOS], {PHOTOS}),
    ],
)
def test_resource(node, roomy, asked, audience):
    parameters = {} if asked is None else {"resource": asked}
    token = node.token(roomy, **parameters)
    told = node.introspect(roomy, token)["aud"]
    assert isinstance(told, str) == (len(audience) == 1)
    assert set([told] if isinstance(told, str) else told) == audience


@pytest.mark.parametrize(
    "asked",
    [
        "https://other.example.com",
        PHOTOS + "/",
        PHOTOS.upper(),
        PHOTOS + "#x",
        "photos",
        "/",
        [PHOTOS, "https://other.example.com"],
        "x" * 2000,
    ],
)
def test_resource_that_is_not_the_clients(node, roomy, asked):
    answer = node.post("/token", GRANT | {"resource": asked}, roomy)
    assert_error(answer, 400, "invalid_target")


def test_no_audience_at_all(node, client):
    assert "aud" not in node.introspect(client, node.token(client))
    answer = node.post("/token", GRANT | {"resource": PHOTOS}, client)
    assert_error(answer, 400, "invalid_target")


@pytest.mark.parametrize(
    "grant_type",
    [
        "password",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "client_credentials ",
        "CLIENT_CREDENTIALS",
        "implicit",
        "x" * 3000,
        "é",
    ],
)
def test_unknown_grant_type(node, client, grant_type):
    answer = node.post(
        "/token", {"grant_type": grant_type, "username": "a", "password": "b"}, client
    )
    assert_error(answer, 400, "unsupported_grant_type")


@pytest.mark.parametrize("data", [{}, {"grant_type": ""}, {"Grant_Type": "client_credentials"}])
def test_missing_grant_type(node, client, data):
    assert_error(node.post("/token", data, client), 400, "invalid_request")


def test_client_that_is_not_registered_for_the_grant(node, doornail):
    none = doornail.client("no-grants", grant=None)
    assert_error(node.post("/token", GRANT, none), 400, "unauthorized_client")


def test_public_client_gets_none(node, doornail):
    doornail.client("public-app", "--public", grant=None)
    answer = node.post("/token", GRANT | {"client_id": "public-app"})
    assert_error(answer, 400, "unauthorized_client")


def test_no_credentials_in_the_uri(node, client):
    query = f"?client_id={client.id}&client_secret={client.secret}&grant_type=client_credentials"
    assert_error(node.post("/token" + query, GRANT), 401, "invalid_client")
    assert_error(node.post("/token" + query, {}, client), 400, "invalid_request")


def test_parameters_unknown_empty_and_repeated(node, client):
    def send(body):
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return node.post("/token", body, client, headers=headers)

    base = "grant_type=client_credentials"
    assert send(base + "&foo=bar&&state=&scope=&resource=").status_code == 200
    assert send("&" + base + "&novalue").status_code == 200
    assert send("grant%5Ftype=client%5fcredentials").status_code == 200
    for repeated in ("&" + base, "&scope=a&scope=a", "&foo=1&foo=2", "&scope=&scope=photos:read"):
        assert_error(send(base + repeated), 400, "invalid_request")
    for broken in (
        "&a=%",
        "&a=%4",
        "&a=%zz",
        "&a=%ff",
        "&%=b",
        "&a=%c3%28",
        "&a=%00",
        "&a=%ed%a0%80",
    ):
        assert_error(send(base + broken), 400, "invalid_request")


def test_error_description_is_printable_whatever_was_sent(node, client):
    for hostile in ('"><script>', "a\\b", "é☃", "\r\nX-Injected: 1", "\x7f"):
        for data in (
            {"grant_type": hostile},
            GRANT | {"scope": hostile},
            GRANT | {"resource": hostile},
        ):
            answer = node.post("/token", data, client)
            assert answer.status_code == 400
            assert_error(answer, 400, answer.json()["error"])
            assert "X-Injected" not in answer.headers
        body = f"grant_type=x&{hostile}=1&{hostile}=2".encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        assert_error(node.post("/token", body, client, headers=headers), 400, "invalid_request")


def test_issuing_writes_nothing(doornail, node, client):
    def written():
        # PostgreSQL's sessions report their counts at most once a second.
        time.sleep(1.5)
        return doornail.sql(
            "SELECT sum(n_tup_ins + n_tup_upd) FROM pg_stat_user_tables WHERE relname <> 'nodes'"
        )

    node.token(client)
    before = written()
    for _ in range(50):
        node.token(client)
    assert written() == before
