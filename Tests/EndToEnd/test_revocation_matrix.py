"""Everything that ends a token, at every node; the log of ends; what psql may and may not."""

import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from support import Doornail, in_parallel

REFUSED = psycopg.errors.IntegrityError


@pytest.fixture(scope="module")
def nodes(node, other):
    return [node, other]


@pytest.fixture
def made(doornail, nodes, request):
    """A client of the test's own with a token from each node."""
    client = doornail.client(f"c{uuid.uuid4().hex[:12]}")
    return client, [node.token(client) for node in nodes]


def sql(statement):
    return lambda doornail, nodes, client, tokens: doornail.sql(statement, client.id)


ENDS = {
    "token": lambda doornail, nodes, client, tokens: [nodes[0].end(client, t) for t in tokens],
    "token at the other node": lambda doornail, nodes, client, tokens: [
        nodes[1].end(client, t) for t in tokens
    ],
    "token by command": lambda doornail, nodes, client, tokens: [
        doornail.cli("revoke", "token", stdin=t) for t in tokens
    ],
    "client by command": lambda doornail, nodes, client, tokens: doornail.cli(
        "revoke", "client", client.id
    ),
    "client disabled": lambda doornail, nodes, client, tokens: doornail.cli(
        "client", "disable", client.id
    ),
    "client disabled and enabled": lambda doornail, nodes, client, tokens: [
        doornail.cli("client", verb, client.id) for verb in ("disable", "enable")
    ],
    "client deleted": lambda doornail, nodes, client, tokens: doornail.cli(
        "client", "delete", client.id
    ),
    "client deleted and made again": lambda doornail, nodes, client, tokens: [
        doornail.cli("client", "delete", client.id),
        doornail.client(client.id),
    ],
    "sql epoch": sql("UPDATE clients SET epoch = epoch + 1 WHERE client_id = %s"),
    "sql disabled": sql("UPDATE clients SET disabled_at = now() WHERE client_id = %s"),
    "sql delete": sql("DELETE FROM clients WHERE client_id = %s"),
}


@pytest.mark.parametrize("end", ENDS)
def test_ends(doornail, nodes, client, api, made, end):
    victim, tokens = made
    spared = [node.token(client) for node in nodes]
    for node in nodes:
        assert all(node.is_active(api, token) for token in tokens + spared)
    before = doornail.sql("SELECT last_number FROM revocation_clock")[0][0]
    ENDS[end](doornail, nodes, victim, tokens)
    for node in nodes:
        assert not any(node.is_active(api, token) for token in tokens)
        assert all(node.is_active(api, token) for token in spared)
    rows = doornail.sql("SELECT is_end, reason, actor FROM revocations WHERE number > %s", before)
    assert any(is_end for is_end, _, _ in rows)
    assert all(reason and actor for _, reason, actor in rows)
    if end.startswith("sql"):
        assert any(actor == "sql:postgres" for _, _, actor in rows)


PAIRS = [
    (a, b)
    for a in (
        "token",
        "client by command",
        "client disabled and enabled",
        "sql epoch",
        "client deleted",
    )
    for b in ("token", "client by command", "client disabled and enabled", "sql epoch")
    if a != b
]


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=" then ".join)
def test_no_end_masks_another(doornail, nodes, api, made, first, second):
    """Every pair of ends (CVE-2026-8922): what is dead stays dead after the next."""
    victim, tokens = made
    ENDS[first](doornail, nodes, victim, tokens)
    if first == "client deleted":
        victim = doornail.client(victim.id)
        assert not any(node.is_active(api, token) for node in nodes for token in tokens)
        fresh = [nodes[0].token(victim)]
        ENDS[second](doornail, nodes, victim, fresh)
        tokens = tokens + fresh
    else:
        ENDS[second](doornail, nodes, victim, tokens)
    assert not any(node.is_active(api, token) for node in nodes for token in tokens)


