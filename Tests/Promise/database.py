"""A PostgreSQL of the test's own, which is killed, stopped, copied and promoted."""

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg

from sandbox import prepare

sys.path.append(str(Path(__file__).resolve().parents[1] / "EndToEnd"))
from postgres import descendants, free_port, program  # noqa: E402, F401

SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "max_connections": "80",
    "shared_buffers": "64MB",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %a ",
    "wal_level": "replica",
    "max_wal_senders": "5",
    "wal_keep_size": "256MB",
    # What was committed asynchronously stays in memory alone, for a crash to lose it.
    "wal_writer_delay": "10000",
    "wal_writer_flush_after": "0",
    # A cut link between databases is noticed on both sides.
    "wal_sender_timeout": "3000",
    "wal_receiver_timeout": "3000",
    "wal_retrieve_retry_interval": "500",
}


class Database:
    """One server: its files, its process, and where it is found."""

    def __init__(self, folder, name, host, port, network=None):
        self.name, self.host, self.port, self.network = name, host, port, network
        self.folder = folder / name
        self.folder.mkdir(mode=0o755)
        self.data, self.log = self.folder / "data", self.folder / "log"
        self.process = None
        self.clock = None
        # Another one was promoted: what it has is not what holds.
        self.has_diverged = False
        self.environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        # PostgreSQL refuses to run as root.
        self.user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        if self.user:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)

    def _spawn(self, name, *arguments):
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [program(name), *map(str, arguments)],
                cwd="/",
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=prepare(self.network, self.user, signal.SIGQUIT),
            )

    async def _run(self, name, *arguments):
        process = self._spawn(name, *arguments)
        code = await asyncio.to_thread(process.wait)
        if code != 0:
            raise RuntimeError(f"{name} failed: {self.log.read_text()[-2000:]}")

    async def create(self):
        """Makes a new, empty cluster."""
        await self._run("initdb", "-D", self.data, "-U", "postgres", "--auth=trust",
                        "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")  # fmt: skip
        with (self.data / "pg_hba.conf").open("a") as file:
            file.write("host all all 10.77.0.0/24 trust\n")
            file.write("host replication all 10.77.0.0/24 trust\n")

    async def copy(self, primary):
        """Becomes a new standby of another one."""
        shutil.rmtree(self.data, ignore_errors=True)
        uri = f"host={primary.host} port={primary.port} user=postgres application_name={self.name}"
        await self._run("pg_basebackup", "-D", self.data, "-d", uri, "-R", "-X", "stream",
                        "-c", "fast", "--no-sync")  # fmt: skip
        # What the other was told about its own standby is not ours.
        (self.data / "postgresql.auto.conf").write_text(f"primary_conninfo = '{uri}'\n")

    async def start(self, timeout=30):
        """Starts it, and waits until it takes connections."""
        settings = SETTINGS | {
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
        }
        options = [part for pair in settings.items() for part in ("-c", "=".join(pair))]
        self.process = self._spawn("postgres", "-D", self.data, *options)
        async with asyncio.timeout(timeout):
            while True:
                with contextlib.suppress(psycopg.OperationalError):
                    await (await self.connect("postgres")).close()
                    return
                if self.process.poll() is not None:
                    raise RuntimeError(f"PostgreSQL ended: {self.log.read_text()[-2000:]}")
                await asyncio.sleep(0.05)

    def kill(self):
        """kill -9 of every process of it; what was not written to a file is lost."""
        if self.process is None:
            return
        # The postmaster stands still first, so that it starts no others.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGSTOP)
        for pid in reversed(descendants(self.process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    async def restart(self):
        """Starts it after a kill: the processes that were killed have to be gone."""
        with contextlib.suppress(FileNotFoundError):
            (self.data / "postmaster.pid").unlink()
        await self.start()

    def signal_all(self, number):
        """Stops every process of it where it stands, or lets them go on."""
        for _ in range(2):
            for pid in descendants(self.process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)

    async def connect(self, database="doornail", user="postgres", autocommit=True):
        """A connection of the test's own; it needs no network."""
        return await psycopg.AsyncConnection.connect(
            host=str(self.folder),
            port=self.port,
            dbname=database,
            user=user,
            autocommit=autocommit,
            connect_timeout=5,
        )

    async def refuse_hosts(self):
        """From now on it takes no new connections but the test's own."""
        (self.data / "pg_hba.conf").write_text("local all all trust\n")
        await self.sql("SELECT pg_reload_conf()", database="postgres")
        await asyncio.sleep(0.1)

    async def sql(self, statement, *values, database="doornail"):
        """Runs a statement; its rows. While others take all connections, it waits for one: who
        knocks takes a place for a moment, too, also one that is kept for us."""
        deadline = time.monotonic() + 10
        while True:
            try:
                connection = await self.connect(database)
                break
            except psycopg.OperationalError as error:
                if "too many clients" not in str(error) or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.01)
        async with connection:
            cursor = await connection.execute(statement, values or None)
            return await cursor.fetchall() if cursor.description else []

    async def wait_for(self, statement, timeout=15):
        """Waits until a statement returns true."""
        async with asyncio.timeout(timeout):
            while not (await self.sql(statement, database="postgres"))[0][0]:
                await asyncio.sleep(0.05)
