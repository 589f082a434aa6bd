"""Server secrets: rotating, retiring, and nodes that lack one."""

import base64
import contextlib
import signal
import time

import pytest

from browser import Browser, Tokens, refresh
from support import Doornail, assert_error, assert_unavailable

GRANT = {"grant_type": "client_credentials"}


def key_of(token):
    """The key id that a token was signed under: its first byte."""
    body = token[len("dn_at_") :]
    return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))[0]


@pytest.fixture
def rotating(cluster, tmp_path, request):
    """An installation of the test's own, with the secrets `first` and `second`."""
    made = Doornail(cluster, request.node.name[:60], tmp_path)
    made.first, made.second = made.secret, made.new_secret()
    made.both = f"{made.second},{made.first}"
    # The first secret is made known alone, so that it has the key id 1.
    made.node().stop()
    made.nodes.clear()
    made.photos = made.client("photos")
    made.api = made.client("api", "--introspects", "any")
    yield made
    made.stop()


@contextlib.contextmanager
def stopped(node):
    """A node that is paused for a while."""
    node.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        node.process.send_signal(signal.SIGCONT)


def token_under(node, client, key, timeout=20):
    """A token under a key id, as soon as the node signs with it."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        token = node.token(client)
        if key_of(token) == key:
            return token
        time.sleep(0.1)
    raise AssertionError(f"the node never signed under {key}; the last one was {key_of(token)}")


def test_rotation_without_a_gap(rotating):
    """The way an operator goes: add the new secret node by node; no token is ever refused."""
    a, b = rotating.node(), rotating.node()
    old = [a.token(rotating.photos), b.token(rotating.photos)]
    assert {key_of(token) for token in old} == {1}
    a.stop()
    a.environment["DOORNAIL_SECRET"] = rotating.both
    a.start()
    # b lacks the new secret, so a does not sign under it yet.
    for _ in range(20):
        token = a.token(rotating.photos)
        assert key_of(token) == 1 and b.is_active(rotating.api, token)
    b.stop()
    b.environment["DOORNAIL_SECRET"] = rotating.both
    b.start()
    rotating.secret = rotating.both
    new = [token_under(node, rotating.photos, 2) for node in (a, b)]
    for node in (a, b):
        assert all(node.is_active(rotating.api, token) for token in old + new)

    rotating.cli("secret", "retire", "1")
    for node in (a, b):
        assert not any(node.is_active(rotating.api, token) for token in old)
        assert all(node.is_active(rotating.api, token) for token in new)
    # The retired secret may be dropped; its tokens stay dead.
    for node in (a, b):
        node.stop()
        node.environment["DOORNAIL_SECRET"] = rotating.second
        node.start()
        assert not any(node.is_active(rotating.api, token) for token in old)
        assert all(node.is_active(rotating.api, token) for token in new)


def test_a_node_that_lacks_a_secret_never_says_unknown(rotating):
    """A token under a secret that the database knows and the node lacks: 503, everywhere."""
    lacking = rotating.node()
    # A pause so long that it is taken for dead: nobody waits for it any more.
    with stopped(lacking):
        having = rotating.node(DOORNAIL_SECRET=rotating.both)
        token = token_under(having, rotating.photos, 2)
    assert having.is_active(rotating.api, token)
    for _ in range(10):
        assert_unavailable(lacking.post("/introspect", {"token": token}, rotating.api))
        assert_unavailable(lacking.post("/revoke", {"token": token}, rotating.photos))
    # A forged one is refused all the same, and what it can know it says.
    forged = token[:-1] + ("A" if token[-1] != "A" else "B")
    assert lacking.post("/introspect", {"token": forged}, rotating.api).status_code in (200, 503)
    mine = lacking.token(rotating.photos)
    assert key_of(mine) == 1
    assert lacking.is_active(rotating.api, mine) and having.is_active(rotating.api, mine)
    having.end(rotating.photos, token)
    assert_unavailable(lacking.post("/introspect", {"token": token}, rotating.api))


def test_retired_is_inactive_at_nodes_that_never_had_it(rotating):
    """Once a secret is retired, a token under it is dead: certain, also without the secret."""
    old = rotating.node()
    token = old.token(rotating.photos)
    old.stop()
    both = rotating.node(DOORNAIL_SECRET=rotating.both)
    assert both.is_active(rotating.api, token)
    rotating.secret = rotating.both
    rotating.cli("secret", "retire", "1")
    alone = rotating.node(DOORNAIL_SECRET=rotating.second)
    for node in (both, alone):
        assert not node.is_active(rotating.api, token)
        node.end(rotating.photos, token)


def test_serve_needs_every_unretired_secret(rotating):
    rotating.node(DOORNAIL_SECRET=rotating.both).stop()
    for secret in (rotating.first, rotating.second, rotating.new_secret()):
        for command in (("serve",), ("check",)):
            done = rotating.run(*command, env={"DOORNAIL_SECRET": secret}, timeout=20)
            assert done.returncode == 1, (command, done.stdout, done.stderr)
            assert "secret" in (done.stdout + done.stderr).lower()
    # A wrong one did not become a second valid one.
    assert len(rotating.cli("secret", "list", env={"DOORNAIL_SECRET": rotating.both})) == 2
    # The order is free, and spaces and repetitions do no harm.
    spaced = f" {rotating.first} , {rotating.second},{rotating.first} "
    assert rotating.run("check", env={"DOORNAIL_SECRET": spaced}).returncode == 0


def test_list(rotating):
    rotating.node(DOORNAIL_SECRET=rotating.both)
    rotating.secret = rotating.both
    listed = rotating.cli("secret", "list")
    assert [row["key_id"] for row in listed] == [1, 2]
    assert [row.get("retired_at") for row in listed] == [None, None]
    rotating.cli("secret", "retire", "1")
    listed = rotating.cli("secret", "list")
    assert listed[0]["retired_at"] and not listed[1].get("retired_at")


def test_the_last_secret_is_not_retired(rotating):
    """Nothing could be signed any more."""
    rotating.node()
    done = rotating.run("secret", "retire", "1")
    assert done.returncode == 1 and done.stderr.strip()
    assert rotating.sql("SELECT retired_at FROM secrets") == [(None,)]


def test_no_token_is_born_dead(rotating):
    """The secret in use is retired: whoever gets a token from then on gets one that is alive."""
    nodes = [rotating.node(DOORNAIL_SECRET=rotating.both) for _ in range(2)]
    rotating.secret = rotating.both
    for node in nodes:
        token_under(node, rotating.photos, 2)
    rotating.cli("secret", "retire", "2")
    for _ in range(30):
        for node in nodes:
            answer = node.post("/token", GRANT, rotating.photos)
            if answer.status_code != 200:
                assert_unavailable(answer)
                continue
            assert nodes[0].is_active(rotating.api, answer.json()["access_token"])
        time.sleep(0.05)
    assert {key_of(node.token(rotating.photos)) for node in nodes} == {1}


def test_retired_stays_retired(rotating):
    rotating.node(DOORNAIL_SECRET=rotating.both)
    rotating.secret = rotating.both
    rotating.cli("secret", "retire", "1")
    first = rotating.sql("SELECT last_number FROM revocation_clock")[0][0]
    rotating.cli("secret", "retire", "1")
    assert rotating.sql("SELECT last_number FROM revocation_clock")[0][0] == first + 1
    for node in rotating.nodes:
        assert key_of(node.token(rotating.photos)) == 2
    # Given again as the only one, the server refuses to start.
    rotating.stop()
    done = rotating.run("serve", env={"DOORNAIL_SECRET": rotating.first}, timeout=20)
    assert done.returncode == 1 and "secret" in done.stderr.lower()


def test_logins_outlive_a_rotation(rotating):
    """Refresh tokens move to the new secret with their next use; check says how many have not."""
    node = rotating.node()
    ada, app = rotating.user("ada"), rotating.app("app", "--first-party")
    browser = Browser(node)
    browser.log_in(ada)
    tokens = [browser.tokens(app, scope="photos:read") for _ in range(3)]
    code = browser.authorize(app)
    assert {key_of(one.refresh) for one in tokens} == {1}
    node.stop()
    node.environment["DOORNAIL_SECRET"] = rotating.both
    node.start()
    rotating.secret = rotating.both
    token_under(node, rotating.photos, 2)
    assert "refresh token under it: 3." in rotating.run("check").stdout
    # What a browser kept under the old secret still works.
    assert browser.is_logged_in(app)
    moved = [Tokens.of(app, refresh(node, app, one.refresh)) for one in tokens[:2]]
    assert {key_of(one.refresh) for one in moved} == {2}
    assert "refresh token under it: 1." in rotating.run("check").stdout
    rotating.cli("secret", "retire", "1")
    for one in moved:
        assert node.is_active(rotating.api, one.access)
        assert refresh(node, app, one.refresh).status_code == 200
    assert_error(refresh(node, app, tokens[2].refresh), 400, "invalid_grant")
    assert not node.is_active(rotating.api, tokens[2].access)
    assert_error(code.redeem(node), 400, "invalid_grant")