def test_enabling_revives_nothing(doornail, nodes, api, made):
    victim, tokens = made
    doornail.sql("UPDATE clients SET disabled_at = now() WHERE client_id = %s", victim.id)
    doornail.sql("UPDATE clients SET disabled_at = NULL WHERE client_id = %s", victim.id)
    assert not any(node.is_active(api, token) for node in nodes for token in tokens)
    assert all(node.is_active(api, node.token(victim)) for node in nodes)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE clients SET epoch = epoch - 1 WHERE client_id = 'photos'",
        "UPDATE clients SET id = gen_random_uuid() WHERE client_id = 'photos'",
        "DELETE FROM revoked_tokens",
        "TRUNCATE revoked_tokens",
        "UPDATE revoked_tokens SET id = gen_random_uuid()",
        "UPDATE revoked_tokens SET expires_at = expires_at - interval '1 minute'",
        "UPDATE secrets SET retired_at = NULL WHERE retired_at IS NOT NULL OR key_id = key_id + 1",
        "DELETE FROM secrets",
        "TRUNCATE secrets",
        "UPDATE secrets SET key_id = key_id + 100",
        "UPDATE revocation_clock SET last_number = last_number - 1",
        "DELETE FROM revocation_clock",
        "TRUNCATE revocation_clock",
    ],
)
def test_what_the_database_refuses(doornail, nodes, client, api, statement):
    """An operator's slip revives nothing."""
    token = nodes[0].token(client)
    nodes[0].end(client, token)
    if "retired_at = NULL" in statement:
        doornail.sql(
            "INSERT INTO secrets (key_id, fingerprint, retired_at) "
            "VALUES (250, sha256('x'), now()) ON CONFLICT DO NOTHING"
        )
    with pytest.raises(REFUSED):
        doornail.sql(statement)
    assert not nodes[1].is_active(api, token)


def test_truncate_of_clients_is_logged(doornail, cluster, tmp_path):
    own = Doornail(cluster, "truncated", tmp_path)
    try:
        client = own.client("photos")
        node = own.node()
        node.token(client)
        own.sql("TRUNCATE clients")
        answer = node.post("/token", {"grant_type": "client_credentials"}, client)
        assert answer.status_code == 401
        kinds = own.sql("SELECT kind, is_end FROM revocations ORDER BY number DESC LIMIT 1")
        assert kinds == [("everything", True)]
    finally:
        own.stop()


def test_an_open_transaction_stops_nobody(doornail, nodes, client, api, made):
    """An operator who left BEGIN; UPDATE standing: revocations go on, and so does introspection."""
    victim, tokens = made
    with doornail.cluster.connect(doornail.database, autocommit=False) as operator:
        operator.execute("UPDATE clients SET epoch = epoch + 1 WHERE client_id = %s", [victim.id])
        for _ in range(5):
            token = nodes[0].token(client)
            nodes[0].end(client, token)
            assert not nodes[1].is_active(api, token)
        assert nodes[1].is_active(api, tokens[0]), "not committed yet"
        operator.commit()
    doornail.heard()
    assert not nodes[1].is_active(api, tokens[0])


