"""/introspect (RFC 7662), and what a token is worth that was tampered with."""

import base64
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import INACTIVE, assert_error

PREFIX = "dn_at_"


@pytest.fixture(scope="module")
def token(node, client):
    return node.token(client)


def test_active(node, client, api, token):
    before = time.time()
    fresh = node.token(client, scope="photos:read")
    told = node.introspect(api, fresh)
    assert set(told) == {
        "active",
        "token_type",
        "token_use",
        "client_id",
        "sub",
        "scope",
        "iss",
        "exp",
        "iat",
        "nbf",
        "jti",
    }
    assert told["active"] is True
    assert told["token_type"] == "Bearer"
    assert told["token_use"] == "access_token"
    assert told["client_id"] == told["sub"] == client.id
    assert told["scope"] == "photos:read"
    assert told["iss"] == node.url
    assert all(type(told[name]) is int for name in ("exp", "iat", "nbf"))
    assert told["exp"] == told["iat"] + 300 and told["nbf"] == told["iat"]
    assert abs(told["iat"] - before) < 5
    assert told["jti"] != node.introspect(api, token)["jti"]


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "nonsense", ""])
def test_hint_does_no_harm(node, api, token, hint):
    answer = node.post("/introspect", {"token": token, "token_type_hint": hint}, api)
    assert answer.json()["active"] is True


@pytest.mark.parametrize("data", [{}, {"token": ""}, {"Token": "x"}, {"access_token": "x"}])
def test_missing_token(node, api, data):
    assert_error(node.post("/introspect", data, api), 400, "invalid_request")


@pytest.mark.parametrize(
    "garbage",
    [
        "x",
        PREFIX,
        PREFIX + "A",
        PREFIX + "A" * 100,
        "dn_rt_" + "A" * 100,
        "dn_ac_AAAA",
        "é",
        "a b",
        "\x00"[:0] + "null",
        "true",
        "0",
        "../../etc/passwd",
        "' OR 1=1 --",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.",
        "x" * 60000,
        PREFIX + "A" * 60000,
        "Bearer " + PREFIX + "AAAA",
    ],
)
def test_garbage_is_inactive(node, api, garbage):
    answer = node.post("/introspect", {"token": garbage}, api)
    assert answer.status_code == 200
    assert answer.content == b'{"active":false}'


def test_nobody_else_is_told(node, doornail, token):
    own = doornail.client("own", "--introspects", "own")
    audience = doornail.client("audience", grant=None)
    for stranger in (own, audience):
        answer = node.post("/introspect", {"token": token}, stranger)
        assert answer.content == b'{"active":false}'


def test_own_tokens(node, doornail):
    for index, kind in enumerate(("own", "audience", "any")):
        client = doornail.client(f"self-{index}", "--introspects", kind)
        assert node.is_active(client, node.token(client))


def test_audiences(node, doornail):
    """The table of DESIGN.md: who is told about a token for which audience."""
    photos, music = "https://photos.example.com", "https://music.example.com"
    issuer = doornail.client("caller", "--audience", photos, "--audience", music)
    told = {
        "rs-photos": ["--audience", photos],
        "rs-both": ["--audience", music, "--audience", photos],
        "rs-own": ["--audience", photos, "--introspects", "own"],
        "rs-none": [],
        "rs-other": ["--audience", photos + "/"],
    }
    servers = {name: doornail.client(name, *flags, grant=None) for name, flags in told.items()}
    expected = {
        photos: {"rs-photos", "rs-both"},
        music: {"rs-both"},
    }
    for resource, who in expected.items():
        token = node.token(issuer, resource=resource)
        assert {n for n, rs in servers.items() if node.is_active(rs, token)} == who
    both = node.token(issuer)
    assert {n for n, rs in servers.items() if node.is_active(rs, both)} == {"rs-photos", "rs-both"}


def test_apps_of_one_audience_learn_nothing_of_each_other(node, doornail):
    """Who gets tokens itself is told of its own alone; of others, if it was registered for that."""
    photos = "https://shared.example.com"
    app = doornail.client("shares", "--audience", photos)
    token = node.token(app)
    service = doornail.client("shares-too", "--audience", photos)
    login = doornail.app("login-shares", "--audience", photos)
    for stranger in (service, login):
        assert doornail.cli("client", "show", stranger.id)["introspects"] == "own"
        answer = node.post("/introspect", {"token": token}, stranger)
        assert answer.content == b'{"active":false}'
    assert node.is_active(app, token) and node.is_active(service, node.token(service))
    told = doornail.client("told", "--audience", photos, "--introspects", "audience")
    server = doornail.client("serves", "--audience", photos, grant=None)
    assert node.is_active(told, token) and node.is_active(server, token)
    # What is registered stays, also where a resource server gets a grant.
    doornail.cli("client", "update", server.id, "--grant", "client_credentials")
    assert doornail.cli("client", "show", server.id)["introspects"] == "audience"


