"""Honest failure: the database away, killed, frozen, back; the server killed.

Never 200 to a revocation that did not commit, never inactive for a token that could not be looked
up; 503 with Retry-After in time; certain again within 10 s.
"""

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from postgres import Cluster
from proxy import Proxy
from support import INACTIVE, assert_unavailable, in_parallel, locked

GRANT = {"grant_type": "client_credentials"}
# A 503 leaves before 5 s are over; the rest is the way there and back on a busy machine. Who waited
# twice would come later.
SECONDS = 7
LEASE = 0.25
BACK = 10


@pytest.fixture(scope="module")
def cluster():
    """A cluster of this module's own, since it is maltreated."""
    made = Cluster()
    yield made
    made.remove()


@pytest.fixture(scope="module")
def proxy(cluster):
    made = Proxy(cluster.port)
    yield made
    made.cut()


@pytest.fixture(scope="module")
def node(doornail):
    """A server on the unix socket."""
    return doornail.node()


@pytest.fixture(scope="module")
def remote(doornail, proxy, cluster):
    """A server whose database is behind the proxy."""
    return doornail.node(DATABASE_URL=cluster.url(doornail.database, port=proxy.port))


@pytest.fixture(autouse=True)
def mended(cluster, proxy, node, remote):
    """After each test everything works again, within 10 s."""
    yield
    proxy.delay = 0
    proxy.mend()
    if cluster.process is None:
        cluster.start()
    cluster.thaw()
    for one in (node, remote):
        if one.process is not None:
            one.wait_until_ready(BACK)


def timed(work):
    """What work answers, which must be within the time that a 503 may take."""
    began = time.monotonic()
    answer = work()
    took = time.monotonic() - began
    assert took <= SECONDS, f"{answer.status_code} after {took:.2f} s"
    return answer


def every_request(node, client, token):
    """The three requests that need the database, at once; their answers, each in time."""
    return in_parallel(
        3,
        lambda index: timed(
            [
                lambda: node.post("/introspect", {"token": token}, client),
                lambda: node.post("/token", GRANT, client),
                lambda: node.revoke(client, token),
            ][index]
        ),
    )


def assert_all_unavailable(node, client, token):
    """Once its lease has lapsed, a node is certain of nothing."""
    time.sleep(LEASE)
    for answer in every_request(node, client, token):
        assert_unavailable(answer)


def assert_live_but_not_ready(node):
    live = timed(lambda: node.request("GET", "/health/live"))
    assert live.status_code == 200
    node.wait_for("/health/ready", 503, 6)
    ready = timed(lambda: node.request("GET", "/health/ready"))
    assert ready.status_code == 503 and int(ready.headers["Retry-After"]) >= 1
    body = ready.json()
    assert body["status"] == "unavailable" and body["reason"]


def certain(node, client, token):
    """Asks until the answer is certain, at most 10 s; whether the token is alive."""
    began = time.monotonic()
    while True:
        answer = node.post("/introspect", {"token": token}, client)
        if answer.status_code == 200:
            return answer.json() != INACTIVE
        assert_unavailable(answer)
        assert time.monotonic() - began < BACK, "not certain again within 10 s"
        time.sleep(0.05)


def test_away_at_start(doornail, cluster, client):
    """It starts, is live, is not ready, refuses in order, and serves once the database comes."""
    cluster.crash()
    late = doornail.node(ready=False)
    late.wait_for("/health/live", 200)
    assert_live_but_not_ready(late)
    assert_all_unavailable(late, client, "dn_at_x")
    cluster.start()
    late.wait_until_ready(BACK)
    assert late.is_active(client, late.token(client))
    late.stop()


def test_killed_in_the_middle(cluster, node, remote, client):
    tokens = [node.token(client) for _ in range(2)]
    cluster.crash()
    for one in (node, remote):
        assert_all_unavailable(one, client, tokens[0])
        assert_live_but_not_ready(one)
    cluster.start()
    for one in (node, remote):
        assert certain(one, client, tokens[1])
        one.end(client, one.token(client))


def test_stopped_in_order_in_the_middle(cluster, node, client):
    token = node.token(client)
    cluster.stop()
    assert_all_unavailable(node, client, token)
    cluster.start()
    assert certain(node, client, token)


