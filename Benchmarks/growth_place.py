"""A database of some size, its nodes, and what they are asked."""

import contextlib
import itertools
import signal
import subprocess
import threading
import time

from growth_data import Sealer, end_token
from measure import LOAD, wrk
from postgres import dies_with_us
from servers import outcomes
from support import Doornail

CONNECTIONS = 64
MODES = {"strict": {"DOORNAIL_CACHE": "0"}, "lease": {}}


class Place:
    """An installation of Doornail, and a file of tokens that its nodes are asked about."""

    APP = "photos"

    def __init__(self, stack, cluster, folder, name, original=None):
        self.doornail = Doornail(cluster, name, folder, migrate=original is None)
        stack.callback(self.doornail.stop)
        self.file = folder / f"{name}.tokens"
        if original is None:
            self.app = self.doornail.app(self.APP)
            return
        # The same rows, clients and secret, so that the same tokens are alive.
        self.doornail.secret = original.doornail.secret
        self.app, self.file = original.app, original.file
        with cluster.connect("postgres") as connection:
            connection.execute(f"DROP DATABASE {name}")
            connection.execute(
                f"CREATE DATABASE {name} OWNER doornail"
                f" TEMPLATE {original.doornail.database} STRATEGY file_copy"
            )

    def connect(self):
        return self.doornail.cluster.connect(self.doornail.database)

    def drop(self):
        """Deletes the database; its nodes have stopped."""
        with self.doornail.cluster.connect("postgres") as connection:
            connection.execute(f"DROP DATABASE {self.doornail.database}")

    def ask(self, question):
        """The one row that PostgreSQL answers."""
        return self.doornail.sql(f"SELECT {question}")[0]

    def draw(self, count, file=None):
        """Seals tokens of grants that are drawn by lot, one each, or more if they are too few."""
        sealer = Sealer(self.doornail.secret)
        drawn = self.doornail.sql(f"SELECT id FROM grants ORDER BY random() LIMIT {count}")
        with (file or self.file).open("w") as out:
            for (grant,) in itertools.islice(itertools.cycle(drawn), count):
                out.write(sealer.access_token(grant) + "\n")

    def node(self, **environment):
        """A node that finds the sealed tokens alive, and a forged one dead."""
        # A line of log for each request is a cost of its own.
        node = self.doornail.node(DOORNAIL_LOG_LEVEL="notice", **environment)
        with self.file.open() as lines:
            tokens = [line.strip() for line in itertools.islice(lines, 20)]
        assert all(node.is_active(self.app, token) for token in tokens)
        forged = tokens[0][:-4] + ("AAAA" if tokens[0][-4:] != "AAAA" else "BBBB")
        assert not node.is_active(self.app, forged)
        return node

    def load(self, node, seconds):
        """Asks one of the nodes for some seconds; all that it is asked about must be alive."""
        before = outcomes(node)
        told = wrk(
            f"{node.root}/introspect", CONNECTIONS, seconds, "introspect", self.file,
            self.app.basic["Authorization"], "",
        )  # fmt: skip
        new = {name: number - before.get(name, 0) for name, number in outcomes(node).items()}
        assert new.pop("active") >= told["requests"] and not any(new.values()), new
        return told

    def fill(self, node, count, file=None):
        """Asks a node about all tokens of a file, as many times as they are; returns how many it
        remembers of them at best."""
        load = subprocess.Popen(
            ["wrk", "-t2", f"-c{CONNECTIONS}", "-d3600", "-s", LOAD, f"{node.root}/introspect"]
            + ["--", "introspect", "2", file or self.file, self.app.basic["Authorization"], ""],
            stdout=subprocess.DEVNULL,
            preexec_fn=dies_with_us(signal.SIGKILL),
        )
        begin, most, known = outcomes(node)["active"], 0, 0
        try:
            while known < count and (known > most or outcomes(node)["active"] < begin + count):
                assert load.poll() is None, "wrk ended"
                time.sleep(1.2)
                most, known = max(most, known), cached(node, "entries")
        finally:
            load.kill()
            load.wait()
        return max(most, known)

    @contextlib.contextmanager
    def revoking(self):
        """Meanwhile ten tokens a second are ended, each by a commit of its own: so nodes have to
        compare what they remember with what they know to have ended, again and again."""
        is_over = threading.Event()

        def work():
            with self.connect() as connection:
                while not is_over.wait(0.1):
                    end_token(connection)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()

    def wait_until_applied(self, seconds=300):
        """Until every node has applied the whole log."""
        deadline = time.monotonic() + seconds
        while self.ask("count(*) FROM nodes, revocation_clock WHERE applied < last_number")[0]:
            assert time.monotonic() < deadline, "the nodes do not follow the log"
            time.sleep(0.05)

    def written(self):
        """Bytes of the tables with their indexes, bytes of WAL, and the rows written by table."""
        # Connections report what they wrote a second later.
        time.sleep(1.5)
        size, wal = self.ask(
            "sum(pg_total_relation_size(oid))::bigint, (pg_current_wal_lsn() - '0/0')::bigint"
            " FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        rows = self.doornail.sql(
            "SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables"
        )
        return size, wal, dict(rows)


def cached(node, name):
    """A figure of the node's cache; it is brought up to date once a second."""
    return int(node.metrics().get((f"doornail_cache_{name}", frozenset()), 0))
