"""Every way to write the tables by hand, while three nodes serve (docs/promise.md).

What is tried is made from the tables themselves, so that a new column is tried, too. The database may
refuse, which is right; what it takes must bring no dead token back to life, and no revocation may be
answered before it holds.
"""

import contextlib
import time

import psycopg
import pytest
import requests

from browser import Browser
from support import ISSUER, Doornail

# A row of each as it was while it lived is put back after it was removed.
FAMILIES = ("authorization_codes", "clients", "grants", "sessions", "users")
# What a column is set to, by its type: the ends of what it holds, nothing, and what others have.
VALUES = {
    "timestamp with time zone": ("NULL", "'-infinity'", "'infinity'"),
    "bigint": ("{column} - 1", "{column} + 1"),
    "integer": ("{column} + 1",),
    "smallint": ("200",),
    "boolean": ("NOT {column}",),
    "uuid": ("gen_random_uuid()", "(SELECT {column} FROM {table} LIMIT 1)"),
    "text": ("NULL",),
    "bytea": ("sha256('x')",),
    "ARRAY": ("'{{}}'",),
    "xid8": ("pg_current_xact_id()",),
}


class House:
    """An installation with a role that serves, three nodes, and tokens that died in every way."""

    def __init__(self, cluster, folder):
        self.doornail = Doornail(cluster, "by_hand", folder)
        self.cluster = cluster
        with cluster.connect("by_hand") as connection:
            connection.execute("DROP ROLE IF EXISTS hand")
            connection.execute("CREATE ROLE hand LOGIN")
            connection.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO hand")
        self.nodes = [self.doornail.node(DOORNAIL_ISSUER=ISSUER) for _ in range(3)]
        self.api = self.doornail.client("api", "--introspects", "any")
        self.machine = self.doornail.client("machine")
        self.app = self.doornail.app("app")
        self.dead = self.kill()
        self.before = self.save()

    def kill(self):
        """Tokens that were alive at every node, and that are dead: each by another end."""
        people = {name: self.doornail.user(name) for name in ("grant", "session", "user", "disabled")}
        logins = {name: Browser(self.nodes[0]) for name in people}
        tokens = {name: logins[name].tokens(self.app, person) for name, person in people.items()}
        gone = self.doornail.client("gone")
        own, ended = self.nodes[0].token(self.machine), self.nodes[0].token(gone)
        alive = [own, ended, *(t.access for t in tokens.values())]
        assert all(node.is_active(self.api, token) for node in self.nodes for token in alive)
        with self.connect() as connection:
            for table in FAMILIES:
                connection.execute(f"CREATE TABLE alive_{table} AS SELECT * FROM {table}")
        self.nodes[0].end(self.machine, own)
        self.nodes[0].end(self.app, tokens["grant"].refresh)
        (session,) = self.doornail.sessions(people["session"])
        self.doornail.cli("revoke", "session", session["id"])
        self.doornail.cli("revoke", "user", "user")
        self.doornail.cli("user", "disable", "disabled")
        self.doornail.cli("revoke", "client", "gone")
        return alive

    def connect(self, user="postgres", autocommit=True):
        return self.cluster.connect("by_hand", user, autocommit)

    def tables(self):
        """The tables, with their columns: [(table, [(column, type)])]."""
        with self.connect() as connection:
            rows = connection.execute(
                "SELECT table_name, column_name, data_type FROM information_schema.columns "
                "WHERE table_schema = 'public' AND table_name NOT LIKE 'alive\\_%' "
                "AND table_name NOT LIKE 'saved\\_%' AND is_updatable = 'YES' ORDER BY 1, 2"
            ).fetchall()
        found = {}
        for table, column, kind in rows:
            found.setdefault(table, []).append((column, kind))
        return list(found.items())

    def save(self):
        """Keeps everything as it is, to be put back after what the database took."""
        names = [table for table, _ in self.tables() if table not in ("nodes", "schema_migrations")]
        with self.connect() as connection:
            for name in names:
                connection.execute(f"CREATE TABLE saved_{name} AS SELECT * FROM {name}")
        return names

    def restore(self):
        """Again where it met the nodes' own statements in the middle of theirs."""
        for _ in range(20):
            with contextlib.suppress(psycopg.errors.DeadlockDetected):
                return self.put_back()
        raise AssertionError("it met the nodes' statements each time")

    def put_back(self):
        """As no statement could: without triggers. Nodes join again, since nothing told them."""
        with self.connect(autocommit=False) as connection:
            for name in self.before:
                connection.execute(f"ALTER TABLE {name} DISABLE TRIGGER ALL")
                if name != "revocation_clock":
                    connection.execute(f"DELETE FROM {name}")
                    connection.execute(f"INSERT INTO {name} SELECT * FROM saved_{name}")
            connection.execute("UPDATE revocation_clock SET log_id = gen_random_uuid()")
            # The log goes on, with numbers that were never used.
            connection.execute("UPDATE revocation_clock SET last_number = last_number + 1000")
            connection.execute("ALTER TABLE nodes DISABLE TRIGGER ALL")
            connection.execute("DELETE FROM nodes WHERE lease_ms <> 250")
            for name in [*self.before, "nodes"]:
                connection.execute(f"ALTER TABLE {name} ENABLE TRIGGER ALL")
                for (trigger,) in connection.execute(
                    "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgrelid = %s::regclass",
                    (name,),
                ).fetchall():
                    mode = "REPLICA" if trigger == "apply" else "ALWAYS"
                    connection.execute(f"ALTER TABLE {name} ENABLE {mode} TRIGGER {trigger}")
            connection.commit()

    def statements(self):
        """What is tried: (who, statements that each are a transaction of their own)."""
        for table, columns in self.tables():
            # Nothing that lives or ends hangs on these.
            if table in ("schema_migrations", "throttles", "consents"):
                continue
            names = ", ".join(column for column, _ in columns)
            for who in ("hand", "postgres"):
                yield who, [f"DELETE FROM {table}"]
                yield who, [f"TRUNCATE {table} CASCADE"]
            yield "replica", [f"DELETE FROM {table}"]
            yield "replica", [f"TRUNCATE {table} CASCADE"]
            for column, kind in columns:
                for value in VALUES[kind]:
                    value = value.format(column=column, table=table)
                    yield "hand", [f"UPDATE {table} SET {column} = {value}"]
            source = f"alive_{table}" if table in FAMILIES else f"saved_{table}"
            back = f"INSERT INTO {table} ({names}) SELECT {names} FROM {source}"
            if table == "nodes":
                back = (
                    "INSERT INTO nodes (id, key_ids, version, lease_ms) "
                    "VALUES (gen_random_uuid(), '{}', 'x', 60000)"
                )
            for who in ("hand", "replica"):
                yield who, [back]
                yield who, [f"BEGIN; DELETE FROM {table}; {back}; COMMIT"]
                yield who, [f"DELETE FROM {table}", back]
            yield "postgres", [f"BEGIN; TRUNCATE {table} CASCADE; {back}; COMMIT"]
            yield "postgres", [f"TRUNCATE {table} CASCADE", back]
            yield "copy", [f"DELETE FROM {table}", f"{table} ({names})", f"SELECT {names} FROM {source}"]

    def attempt(self, who, statements):
        """Runs them; false where the first of them was refused, and so nothing changed."""
        role = {"hand": "hand"}.get(who, "postgres")
        taken = False
        with self.connect(role) as connection:
            connection.execute("SET statement_timeout = '5s'; SET lock_timeout = '2s'")
            if who == "replica":
                connection.execute("SET session_replication_role = replica")
            try:
                if who == "copy":
                    removal, target, query = statements
                    with self.connect() as reader:
                        with reader.cursor().copy(f"COPY ({query}) TO STDOUT") as copy:
                            lines = b"".join(copy)
                    connection.execute(removal)
                    taken = True
                    with connection.cursor().copy(f"COPY {target} FROM STDIN") as copy:
                        copy.write(lines)
                    return True
                for statement in statements:
                    connection.execute(statement)
                    taken = True
            except psycopg.Error:
                with contextlib.suppress(psycopg.Error):
                    connection.execute("ROLLBACK")
        return taken