def test_frozen_postgres(cluster, node, remote, client):
    """Every process of the server stands still; connections stay open and nothing comes."""
    token, spared = node.token(client), node.token(client)
    cluster.freeze()
    try:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda one: assert_all_unavailable(one, client, token), (node, remote)))
        assert_live_but_not_ready(node)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda one: assert_all_unavailable(one, client, token), (node, remote)))
    finally:
        cluster.thaw()
    for one in (node, remote):
        assert certain(one, client, spared)
    # The revocation's outcome was unknown; asked again it is certain.
    node.end(client, token)
    assert not remote.is_active(client, token)


def test_frozen_network(proxy, remote, node, client):
    token, spared = remote.token(client), remote.token(client)
    proxy.freeze()
    assert_all_unavailable(remote, client, token)
    assert_live_but_not_ready(remote)
    assert_all_unavailable(remote, client, token)
    assert node.is_active(client, spared), "the other node has its own way"
    node.end(client, token)
    proxy.mend()
    assert certain(remote, client, spared)
    assert not certain(remote, client, token)


def test_network_that_loses_its_connections(proxy, remote, client):
    """Cut off for a moment: the next request may be refused, or not; it is never wrong."""
    token = remote.token(client)
    for _ in range(10):
        proxy.sever()
        assert certain(remote, client, token)
    proxy.cut()
    assert_all_unavailable(remote, client, token)
    assert_live_but_not_ready(remote)
    proxy.mend()
    assert certain(remote, client, token)
    assert remote.is_active(client, remote.token(client))


def test_slow_network(proxy, doornail, cluster, client):
    """A lease has to outlast the way to the database and back."""
    far = doornail.node(
        DATABASE_URL=cluster.url(doornail.database, port=proxy.port), DOORNAIL_LEASE="2s"
    )
    proxy.delay = 0.2
    token = far.token(client)
    assert far.is_active(client, token)
    far.end(client, token)
    assert not far.is_active(client, token)
    proxy.delay = 0
    far.stop()


