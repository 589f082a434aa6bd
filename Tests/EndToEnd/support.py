"""Doornail as a process: its command line, its nodes, and what they wrote into their logs."""

import base64
import contextlib
import dataclasses
import hashlib
import json
import os
import re
import secrets
import signal
import subprocess
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote_plus

import requests
from psycopg.types.json import Jsonb
from prometheus_client.parser import text_string_to_metric_families

from postgres import dies_with_us, free_port

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("DOORNAIL_BINARY", ROOT / ".build/debug/doornail")).absolute()
INACTIVE = {"active": False}
# Where the answers to authorization requests go; nobody listens there.
REDIRECT = "https://app.example/cb"
# The name that several nodes stand behind.
ISSUER = "http://127.0.0.1:4444"


class Seen:
    """Every secret and token that the tests saw, to be sure at the end that no log has them."""

    TAIL = 20

    def __init__(self):
        self.values = set()
        self.tails = set()
        self.logs = set()

    def add(self, value):
        if value:
            self.values.add(re.sub(r"^dn_[a-z]{2}_", "", value))

    def add_tail(self, value):
        """A cookie or a form token: known by its end, for it may begin with an id, as logs do."""
        last = re.findall(r"[A-Za-z0-9_+/=-]+", value)[-1:]
        if last and len(last[0]) >= self.TAIL:
            self.tails.add(last[0][-self.TAIL :])

    def leaks(self):
        """The places in the logs that show a secret, a token, a cookie or a Basic header."""
        # Tokens are searched by their beginning: a log may cut a line, and the ends are many.
        starts = {value[:24] for value in self.values}
        size = self.TAIL
        pattern = re.compile(rf"[A-Za-z0-9_+/=-]{{{size},}}")
        shapes = re.compile(r"dn_[a-z]{2}_[A-Za-z0-9_-]{12,}|Basic [A-Za-z0-9+/=]{16,}")
        found = []
        for path in sorted(self.logs):
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                for run in pattern.findall(line):
                    if any(
                        run[i : i + 24] in starts or run[i : i + size] in self.tails
                        for i in range(len(run) - size + 1)
                    ):
                        found.append(f"{path}:{number}: {run[:12]}...")
                found += [f"{path}:{number}: {m[:12]}..." for m in shapes.findall(line)]
        return found


SEEN = Seen()


@dataclasses.dataclass(frozen=True)
class Client:
    """A registered client and its secret."""

    id: str
    secret: str | None

    @property
    def basic(self):
        """An Authorization header (RFC 6749 §2.3.1)."""
        pair = f"{quote_plus(self.id)}:{quote_plus(self.secret)}"
        encoded = base64.b64encode(pair.encode()).decode()
        SEEN.add(encoded)
        return {"Authorization": f"Basic {encoded}"}

    @property
    def body(self):
        """The same as parameters."""
        return {"client_id": self.id, "client_secret": self.secret}


@dataclasses.dataclass
class Person:
    """A user, and the password that holds at present."""

    id: str
    name: str
    password: str


def new_password():
    """A password that a log can be searched for."""
    password = f"pw-{secrets.token_hex(16)}"
    SEEN.add(password)
    return password


def quick_hash(password):
    """A password as the database keeps it, with scrypt's cost all but gone."""
    salt = secrets.token_bytes(16)
    digest = hashlib.scrypt(password.encode(), salt=salt, n=2**4, r=8, p=1, dklen=32)
    salt, digest = (base64.b64encode(part).decode().rstrip("=") for part in (salt, digest))
    return f"$scrypt$ln=4,r=8,p=1${salt}${digest}"