@pytest.fixture(scope="module")
def house(cluster, tmp_path_factory):
    made = House(cluster, tmp_path_factory.mktemp("by_hand"))
    yield made
    made.doornail.stop()


def says_active(node, client, token):
    """Whether a node says active; every doubt, and every answer to a caller it lost, is none."""
    try:
        answer = node.post("/introspect", {"token": token}, client)
    except requests.ConnectionError:
        return False
    return answer.status_code == 200 and answer.json()["active"] is True


def is_ended(house, token):
    """Whether a node said 200 to its revocation."""
    with contextlib.suppress(requests.ConnectionError):
        return house.nodes[0].revoke(house.machine, token).status_code == 200
    return False


def wait_until_alive(house):
    """Until each node answers again, with a token that lives."""
    for node in house.nodes:
        # One whose secrets were all retired takes its leave; none crashes.
        if node.process.poll() is not None:
            assert node.process.returncode == 1, node.log_text()[-3000:]
            node.start()
    deadline = time.monotonic() + 20
    while True:
        with contextlib.suppress(AssertionError):
            token = house.nodes[0].token(house.machine)
            if all(node.is_active(house.api, token) for node in house.nodes):
                return token
        assert time.monotonic() < deadline, "the nodes do not answer any more"
        time.sleep(0.05)