def test_audience_that_is_a_client_id(node, doornail):
    name = "https://rs.example.com"
    server = doornail.client(name, grant=None)
    caller = doornail.client("calls-rs", "--audience", name)
    assert node.is_active(server, node.token(caller))


def test_public_clients_may_not_ask(node, doornail, token):
    doornail.client("spa", "--public", grant=None)
    answer = node.post("/introspect", {"token": token, "client_id": "spa"})
    assert_error(answer, 401, "invalid_client")
    assert_error(node.post("/introspect", {"token": token}), 401, "invalid_client")


def test_tokens_are_no_credentials_here(node, token):
    headers = {"Authorization": f"Bearer {token}"}
    assert_error(node.post("/introspect", {"token": token}, headers=headers), 401, "invalid_client")


def test_repeated_token(node, api, token):
    answer = node.post("/introspect", {"token": [token, token]}, api)
    assert_error(answer, 400, "invalid_request")


def test_the_other_nodes_tokens(node, other, api, client):
    """Tokens of one node are good at all others."""
    assert other.is_active(api, node.token(client))
    assert node.is_active(api, other.token(client))


def variants(token):
    """Every truncation, flipped bit, changed case and padding of a token."""
    body = token.removeprefix(PREFIX)
    sealed = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    made = {token[:length] for length in range(1, len(token))}
    made |= {token[start:] for start in range(1, len(token))}
    for bit in range(len(sealed) * 8):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << (bit % 8)
        made.add(PREFIX + base64.urlsafe_b64encode(flipped).decode().rstrip("="))
    for index, character in enumerate(token):
        made.add(token[:index] + character.swapcase() + token[index + 1 :])
        made.add(token[:index] + token[index + 1 :])
        made.add(token[:index] + character + token[index:])
    # All spellings of the last character: its spare bits must be zero.
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    made |= {token[:-1] + last for last in alphabet}
    made |= {
        token + "=",
        token + "==",
        token + "A",
        token + ".",
        token + "\n",
        token + "\x00"[:0] + " ",
        " " + token,
        "\t" + token,
        token.upper(),
        token.lower(),
        token + token,
        token.replace("dn_at_", "dn_rt_"),
        token.replace("dn_at_", "dn_cs_"),
        token + "\u0301",
        token.translate(str.maketrans("-_", "+/")) + "+",
        token[:-1] + "é",
        f'"{token}"',
        PREFIX + body + "A" * 4,
        PREFIX + "A" * 4 + body,
        PREFIX + PREFIX + body,
    }
    made.discard(token)
    return sorted(made)


def test_every_variant_is_inactive_and_costs_no_query(node, api, client, token):
    """What the tag refuses is refused without a look at the tokens' rows."""

    def deltas(tokens):
        before = node.statements()
        with ThreadPoolExecutor(8) as pool:
            told = list(pool.map(lambda one: (one, node.introspect(api, one)), tokens))
        after = node.statements()
        return told, {name: count - before.get(name, 0) for name, count in after.items()}

    assert node.is_active(api, token)
    # One at a time, so that every read is a statement of its own; each token but once, since the next
    # answer comes from memory.
    fresh = [node.token(client) for _ in range(30)]
    before = node.statements()
    for one in fresh:
        node.introspect(api, one)
    after = node.statements()
    authentic = {name: after[name] - before.get(name, 0) for name in after}
    before = node.statements()
    for _ in range(30):
        node.introspect(api, PREFIX + "A" * 120)
    after = node.statements()
    forged = {name: after[name] - before.get(name, 0) for name in after}
    liveness = {name for name in after if authentic[name] >= 30 and forged[name] < 15}
    assert liveness, f"no statement reads a token's liveness alone: {authentic} {forged}"

    tampered = variants(token)
    assert len(tampered) > 1000
    told, counts = deltas(tampered)
    wrong = [one for one, answer in told if answer != INACTIVE]
    assert not wrong
    assert {name: counts[name] for name in liveness} == dict.fromkeys(liveness, 0)
    assert node.is_active(api, token)


def test_spliced_tokens(node, api, client):
    """The first half of one token and the second of another are no token."""
    first, second = node.token(client), node.token(client)
    for cut in range(len(PREFIX), len(first)):
        spliced = first[:cut] + second[cut:]
        if spliced not in (first, second):
            assert not node.is_active(api, spliced)


def test_expiry(doornail, node, api, client):
    """A token is dead from the second of its expiry on, at nodes with another lifetime too."""
    brief = doornail.node(DOORNAIL_ACCESS_TOKEN_TTL="2s")
    answer = brief.post("/token", {"grant_type": "client_credentials"}, client)
    assert answer.json()["expires_in"] == 2
    token = answer.json()["access_token"]
    exp = node.introspect(api, token)["exp"]
    while True:
        started = time.time()
        alive = [n.is_active(api, token) for n in (node, brief)]
        # The database runs on this machine's clock.
        if started >= exp:
            assert not any(alive)
            break
        if time.time() < exp:
            assert all(alive)
        time.sleep(0.05)