@pytest.mark.parametrize("fault", ["terminate", "sever", "crash"])
def test_revocations_while_connections_break(cluster, proxy, node, remote, client, doornail, fault):
    """A 200 is always true, whatever breaks meanwhile; nothing is inactive without a cause."""
    one = remote if fault == "sever" else node
    tokens = [one.token(client) for _ in range(120)]
    spared = tokens[:20]
    over = threading.Event()
    outcomes = {}

    def break_things():
        while not over.wait(0.1):
            with contextlib.suppress(Exception):
                if fault == "terminate":
                    doornail.sql(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                elif fault == "sever":
                    proxy.sever()

    def revoke(token):
        if token in spared:
            return
        answer = timed(lambda: one.revoke(client, token))
        outcomes[token] = answer.status_code
        if answer.status_code != 200:
            assert_unavailable(answer)
            return
        probe = timed(lambda: one.post("/introspect", {"token": token}, client))
        if probe.status_code == 200:
            assert probe.json() == INACTIVE, "revoked and active"
        else:
            assert_unavailable(probe)

    breaker = threading.Thread(target=break_things)
    breaker.start()
    try:
        with ThreadPoolExecutor(8) as pool:
            running = [pool.submit(revoke, token) for token in tokens]
            if fault == "crash":
                time.sleep(0.1)
                cluster.crash()
                cluster.start()
            for future in running:
                future.result()
    finally:
        over.set()
        breaker.join()
    one.wait_until_ready(BACK)
    for token in tokens:
        alive = certain(one, client, token)
        if token in spared:
            assert alive, "inactive without a cause"
        elif outcomes[token] == 200:
            assert not alive, "a revocation that was answered with 200 is lost"
        else:
            one.end(client, token)
            assert not one.is_active(client, token)


def test_kill_9_after_each_200(doornail, client):
    """A revocation is on disk before its answer leaves."""
    node = doornail.node()
    for _ in range(6):
        token, spared = node.token(client), node.token(client)
        answer = node.revoke(client, token)
        node.kill()
        assert answer.status_code == 200
        node.start()
        assert not node.is_active(client, token)
        assert node.is_active(client, spared)
    node.stop()


def test_database_crash_after_each_200(cluster, node, client):
    for _ in range(3):
        token, spared = node.token(client), node.token(client)
        node.end(client, token)
        cluster.crash()
        cluster.start()
        assert not certain(node, client, token)
        assert certain(node, client, spared)


def test_pool_of_one(doornail, client):
    """A hundred at once share one connection; while it hangs all get their 503 in time."""
    node = doornail.node(DOORNAIL_POOL="1", DOORNAIL_CACHE="0")
    tokens = [node.token(client) for _ in range(100)]
    told = in_parallel(100, lambda index: node.introspect(client, tokens[index])["active"])
    assert all(told)
    with locked(doornail):
        answers = in_parallel(
            100,
            lambda index: timed(lambda: node.post("/introspect", {"token": tokens[index]}, client)),
        )
        for answer in answers:
            assert_unavailable(answer)
    assert certain(node, client, tokens[0])
    node.stop()


def test_a_long_lock_on_the_counter(doornail, node, client):
    """Revocations cannot commit: 503 in time; reading goes on; then they work again."""
    token, spared = node.token(client), node.token(client)
    with doornail.cluster.connect(doornail.database, autocommit=False) as connection:
        connection.execute("SELECT FROM revocation_clock FOR UPDATE")
        answers = in_parallel(10, lambda _: timed(lambda: node.revoke(client, token)))
        for answer in answers:
            assert_unavailable(answer)
        assert node.is_active(client, spared)
        connection.rollback()
    deadline = time.monotonic() + BACK
    while (answer := node.revoke(client, token)).status_code != 200:
        assert_unavailable(answer)
        assert time.monotonic() < deadline
    assert not node.is_active(client, token)


def test_no_connection_left(cluster, doornail, node, client):
    """max_connections used up: who has a connection works, who needs one gets 503."""
    token = node.token(client)
    taken = []
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(Exception):
            while True:
                taken.append(stack.enter_context(cluster.connect("postgres", user="doornail")))
        assert len(taken) > 100
        assert node.is_active(client, token)
        late = doornail.node(ready=False)
        late.wait_for("/health/live", 200)
        assert_unavailable(timed(lambda: late.post("/token", GRANT, client)))
    late.wait_until_ready(BACK)
    assert late.is_active(client, token)
    late.stop()


def backends(doornail, event):
    return [
        pid
        for (pid,) in doornail.sql(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
            "AND wait_event = %s AND application_name LIKE %s",
            event,
            "%doornail%",
        )
    ]


@contextlib.contextmanager
def ghost_standby(doornail):
    """Commits wait for a synchronous standby that does not exist."""
    setting = "ALTER SYSTEM SET synchronous_standby_names = '{}'"
    doornail.sql(setting.format("ghost"))
    doornail.sql("SELECT pg_reload_conf()")
    time.sleep(0.5)
    try:
        yield
    finally:
        # A reset that waits for the ghost itself would never end; ALTER SYSTEM does not commit.
        doornail.sql("ALTER SYSTEM RESET synchronous_standby_names")
        doornail.sql("SELECT pg_reload_conf()")


@pytest.mark.parametrize("cancel", [True, False])
def test_commit_that_waits_for_a_standby(doornail, node, client, cancel):
    """Cancelled, such a wait ends with warning 01000 and a COMMIT that succeeds: it is no 200."""
    token = node.token(client)
    with ghost_standby(doornail), ThreadPoolExecutor(1) as pool:
        running = pool.submit(lambda: timed(lambda: node.revoke(client, token)))
        if cancel:
            cancelled = 0
            while not running.done():
                for pid in backends(doornail, "SyncRep"):
                    doornail.sql("SELECT pg_cancel_backend(%s)", pid)
                    cancelled += 1
                time.sleep(0.05)
            assert cancelled
        assert_unavailable(running.result())
    node.wait_until_ready(BACK)
    deadline = time.monotonic() + BACK
    while (answer := node.revoke(client, token)).status_code != 200:
        assert_unavailable(answer)
        assert time.monotonic() < deadline
    assert not node.is_active(client, token)


def test_the_command_line_without_a_database(doornail, cluster):
    cluster.crash()
    for command in (("client", "list"), ("revoke", "client", "photos"), ("check",), ("migrate",)):
        began = time.monotonic()
        done = doornail.run(*command)
        assert done.returncode == 1 and (done.stdout + done.stderr).strip(), command
        assert time.monotonic() - began < 15
