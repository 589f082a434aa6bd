"""An installation of Doornail: its databases, its three nodes, its command line."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import time

from clocks import Clock
from database import Database
from network import Network
from sandbox import prepare
from wire import Endpoint, Unanswered

ISSUER = "http://127.0.0.1:4444"
AUTHORITY = "127.0.0.1:4444"
NODES = ("n1", "n2", "n3")
PORT = 4444


class Node:
    """One `doornail serve`."""

    def __init__(self, installation, name, host, port, network=None):
        self.installation, self.name = installation, name
        self.host, self.port, self.network = host, port, network
        self.clock = Clock(installation.folder, name, installation.preload)
        self.log = installation.folder / f"{name}.log"
        self.endpoint = Endpoint(host, port, AUTHORITY)
        self.admin = Endpoint(host, port + 100, AUTHORITY)
        self.process = None
        self.is_stopped = False

    @property
    def is_up(self):
        return self.process is not None and not self.is_stopped

    def start(self, **extra):
        """Starts the process, also again; its log is continued."""
        environment = self.installation.environment | self.clock.environment | extra
        environment |= {
            "DOORNAIL_LISTEN": f"{self.host}:{self.port}",
            "DOORNAIL_ADMIN_LISTEN": f"{self.admin.host}:{self.admin.port}",
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.installation.binary, "serve"],
                env=environment,
                cwd=self.installation.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=prepare(self.network),
            )

    def kill(self):
        """kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
            self.is_stopped = False

    def stop(self):
        """SIGSTOP."""
        self.is_stopped = True
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        """SIGCONT."""
        self.is_stopped = False
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)

    async def wait_until_ready(self, timeout=20):
        """Waits for 200 at /health/ready; whether it came."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            if self.process is not None and self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended: {self.log.read_text()[-2000:]}")
            with contextlib.suppress(Unanswered):
                answer = await self.endpoint.request("GET", "/health/ready", timeout=min(left, 3))
                if answer.status == 200:
                    return True
            await asyncio.sleep(0.05)
        return False

    async def executions(self, statement):
        """How often it has executed a statement; 0 where it does not answer."""
        with contextlib.suppress(Unanswered):
            text = (await self.admin.request("GET", "/metrics", timeout=3)).text
            name = f'doornail_postgres_statement_seconds_count{{statement="{statement}"}}'
            found = re.search(rf"^{re.escape(name)} (\d+)", text, re.M)
            return int(found[1]) if found else 0
        return 0


class Installation:
    """What both topologies have: one secret, three nodes, a primary."""

    NETWORK_OPTIONS = ""

    def __init__(self, folder, binary, preload, environment):
        self.folder, self.binary, self.preload = folder, binary, preload
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "DOORNAIL_ISSUER": ISSUER,
            "DOORNAIL_LOG_LEVEL": "notice",
            # Longer than databases' clocks are apart (failover.CLOCK_BEHIND): a promotion that takes
            # the time forward ends nothing that is asked about.
            "DOORNAIL_ACCESS_TOKEN_TTL": "2h",
        } | environment
        self.nodes = {}
        self.databases = {}
        self.primary = None
        self.network = None

    async def start(self, script=""):
        """Everything, until all nodes are ready.

        - script: SQL that is run once the schema is there.
        """
        await self.start_databases()
        self.environment["DATABASE_URL"] = self.url(*self.databases.values())
        self.environment["DOORNAIL_SECRET"] = (await self.run("secret")).strip()
        await self.run("migrate")
        if script:
            await self.primary.sql(script)
        for name in NODES:
            self.nodes[name] = self.make_node(name)
            self.nodes[name].start()
        for node in self.nodes.values():
            if not await node.wait_until_ready(30):
                raise RuntimeError(f"{node.name} is not ready: {node.log.read_text()[-2000:]}")

    def url(self, *databases):
        """A libpq URI of whichever of these is the primary."""
        hosts = ",".join(f"{d.host}:{d.port}" for d in databases)
        options = f"target_session_attrs=read-write{self.NETWORK_OPTIONS}"
        return f"postgresql://doornail@{hosts}/doornail?{options}"

    def give_clock(self, database):
        """The database has a clock of its own from its start on, where that is possible."""
        if self.preload is not None:
            database.clock = Clock(self.folder, database.name, self.preload)
            database.environment |= database.clock.environment
        self.databases[database.name] = database
        return database

    async def start_databases(self):
        """The primary and whatever it needs."""
        self.primary = self.make_database("db1")
        await self.primary.create()
        await self.primary.start()
        await self.primary.sql("CREATE ROLE doornail LOGIN", database="postgres")
        await self.primary.sql("CREATE DATABASE doornail OWNER doornail", database="postgres")

    async def spawn(self, *arguments, stdin=""):
        """Runs a command to its end: its code and what it printed.

        Whoever runs it is on the primary's side of whatever is cut.
        """
        process = await asyncio.to_thread(
            subprocess.Popen,
            [self.binary, *arguments],
            env=self.environment | {"DATABASE_URL": self.url(self.primary)},
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            out, error = await asyncio.to_thread(process.communicate, stdin, timeout=40)
        except subprocess.TimeoutExpired:
            process.kill()
            return -1, "", "no end"
        return process.returncode, out, error

    async def run(self, *arguments, stdin=""):
        """Runs a command that must succeed."""
        code, out, error = await self.spawn(*arguments, stdin=stdin)
        if code != 0:
            raise RuntimeError(f"doornail {' '.join(arguments)}: {code} {out} {error}")
        return out

    async def cli(self, *arguments, stdin=""):
        """Runs a command that must succeed, and reads what it printed."""
        return json.loads(await self.run(*arguments, "--json", stdin=stdin))

    def stop(self):
        """Ends every process at once."""
        for node in self.nodes.values():
            node.kill()
            node.endpoint.close()
            node.admin.close()
        for database in self.databases.values():
            database.kill()
        if self.network is not None:
            self.network.remove()
            self.network = None


class Single(Installation):
    """Three nodes on one PostgreSQL."""

    name = "single"

    def __init__(self, *arguments, free_port):
        super().__init__(*arguments)
        self.free_port = free_port

    def make_database(self, name):
        return self.give_clock(Database(self.folder, name, "127.0.0.1", self.free_port()))

    def make_node(self, name):
        return Node(self, name, "127.0.0.1", self.free_port())


class Standby(Installation):
    """Three nodes, a primary and its synchronous standby, each on a host of its own."""

    name = "standby"
    NETWORK_OPTIONS = "&connect_timeout=2&tcp_user_timeout=3000"

    async def start_databases(self):
        self.network = Network()
        await super().start_databases()
        await self.add_standby(self.make_database("db2"))

    def make_database(self, name):
        host = self.network.host(name, 10 + int(name[-1]))
        return self.give_clock(Database(self.folder, name, host, 5432, name))

    def make_node(self, name):
        return Node(self, name, self.network.host(name, int(name[-1])), PORT, name)

    @property
    def standby(self):
        return next(d for d in self.databases.values() if d is not self.primary)

    async def add_standby(self, database):
        """A copy of the primary follows it, and every commit waits for it."""
        await database.copy(self.primary)
        database.has_diverged = False
        await database.start()
        await self.primary.sql(
            f"ALTER SYSTEM SET synchronous_standby_names = '{database.name}'", database="postgres"
        )
        await self.primary.sql("SELECT pg_reload_conf()", database="postgres")
        await self.primary.wait_for(
            "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
        )

    async def promote(self):
        """The standby becomes the primary; the old one is left as it is."""
        new, old = self.standby, self.primary
        old.has_diverged = True
        await new.sql("SELECT pg_promote()", database="postgres")
        self.primary = new
        return new

