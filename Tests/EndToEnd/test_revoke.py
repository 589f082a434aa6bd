"""/revoke (RFC 7009)."""

import time

import pytest

from support import assert_error, in_parallel


def test_revoked_at_once_and_everywhere(node, other, client, api):
    for _ in range(20):
        token = node.token(client)
        assert node.is_active(api, token) and other.is_active(api, token)
        node.end(client, token)
        assert not other.is_active(api, token)
        assert not node.is_active(api, token)


def test_only_the_one_token(node, client, api):
    first, second = node.token(client), node.token(client)
    node.end(client, first)
    assert not node.is_active(api, first)
    assert node.is_active(api, second)


def test_200_is_empty(node, client):
    answer = node.revoke(client, node.token(client))
    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["Content-Length"] == "0"


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "nonsense", ""])
def test_hint_does_no_harm(node, client, api, hint):
    token = node.token(client)
    answer = node.post("/revoke", {"token": token, "token_type_hint": hint}, client)
    assert answer.status_code == 200
    assert not node.is_active(api, token)


@pytest.mark.parametrize(
    "garbage", ["x", "dn_at_", "dn_at_" + "A" * 120, "dn_rt_AAAA", "é", "x" * 60000, "' OR 1=1"]
)
def test_unknown_token_is_200(node, client, garbage):
    node.end(client, garbage)


@pytest.mark.parametrize("data", [{}, {"token": ""}, {"Token": "x"}])
def test_missing_token(node, client, data):
    assert_error(node.post("/revoke", data, client), 400, "invalid_request")


def test_again_writes_again(doornail, node, client):
    """A repeated 200 rests on a commit of its own (POSTGRES.md: the no-op trap)."""
    token = node.token(client)
    last = "SELECT last_number FROM revocation_clock"
    numbers = [doornail.sql(last)[0][0]]
    for _ in range(3):
        node.end(client, token)
        numbers.append(doornail.sql(last)[0][0])
    assert numbers == list(range(numbers[0], numbers[0] + 4))


def test_another_clients_token_lives_on(node, doornail, client, api):
    thief = doornail.client("thief", "--introspects", "any")
    token = node.token(client)
    assert_error(node.revoke(thief, token), 400, "invalid_grant")
    assert node.is_active(api, token)
    node.end(client, token)
    # It stays the other's, also when it is dead.
    assert_error(node.revoke(thief, token), 400, "invalid_grant")


def test_public_client(node, doornail, client, api):
    """A public client names itself; it cannot end what is not its own (CVE-2016-6582)."""
    doornail.client("native", "--public", grant=None)
    token = node.token(client)
    answer = node.post("/revoke", {"token": token, "client_id": "native"})
    assert_error(answer, 400, "invalid_grant")
    assert node.is_active(api, token)
    answer = node.post("/revoke", {"token": "unknown", "client_id": "native"})
    assert answer.status_code == 200


def test_unauthenticated_callers_end_nothing(node, client, api):
    token = node.token(client)
    wrong = {"client_id": client.id, "client_secret": "dn_cs_wrong"}
    for data in (
        {"token": token},
        {"token": token, "client_id": client.id},
        {"token": token, "client_id": client.id, "client_secret": ""},
        {"token": token, "client_id": "nobody"},
        {"token": token} | wrong,
    ):
        assert_error(node.post("/revoke", data), 401, "invalid_client")
    assert node.is_active(api, token)


def test_repeated_token_ends_nothing(node, client, api):
    token = node.token(client)
    answer = node.post("/revoke", {"token": [token, token]}, client)
    assert_error(answer, 400, "invalid_request")
    assert node.is_active(api, token)


def test_get_ends_nothing(node, client, api):
    token = node.token(client)
    answer = node.request("GET", f"/revoke?token={token}", headers=client.basic)
    assert answer.status_code == 405
    assert node.is_active(api, token)


def test_fifty_at_once(node, other, client, api):
    """Fifty revocations of one token at two nodes: all 200, and it is dead after the first."""
    token = node.token(client)

    def revoke(index):
        answer = (node, other)[index % 2].revoke(client, token)
        return answer.status_code, (node, other)[(index + 1) % 2].is_active(api, token)

    assert set(in_parallel(50, revoke)) == {(200, False)}


def test_many_at_once_each_its_own(node, other, client, api):
    tokens = [node.token(client) for _ in range(100)]
    spared = tokens[::4]

    def revoke(index):
        token = tokens[index]
        if token in spared:
            return other.is_active(api, token)
        node.end(client, token)
        return other.is_active(api, token)

    assert in_parallel(100, revoke) == [token in spared for token in tokens]
    assert all(node.is_active(api, token) for token in spared)


def test_expired_token(doornail, client, api, node):
    """Expired is 200 too, and committed: a clock that goes back makes it no token that lives."""
    brief = doornail.node(DOORNAIL_ACCESS_TOKEN_TTL="1s")
    token = brief.token(client)
    time.sleep(2.1)
    assert not node.is_active(api, token)
    count = "SELECT count(*) FROM revocations"
    before = doornail.sql(count)[0][0]
    node.end(client, token)
    assert doornail.sql(count)[0][0] == before + 1
    assert not node.is_active(api, token)


def test_it_is_written_down(doornail, node, client):
    """Every end has its reason, its actor and its time in the log, and a line in the audit."""
    token = node.token(client)
    jti = node.introspect(client, token)["jti"]
    node.end(client, token)
    row = doornail.sql(
        "SELECT kind, is_end, reason, actor, at FROM revocations WHERE subject = %s", jti
    )
    assert len(row) == 1
    kind, is_end, reason, actor, at = row[0]
    assert kind == "token" and is_end and reason and client.id in actor and at is not None
    assert node.logged(jti)
