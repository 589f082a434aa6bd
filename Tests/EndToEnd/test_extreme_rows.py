"""Rows at the limits of their types, as psql makes them: a node answers, or says that it cannot."""

import contextlib
import time

import psycopg
import pytest

from browser import Browser, refresh
from support import ISSUER

TIMES = ["-infinity", "infinity", "4713-01-01 BC", "294276-12-31"]
LIMITS = {
    "timestamp with time zone": TIMES,
    "smallint": [-(2**15), 2**15 - 1],
    "integer": [-(2**31), 2**31 - 1],
    "bigint": [-(2**63), 2**63 - 1],
}
# What is there once Ada has logged in, and how an operator looks at it.
TABLES = {
    "sessions": [["session", "list"], ["session", "show", "SESSION"]],
    "grants": [["session", "show", "SESSION"], ["user", "show", "ada"]],
    "users": [["user", "list"], ["user", "show", "ada"], ["session", "list", "--user", "ada"]],
    "clients": [["client", "list"], ["client", "show", "app"]],
    "authorization_codes": [],
    "throttles": [],
    "secrets": [["secret", "list"], ["check"]],
    "signing_keys": [["key", "list"]],
}


@pytest.fixture(scope="module")
def nodes(doornail):
    """One that remembers answers, and one that reads each row."""
    settings = {"DOORNAIL_ISSUER": ISSUER, "DOORNAIL_ACCESS_TOKEN_TTL": "1h"}
    return [doornail.node(DOORNAIL_CACHE=size, **settings) for size in ("64MB", "0")]


@pytest.fixture(scope="module")
def app(doornail):
    scope = "openid profile email photos:read offline_access"
    return doornail.app("app", "--first-party", scope=scope)


class Login:
    """Ada at a browser, what her app was given, and a code that nobody has redeemed."""

    def __init__(self, node, app, ada):
        self.browser = Browser(node)
        self.browser.log_in(ada)
        # One that ends with the login, and one that outlives it.
        self.tokens = [
            self.browser.tokens(app, scope=f"openid profile photos:read{offline}")
            for offline in ("", " offline_access")
        ]
        self.outcome = self.browser.authorize(app)
        self.browser.login("ada", "wrong")
        self.app = app

    def knock(self, node, api):
        """Whatever reads the rows; each request is answered."""
        browser = self.browser.twin().via(node)
        for path in ("/account", "/login", "/logout", "/authorize?client_id=app"):
            yield browser.get(path)
        for tokens in self.tokens:
            yield node.post("/introspect", {"token": tokens.access}, api)
            yield node.post("/introspect", {"token": tokens.refresh}, api)
            bearer = {"Authorization": f"Bearer {tokens.access}"}
            yield node.request("GET", "/userinfo", headers=bearer)
            yield refresh(node, self.app, tokens.refresh)
        yield self.outcome.redeem(node)
        yield node.request("GET", "/jwks.json")


@pytest.fixture(scope="module")
def login(nodes, app, doornail):
    return Login(nodes[0], app, doornail.user("ada"))


class Rows:
    """Runs statements without triggers, and puts all rows back as they were."""

    TABLES = [*TABLES, "signing_key_copies"]

    def __init__(self, connection):
        self.connection = connection
        self.execute("UPDATE authorization_codes SET expires_at = now() + interval '1 hour'")
        connection.execute("CREATE SCHEMA saved")
        for table in self.TABLES:
            connection.execute(f"CREATE TABLE saved.{table} AS TABLE {table}")

    def unguarded(self, work):
        """Does it again where it met the nodes' own statements in the middle of theirs."""
        tables = [*self.TABLES, "nodes", "revocation_clock"]
        for _ in range(20):
            with contextlib.suppress(psycopg.errors.DeadlockDetected):
                with self.connection.transaction():
                    for table in tables:
                        self.connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
                    result = work()
                    for table in tables:
                        self.connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
                return result
        raise AssertionError("it met the nodes' statements each time")

    def execute(self, statement, values=None):
        return self.unguarded(lambda: self.connection.execute(statement, values))

    def restore(self):
        def work():
            for table in self.TABLES:
                self.connection.execute(f"DELETE FROM {table}")
                self.connection.execute(f"INSERT INTO {table} SELECT * FROM saved.{table}")

        self.unguarded(work)


@pytest.fixture(scope="module")
def rows(doornail, login, api, client):
    with doornail.cluster.connect(doornail.database) as connection:
        yield Rows(connection)


def columns(connection, table):
    """The columns of a table that have limits, with their values there."""
    # Without its last secret a node has to end.
    found = connection.connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = current_schema() AND table_name = %s AND column_name <> 'retired_at'",
        [table],
    )
    return [(name, value) for name, kind in found for value in LIMITS.get(kind, [])]