class Doornail:
    """One installation: a database, its secrets, its command line and its nodes.

    Most tests are about something else than the commands that make what they begin with: each is a
    process, which takes its time to start. So the database is a copy of one that was migrated, and a
    client or a person that a command has made before, for another test, is a copy of that row.
    """

    # What commands have made: {(table, what was asked for): (the row, the answer)}.
    MADE = {}

    def __init__(self, cluster, database, folder, migrate=True):
        self.cluster = cluster
        self.database = database
        self.url = cluster.url(database)
        self.folder = folder
        self.nodes = []
        self.secret = self.new_secret()
        # Whether checking a password takes as long as in production.
        self.slow_passwords = True
        self.copied = set()
        if migrate and cluster.migrated is None:
            template = cluster.create_database("migrated")
            self.cli("migrate", env={"DATABASE_URL": cluster.url(template)})
            cluster.migrated = template
        cluster.create_database(database, template=cluster.migrated if migrate else None)

    def environment(self, **extra):
        """What a process gets: nothing of this one's own configuration."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "DATABASE_URL": self.url,
            "DOORNAIL_SECRET": self.secret,
            "DOORNAIL_ISSUER": "http://127.0.0.1:4444",
        } | {name: value for name, value in extra.items() if value is not None}

    def run(self, *arguments, stdin=None, timeout=40, env=None, drop=()):
        """Runs a command to its end."""
        environment = self.environment(**(env or {}))
        for name in drop:
            environment.pop(name, None)
        done = subprocess.run(
            [BINARY, *arguments],
            env=environment,
            cwd=self.folder,
            input=stdin or "",
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        # What a command prints to standard error must not have a secret either.
        log = self.folder / "commands.log"
        with log.open("a") as file:
            file.write(done.stderr)
        SEEN.logs.add(log)
        return done

    def cli(self, *arguments, stdin=None, env=None):
        """Runs a command with --json that must succeed, and reads what it printed."""
        done = self.run(*arguments, "--json", stdin=stdin, env=env)
        assert done.returncode == 0, f"{arguments}: {done.returncode} {done.stdout} {done.stderr}"
        answer = json.loads(done.stdout)
        if isinstance(answer, dict):
            SEEN.add(answer.get("client_secret"))
        return answer

    def new_secret(self):
        """A server secret, as `doornail secret` prints it."""
        secret = secrets.token_urlsafe(32)
        SEEN.add(secret)
        return secret

    def once(self, table, asked, make, **changed):
        """Makes a row by a command, or copies one that it made elsewhere; what the command answered.

        What an installation asks for again was deleted, and gets another id from the command.
        """
        key = table, asked
        if key in self.MADE and (changed or key not in self.copied):
            row, answer = self.MADE[key]
            columns = ", ".join(row)
            self.sql(
                f"INSERT INTO {table} ({columns}) "
                f"SELECT {columns} FROM jsonb_populate_record(NULL::{table}, %s)",
                Jsonb(row | changed),
            )
            answer = answer | changed
        else:
            answer = make()
            name = "client_id" if table == "clients" else "id"
            ((row,),) = self.sql(
                "SELECT to_jsonb(made) - '{epoch,created_at,updated_at}'::text[] "
                f"FROM {table} AS made WHERE {name} = %s",
                answer[name],
            )
            self.MADE[key] = row, answer
        self.copied.add(key)
        return answer

    def client(self, name, *flags, grant="client_credentials"):
        """Registers a client."""
        grants = ["--grant", grant] if grant else []
        command = ("client", "create", "--id", name, "--name", name, *grants, *flags)
        made = self.once("clients", command, lambda: self.cli(*command))
        assert made["client_id"] == name
        return Client(name, made.get("client_secret"))

    def app(self, name, *flags, scope="photos:read photos:write offline_access", redirect=REDIRECT):
        """Registers an application that people log in through."""
        flags = ("--redirect-uri", redirect, "--scope", scope, *flags)
        return self.client(name, *flags, grant="authorization_code,refresh_token")

    def user(self, name, *flags):
        """Makes a user."""
        password = new_password()
        command = ("user", "create", "--username", name, "--password-stdin", *flags)

        def make():
            return self.cli(*command, stdin=password + "\n")

        if self.slow_passwords or not re.fullmatch("[a-z0-9-]+", name):
            made = make()
        else:
            made = self.once(
                "users", flags, make, id=str(uuid.uuid4()), username=name, username_key=name,
                password_hash=quick_hash(password),
            )  # fmt: skip
        assert made["username"] == name
        return Person(made["id"], name, password)

    def set_password(self, person):
        """Gives a user a new password."""
        person.password = new_password()
        stdin = person.password + "\n"
        return self.cli("user", "set-password", person.name, "--password-stdin", stdin=stdin)

    def sessions(self, person):
        """The live sessions of a user."""
        return self.cli("session", "list", "--user", person.name)

    def node(self, ready=True, path="", files=None, **env):
        """Starts a server, perhaps with a limit of open files."""
        node = Node(self, path, env)
        if files:
            node.command = ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *node.command]
        self.nodes.append(node)
        node.start(ready)
        return node

    def sql(self, statement, *values):
        """Runs a statement as an operator would with psql, and returns its rows."""
        with self.cluster.connect(self.database) as connection:
            cursor = connection.execute(statement, values or None)
            rows = cursor.fetchall() if cursor.description else []
        if self.nodes and not statement.lstrip().upper().startswith("SELECT"):
            self.heard()
        return rows

    def heard(self, timeout=3):
        """Waits until the nodes have heard what nobody waited for: an operator's psql, say."""
        deadline = time.monotonic() + timeout
        behind = "SELECT FROM nodes, revocation_clock AS clock WHERE applied < last_number"
        with self.cluster.connect(self.database) as connection:
            while connection.execute(behind).fetchall() and time.monotonic() < deadline:
                time.sleep(0.01)

    def stop(self):
        """Stops all nodes; each must end in order."""
        problems = []
        for node in self.nodes:
            try:
                node.stop()
            except AssertionError as error:
                problems.append(str(error))
        self.nodes = []
        assert not problems, "\n".join(problems)


