"""PostgreSQL's own rate: a node's statements by pgbench, a transaction for each row."""

import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

from browser import refresh
from measure import run
from postgres import program

CONNECTIONS = 16
DATABASE = "pgbench"
# As a node's connections have them (Sources/Postgres/Preparation.swift).
OPTIONS = {"PGOPTIONS": "-c enable_seqscan=off -c jit=off"}
# As Sources/Storage names them.
STATEMENTS = {
    "strict": "tokens_liveness", "revoke": "access_tokens_revoke", "rotate": "grants_rotate",
}  # fmt: skip
WRITES = ("revoke", "rotate")
# What goes up by one with each transaction.
COUNTS = {
    "revoke": "SELECT count(*) FROM revoked_tokens",
    "rotate": "SELECT sum(generation)::bigint FROM grants",
}


class Limit:
    """A copy of a node's database, made while that node is stopped, and the node's statements."""

    name = "pgbench"
    pid = None

    def __init__(self, installation, node, app, refresh_token):
        self.cluster = installation.cluster
        logged = log_statements(installation, node, app, refresh_token)
        node.stop()
        with self.cluster.connect(installation.name) as connection:
            connection.execute("ANALYZE")
        with self.cluster.connect("postgres") as connection:
            template = f"TEMPLATE {installation.name} OWNER doornail"
            connection.execute(f"CREATE DATABASE {DATABASE} {template}")
        node.start()
        # Each connection has grants of its own, so none waits for another's row.
        share = self.query("SELECT count(*) FROM grants") // CONNECTIONS
        ids = self.query("SELECT array_agg(id)::text FROM grants")
        pick = f"\\set n 1 + :client_id + {CONNECTIONS} * random(0, {share - 1})\n"
        grant = f"('{ids}'::uuid[])[:n]"
        generation = f"SELECT ARRAY[generation] FROM grants WHERE id = {grant}"
        self.scripts = {
            "strict": one_row(*logged["strict"], {}),
            "revoke": one_row(*logged["revoke"], {"1": "ARRAY[gen_random_uuid()]"}),
            "rotate": pick
            + one_row(*logged["rotate"], {"1": f"ARRAY[{grant}]", "2": f"({generation})"}),
        }

    def query(self, query):
        with self.cluster.connect(DATABASE) as connection:
            return connection.execute(query).fetchone()[0]

    def prepare(self, operation, _):
        if operation in COUNTS:
            self.before = self.query(COUNTS[operation])

    def load(self, operation, connections, seconds):
        """Runs a statement over and over, and tells what load.lua tells."""
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder) / "script.sql"
            script.write_text(self.scripts[operation])
            out = run(
                [program("pgbench"), "-n", "-M", "prepared", "-c", connections, "-j", 2]
                + ["-T", seconds, "-f", script, "-l", "--log-prefix", f"{folder}/log"]
                + [self.cluster.url(DATABASE)],
                env=os.environ | OPTIONS,
            )
            logs = "".join(log.read_text() for log in Path(folder).glob("log*"))
        latencies = [int(line.split()[2]) for line in logs.splitlines()]
        parts = statistics.quantiles(latencies, n=1000, method="inclusive")
        rate = float(re.search(r"tps = ([\d.]+)", out)[1])
        told = {"requests": len(latencies), "seconds": len(latencies) / rate}
        return told | {"p50": parts[499], "p99": parts[989], "p99.9": parts[998]}

    def check(self, operation, count):
        """Each transaction that writes must have changed one row."""
        if operation not in COUNTS:
            return
        changed = self.query(COUNTS[operation]) - self.before
        if changed != count:
            sys.exit(f"bench: pgbench, {operation}: {changed} rows changed by {count}")


def log_statements(installation, node, app, refresh_token):
    """The text and the parameters of the statements, from PostgreSQL's log of three requests."""
    client = installation.client
    with installation.cluster.connect("postgres") as connection:
        connection.execute("ALTER SYSTEM SET log_statement = 'all'")
        connection.execute("SELECT pg_reload_conf()")
        # Connections hear of it a little later.
        time.sleep(1)
        token = node.token(client)
        assert node.is_active(client, token)
        node.end(client, token)
        refresh(node, app, refresh_token)
        connection.execute("ALTER SYSTEM RESET log_statement")
        connection.execute("SELECT pg_reload_conf()")
    log = installation.cluster.log.read_text()
    return {operation: logged(log, name) for operation, name in STATEMENTS.items()}


def logged(log, name):
    """What log_statement tells of a prepared statement; lines that go on begin with a tab."""
    pattern = rf"execute {name}: (.*(?:\n\t.*)*)\n.*DETAIL:  parameters: (.*(?:\n\t.*)*)"
    found = re.search(pattern, log)
    if found is None:
        sys.exit(f"bench: PostgreSQL's log does not tell of the statement {name}")
    return found[1], dict(re.findall(r"\$(\d+) = ('(?:[^']|'')*')", found[2]))


def one_row(text, values, changes):
    """A statement as it was logged, with expressions for some of its parameters."""

    def value(match):
        # A colon would begin one of pgbench's variables.
        literal = "U&" + values[match[1]].replace("\\", "\\\\").replace(":", "\\003A")
        return changes.get(match[1], literal)

    return re.sub(r"\$(\d+)", value, text) + ";\n"
