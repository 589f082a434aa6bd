"""A PostgreSQL cluster of the tests' own: a process that ends with them, whatever happens."""

import contextlib
import ctypes
import glob
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def dies_with_us(number):
    """A function for a child to run before it executes: the kernel signals it when we die."""

    def prepare():
        LIBC.prctl(PR_SET_PDEATHSIG, number)

    return prepare


# Below what Linux gives to outgoing connections, which could take a port before its server does or
# while that starts again; pytest's processes (gw0, gw1 ...) share them out.
PORTS = list(range(10000 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]), 32768, 8))
random.shuffle(PORTS)


def free_port():
    """A TCP port of 127.0.0.1 that nobody listens on; no other test gets it."""
    while True:
        port = PORTS.pop()
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def program(name):
    """Where a program of PostgreSQL is: on PATH, or where Debian puts the newest."""
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda f: float(f.split("/")[4]))
    for folder in reversed(folders):
        if os.access(f"{folder}/{name}", os.X_OK):
            return f"{folder}/{name}"
    found = shutil.which(name)
    if found is None:
        raise RuntimeError(f"{name} was not found: install PostgreSQL (apt install postgresql)")
    return found


def descendants(root):
    """The process ids of a process and of all below it."""
    children = {}
    for stat in glob.glob("/proc/[0-9]*/stat"):
        with contextlib.suppress(OSError):
            pid, _, rest = Path(stat).read_text().partition(" (")
            parent = int(rest.rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(pid))
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


class Cluster:
    """One cluster, on a unix socket and on a TCP port of 127.0.0.1, as safe as in production."""

    SETTINGS = {
        "fsync": "on",
        "synchronous_commit": "on",
        "max_connections": "300",
        "shared_buffers": "64MB",
        # Tells in which order transactions committed.
        "track_commit_timestamp": "on",
        "log_min_messages": "warning",
    }

    def __init__(self, environment=None, parent="/tmp", **settings):
        self.environment = environment or {}
        self.settings = self.SETTINGS | settings
        # A socket's path has at most 107 bytes, so its folder is a short one.
        self.folder = Path(tempfile.mkdtemp(prefix="dn-", dir=parent))
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self.port = free_port()
        self.process = None
        # A database that was migrated, to be copied.
        self.migrated = None
        # PostgreSQL refuses to run as root.
        self.user = {}
        if os.geteuid() == 0:
            self.user = {"user": "postgres", "group": "postgres", "extra_groups": []}
            shutil.chown(self.folder, "postgres", "postgres")
        self.folder.chmod(0o755)
        try:
            self._run(
                "initdb",
                "--pgdata",
                self.data,
                "--username",
                "postgres",
                "--auth",
                "trust",
                "--encoding",
                "UTF8",
                "--locale",
                "C.UTF-8",
            )
            self.start()
            with self.connect("postgres") as connection:
                connection.execute("CREATE ROLE doornail LOGIN")
        except BaseException:
            self.remove()
            raise

    def _run(self, name, *arguments):
        done = subprocess.run(
            [program(name), *map(str, arguments)],
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            **self.user,
        )
        assert done.returncode == 0, f"{name} failed: {done.stdout}{done.stderr}"

    def start(self):
        """Starts the server and waits until it takes connections."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.folder,
        } | self.settings
        command = [program("postgres"), "-D", str(self.data)]
        for name, value in options.items():
            # None leaves it to the configuration, which a reload can change.
            if value is not None:
                command += ["-c", f"{name}={value}"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for pytest, which then stops the server in order.
                start_new_session=True,
                preexec_fn=dies_with_us(signal.SIGQUIT),
                env=os.environ | self.environment,
                **self.user,
            )
        deadline = time.monotonic() + 30
        while True:
            try:
                self.connect("postgres").close()
                return
            except psycopg.OperationalError as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL: {error} {self.log.read_text()}") from error
                time.sleep(0.05)

    def stop(self, how=signal.SIGINT):
        """Stops the server: SIGINT in order, SIGQUIT at once, as a crash does."""
        if self.process is None:
            return
        self.thaw()
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            for pid in reversed(descendants(self.process.pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait(10)
        self.process = None

    def crash(self):
        """Stops the server without a shutdown; the next start recovers from its log."""
        self.stop(signal.SIGQUIT)

    def remove(self):
        """Stops the server and deletes all it had."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _signal_all(self, number):
        for pid in descendants(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def freeze(self):
        """Stops every process of the server where it stands; twice, as new ones may appear."""
        self._signal_all(signal.SIGSTOP)
        self._signal_all(signal.SIGSTOP)

    def thaw(self):
        """Lets a frozen server go on."""
        if self.process is not None and self.process.poll() is None:
            self._signal_all(signal.SIGCONT)

    def url(self, database, user="doornail", port=None):
        """A libpq URI: by the socket, or by TCP where a port is given."""
        if port is not None:
            return f"postgresql://{user}@127.0.0.1:{port}/{database}"
        return f"postgresql:///{database}?host={self.folder}&port={self.port}&user={user}"

    def connect(self, database, user="postgres", autocommit=True):
        """A connection of the tests' own, as an operator's psql."""
        return psycopg.connect(self.url(database, user), autocommit=autocommit, connect_timeout=10)

    def create_database(self, name, template=None):
        """A new database that belongs to the role doornail: an empty one, or a copy."""
        with self.connect("postgres") as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            copy = f'TEMPLATE "{template}"' if template else ""
            connection.execute(f'CREATE DATABASE "{name}" OWNER doornail {copy}')
        return name