def assert_alive(nodes):
    for node in nodes:
        assert node.process.poll() is None, node.log_text()[-3000:]


def assert_answered(answers):
    for answer in answers:
        assert answer.status_code in (200, 303, 400, 401, 403, 404, 429, 500, 503), answer.text


@pytest.mark.parametrize("table", TABLES)
def test_any_row_is_answered(doornail, nodes, login, rows, api, table):
    session = doornail.sql("SELECT id FROM sessions")[0][0]
    examined = 0
    for column, value in columns(rows, table):
        # A constraint holds without triggers, too.
        with contextlib.suppress(psycopg.errors.IntegrityError):
            rows.execute(f"UPDATE {table} SET {column} = %s", [value])
            examined += 1
        for node in nodes:
            assert_answered(login.knock(node, api))
        if table in ("users", "throttles"):
            assert_answered([login.browser.twin().login("ada", "wrong")])
        # A command takes its time to start.
        for command in TABLES[table] if value not in TIMES[2:] else []:
            done = doornail.run(*[word.replace("SESSION", str(session)) for word in command])
            assert done.returncode in (0, 1), f"{column} {value} {command}: {done.stderr}"
        assert_alive(nodes)
        rows.restore()
    assert examined >= 2
    # And all is as it was before.
    for node in nodes:
        assert node.is_active(api, login.tokens[0].access)
        assert login.browser.twin().via(node).get("/account").status_code == 200


@pytest.mark.parametrize("moment", ["-infinity", "infinity"])
@pytest.mark.parametrize("column", ["expires_at", "idle_expires_at"])
def test_a_login_that_ends_before_or_after_all_time(
    doornail, nodes, login, rows, api, column, moment
):
    doornail.sql(f"UPDATE sessions SET {column} = %s", moment)
    for node in nodes:
        is_alive = moment == "infinity"
        assert node.is_active(api, login.tokens[0].access) == is_alive
        answer = login.browser.twin().via(node).get("/account")
        assert answer.status_code == (200 if is_alive else 303)
        assert node.is_active(api, login.tokens[1].access), "it outlives the login"
    assert_alive(nodes)
    rows.restore()
    doornail.sql("SELECT append_revocation('session', id, NULL, false, 'x', 'x') FROM sessions")


@pytest.mark.parametrize("moment", ["-infinity", "infinity"])
def test_keys_from_before_or_after_all_time(nodes, rows, moment):
    """The nodes look at them every five seconds."""
    rows.execute("UPDATE signing_keys SET created_at = %s", [moment])
    time.sleep(7)
    assert_alive(nodes)
    for node in nodes:
        assert node.request("GET", "/jwks.json").json()["keys"]
    rows.restore()


@pytest.mark.parametrize("lease, applied", [(1, 2**63 - 1), (60_000, -(2**63))])
@pytest.mark.parametrize("moment", ["-infinity", "infinity"])
def test_any_other_node(doornail, nodes, rows, client, lease, applied, moment):
    token = nodes[0].token(client)
    rows.execute(
        "INSERT INTO nodes (id, key_ids, version, lease_ms, applied, renewed_at) "
        "SELECT gen_random_uuid(), key_ids, 'x', %s, %s, %s FROM nodes LIMIT 1",
        [lease, applied, moment],
    )
    # Whether it waits for that node in vain depends on how long leases are there.
    answer = nodes[0].revoke(client, token)
    assert answer.status_code == (503 if lease > 1 else 200)
    assert doornail.run("check").returncode in (0, 1)
    assert_alive(nodes)
    rows.execute("DELETE FROM nodes WHERE version = 'x'")


@pytest.mark.parametrize("column", ["last_number", "timeline", "timeline_since"])
def test_any_log(doornail, nodes, login, rows, api, column):
    before = rows.connection.execute(f"SELECT {column} FROM revocation_clock").fetchone()
    for value in [value for name, value in columns(rows, "revocation_clock") if name == column]:
        rows.execute(f"UPDATE revocation_clock SET {column} = %s", [value])
        time.sleep(0.5)
        for node in nodes:
            # Without a lease each request would wait for one.
            ready = node.request("GET", "/health/ready")
            assert_answered([ready])
            if ready.status_code == 200:
                assert_answered(login.knock(node, api))
        assert doornail.run("check").returncode in (0, 1)
        assert_alive(nodes)
        rows.execute(f"UPDATE revocation_clock SET {column} = %s", before)
        rows.restore()
    for node in nodes:
        node.wait_until_ready()
        assert node.is_active(api, login.tokens[0].access)