def test_the_log_is_gapless_and_in_commit_order(doornail, nodes, client, api):
    """Twenty revokers and operators in psql who touch the same rows the other way round."""
    tokens = [nodes[index % 2].token(client) for index in range(400)]
    ids = [nodes[0].introspect(api, token)["jti"] for token in tokens]
    clients = [doornail.client(f"log-{index}") for index in range(8)]
    owner = doornail.sql("SELECT id FROM clients WHERE client_id = 'photos'")[0][0]
    start = doornail.sql("SELECT last_number FROM revocation_clock")[0][0]
    over = threading.Event()
    deadlocks, operations = [], []

    def operator(index):
        """Ends two clients of its own and tokens that are being revoked, in falling order."""
        order = sorted(ids[index::40], reverse=True)[:6]
        with doornail.cluster.connect(doornail.database, autocommit=False) as connection:
            while not over.is_set():
                try:
                    for name in (clients[2 * index + 1].id, clients[2 * index].id):
                        connection.execute(
                            "UPDATE clients SET epoch = epoch + 1 WHERE client_id = %s", [name]
                        )
                    for jti in order:
                        connection.execute(
                            "INSERT INTO revoked_tokens (id, client, expires_at, reason, actor) "
                            "VALUES (%s, %s, now() + interval '5 minutes', 'test', 'operator') "
                            "ON CONFLICT (id) DO UPDATE SET times = revoked_tokens.times + 1",
                            [jti, owner],
                        )
                    connection.commit()
                    operations.append(index)
                except psycopg.errors.DeadlockDetected as error:
                    connection.rollback()
                    deadlocks.append(error)

    def revoke(index):
        for attempt in range(10):
            answer = nodes[index % 2].revoke(client, tokens[index])
            if answer.status_code == 200:
                return attempt
            # Rows that psql locked the other way round may be lost to it once; never as a 200.
            assert answer.status_code == 503, answer.text
        raise AssertionError("never 200")

    operators = [threading.Thread(target=operator, args=(index,)) for index in range(4)]
    for thread in operators:
        thread.start()
    try:
        with ThreadPoolExecutor(20) as pool:
            list(pool.map(revoke, range(len(tokens))))
    finally:
        over.set()
        for thread in operators:
            thread.join()
    assert operations
    assert not any(
        in_parallel(8, lambda i: any(nodes[i % 2].is_active(api, t) for t in tokens[i::8]))
    )

    rows = doornail.sql(
        "SELECT number, pg_xact_commit_timestamp(xmin) FROM revocations WHERE number > %s "
        "ORDER BY number",
        start,
    )
    numbers = [number for number, _ in rows]
    last = doornail.sql("SELECT last_number FROM revocation_clock")[0][0]
    assert numbers == list(range(start + 1, last + 1))
    assert len(numbers) >= 400
    times = [at for _, at in rows]
    assert times == sorted(times), "numbers follow the order of the commits"


def test_distinct_rows_never_deadlock(doornail, nodes, client):
    """Operators and revokers share the counter alone: nobody waits in a circle."""
    clients = [doornail.client(f"apart-{index}") for index in range(6)]
    over = threading.Event()
    problems = []

    def operator(index):
        names = [clients[2 * index].id, clients[2 * index + 1].id]
        with doornail.cluster.connect(doornail.database, autocommit=False) as connection:
            while not over.is_set():
                try:
                    for name in names:
                        connection.execute(
                            "UPDATE clients SET epoch = epoch + 1 WHERE client_id = %s", [name]
                        )
                        time.sleep(0.01)
                    connection.commit()
                except psycopg.Error as error:
                    connection.rollback()
                    problems.append(error)
                names.reverse()

    threads = [threading.Thread(target=operator, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    try:
        in_parallel(
            20, lambda i: [nodes[i % 2].end(client, nodes[0].token(client)) for _ in range(10)]
        )
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not problems


def test_issuing_while_the_client_ends(doornail, nodes, api):
    """A token that was issued before the end is dead after it, however close they were."""
    racer = doornail.client("racer")
    issued, over = [], threading.Event()

    def issue(index):
        while not over.is_set():
            issued.append(nodes[index % 2].token(racer))

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(issue, index) for index in range(4)]
        try:
            time.sleep(0.3)
            for _ in range(3):
                before = issued[:]
                doornail.cli("revoke", "client", racer.id)
                assert not any(nodes[1].is_active(api, token) for token in before[-50:])
        finally:
            over.set()
        for future in running:
            future.result()
    assert nodes[1].is_active(api, nodes[0].token(racer))


def test_old_rows_go_and_dead_tokens_stay_dead(doornail, nodes, client, api):
    """Expiry holds whatever the clean-up does; it leaves rows for an hour."""
    brief = doornail.node(DOORNAIL_ACCESS_TOKEN_TTL="3s")
    token = brief.token(client)
    jti = brief.introspect(api, token)["jti"]
    brief.end(client, token)
    time.sleep(4)
    assert not brief.is_active(api, token)
    assert doornail.sql("SELECT count(*) FROM revoked_tokens WHERE id = %s", jti) == [(1,)]