@pytest.mark.seconds(600)
def test_no_dead_token_lives_again(house):
    """After each statement, dead tokens are dead at every node, and so is one that ends then."""
    problems, taken = [], 0
    tried = list(house.statements())
    for who, statements in tried:
        living = wait_until_alive(house)
        is_taken = house.attempt(who, statements)
        ended = is_ended(house, living)
        asked = house.dead + [living] * ended
        for index, node in enumerate(house.nodes):
            for token in asked:
                if says_active(node, house.api, token):
                    problems.append((who, statements, index, asked.index(token)))
        if is_taken:
            taken += 1
            # Also when it was remembered anew, after a node's next look.
            time.sleep(0.06)
            for node in house.nodes:
                for token in asked:
                    if says_active(node, house.api, token):
                        problems.append((who, statements, "later", asked.index(token)))
            house.restore()
    assert not problems, "\n".join(map(str, problems[:40]))
    # It tried much, and not all of it was refused.
    print(f"{len(tried)} statements, of which the database took {taken}")
    assert len(tried) > 250 and 20 < taken < len(tried)


def test_what_is_refused(house):
    """What was found to break the promise, each by itself, as the role that serves."""
    wait_until_alive(house)
    for statement in [
        "DELETE FROM nodes",
        "UPDATE nodes SET applied = 1000000000",
        "UPDATE nodes SET lease_ms = 1",
        "DELETE FROM revoked_tokens",
        "UPDATE purge_horizon SET at = 'infinity'",
        "BEGIN; DELETE FROM grants; INSERT INTO grants SELECT * FROM alive_grants; COMMIT",
        "BEGIN; DELETE FROM sessions; INSERT INTO sessions SELECT * FROM alive_sessions; COMMIT",
    ]:
        with house.connect("hand") as connection, house.connect() as owner:
            owner.execute("GRANT SELECT ON alive_grants, alive_sessions TO hand")
            with pytest.raises(
                (psycopg.errors.IntegrityConstraintViolation, psycopg.errors.CheckViolation)
            ):
                connection.execute(statement)