class Node:
    """One `doornail serve`."""

    def __init__(self, doornail, path, env):
        self.doornail = doornail
        self.port = free_port()
        self.admin_port = free_port()
        self.root = f"http://127.0.0.1:{self.port}"
        self.url = self.root + path
        self.admin = f"http://127.0.0.1:{self.admin_port}"
        self.environment = doornail.environment(
            **(
                {
                    "DOORNAIL_ISSUER": self.url,
                    "DOORNAIL_LISTEN": f"127.0.0.1:{self.port}",
                    "DOORNAIL_ADMIN_LISTEN": f"127.0.0.1:{self.admin_port}",
                }
                | env
            )
        )
        self.log = doornail.folder / f"node-{self.port}.log"
        self.command = [BINARY, "serve"]
        self.process = None
        self._local = threading.local()

    def start(self, ready=True):
        """Starts the process, also again; its log is continued."""
        SEEN.logs.add(self.log)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
                cwd=self.doornail.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=dies_with_us(signal.SIGKILL),
            )
        if ready:
            self.wait_until_ready()

    def wait_until_ready(self, timeout=20):
        """Waits for 200 at /health/ready."""
        self.wait_for("/health/ready", 200, timeout)

    def wait_for(self, path, status, timeout=20):
        """Waits until a path answers with a status."""
        deadline = time.monotonic() + timeout
        last = None
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"serve ended: {self.log_text()[-3000:]}"
            with contextlib.suppress(requests.RequestException):
                last = requests.get(self.root + path, timeout=6)
                if last.status_code == status:
                    return last
            time.sleep(0.05)
        raise AssertionError(
            f"{path} did not answer {status} within {timeout} s: "
            f"{last is not None and last.text} {self.log_text()[-3000:]}"
        )

    def stop(self, timeout=15):
        """Stops the process in order: exit code 0, and no crash on the way."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"serve did not stop: {self.log_text()[-3000:]}") from None
        self.process = None
        assert code == 0, f"serve ended with {code}: {self.log_text()[-3000:]}"

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def log_text(self):
        return self.log.read_text(errors="replace")

    def logged(self, text, count=1, timeout=10):
        """The lines of the log with a text, once there are so many: they may come after the answer."""
        deadline = time.monotonic() + timeout
        while True:
            whole = self.log_text().rpartition("\n")[0]
            lines = [line for line in whole.splitlines() if text in line]
            if len(lines) >= count:
                return lines
            assert time.monotonic() < deadline, f"{len(lines)} of {count} lines with {text}"
            time.sleep(0.02)

    @property
    def session(self):
        """A connection pool of the calling thread's own, without proxies."""
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            self._local.session.trust_env = False
        return self._local.session

    def request(self, method, path, timeout=12, **arguments):
        """Any request, on a kept connection; every answer must name its request."""
        answer = self.session.request(
            method, self.url + path, timeout=timeout, allow_redirects=False, **arguments
        )
        assert answer.headers.get("X-Request-ID"), f"{method} {path}: no X-Request-ID"
        return answer

    def post(self, path, data, client=None, headers=None, **arguments):
        """A form request; every answer of these endpoints must forbid caching."""
        # Also of an empty form, for which requests would not say what it is.
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        headers = form | (client.basic if client else {}) | (headers or {})
        answer = self.request("POST", path, data=data, headers=headers, **arguments)
        assert answer.headers.get("Cache-Control") == "no-store", f"{path}: {answer.headers}"
        assert answer.headers.get("Pragma") == "no-cache", f"{path}: {answer.headers}"
        with contextlib.suppress(ValueError, AttributeError):
            SEEN.add(answer.json().get("access_token"))
            SEEN.add(answer.json().get("refresh_token"))
        return answer

    def token(self, client, **parameters):
        """A new access token."""
        answer = self.post("/token", {"grant_type": "client_credentials"} | parameters, client)
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        return answer.json()["access_token"]

    def introspect(self, client, token):
        """What a client is told about a token; the answer must be certain."""
        answer = self.post("/introspect", {"token": token}, client)
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        assert answer.headers["Content-Type"].partition(";")[0] == "application/json"
        return answer.json()

    def is_active(self, client, token):
        """Whether a token is alive; if not, exactly that is said and nothing more."""
        answer = self.introspect(client, token)
        if answer.get("active") is True:
            return True
        assert answer == INACTIVE
        return False

    def revoke(self, client, token, **arguments):
        """A request to end a token, whatever comes of it."""
        return self.post("/revoke", {"token": token}, client, **arguments)

    def end(self, client, token):
        """Ends a token; it must succeed."""
        answer = self.revoke(client, token)
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        assert answer.content == b""

    def metrics(self):
        """The samples of /metrics: {(name, labels): value}."""
        text = requests.get(self.admin + "/metrics", timeout=10).text
        samples = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                samples[sample.name, frozenset(sample.labels.items())] = sample.value
        return samples

    def statements(self):
        """How often each statement was executed so far."""
        name = "doornail_postgres_statement_seconds_count"
        return {
            dict(labels)["statement"]: value
            for (metric, labels), value in self.metrics().items()
            if metric == name
        }


def in_parallel(count, work):
    """Runs work(0) to work(count - 1) at once; their results in order."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, range(count)))


@contextlib.contextmanager
def locked(doornail):
    """Nobody reads or writes these tables."""
    tables = "clients, revoked_tokens, secrets, nodes"
    with doornail.cluster.connect(doornail.database, autocommit=False) as connection:
        connection.execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")
        yield connection
        connection.rollback()


def assert_error(answer, status, code):
    """An error of the protocol: its status, its code, and a description that may be sent."""
    assert answer.status_code == status, f"{answer.status_code} {answer.text}"
    assert answer.headers["Content-Type"].partition(";")[0] == "application/json"
    body = answer.json()
    assert set(body) == {"error", "error_description"}, body
    assert body["error"] == code, body
    assert re.fullmatch(r"[\x20-\x21\x23-\x5B\x5D-\x7E]+", body["error_description"]), body
    if status == 401:
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="doornail", charset="UTF-8"'
    if status in (429, 503):
        assert re.fullmatch(r"[1-9][0-9]*", answer.headers["Retry-After"])


def assert_unavailable(answer):
    """503: nothing was decided, ask again."""
    assert_error(answer, 503, "temporarily_unavailable")
