"""The servers under test: how each is started, prepared, loaded, and checked."""

import dataclasses
import math
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGKILL, SIGTERM

import requests

import shapes
from browser import Browser
from measure import wrk
from postgres import dies_with_us
from support import Doornail, Node

# All else is as it comes, the log too; only that no token may expire meanwhile.
SETTINGS = {"DOORNAIL_ACCESS_TOKEN_TTL": "12h"}
# A session holds so many grants of one client; with more, the oldest ends.
GRANTS_PER_SESSION = 10
MINT_CONNECTIONS = 16


@dataclasses.dataclass
class Server:
    """A running server, and how it is asked."""

    name: str
    pid: int
    # By endpoint: introspect, token, revoke.
    urls: dict
    folder: Path
    # Authorization of who gets, examines and ends access tokens, and of the app that refreshes.
    caller: str
    app: str = ""
    token_body: str = "grant_type=client_credentials"
    # More than it can do; should the tokens run out, the time until then is what counts.
    revocations_per_second: int = 12_000
    log: object = None

    def file(self, operation):
        """The tokens that an operation is about, a line each."""
        return self.folder / f"{self.name}.{operation}"

    def tokens(self, operation):
        return self.file(operation).read_text().split()

    def keep(self, refresh_tokens):
        """Takes the grants that are to be rotated."""
        self.file("rotate").write_text("\n".join(refresh_tokens))

    def mint(self, operation, count):
        """Makes access tokens for an operation."""
        found, out = [], self.file("minted")
        while len(found) < count:
            wrk(self.urls["token"], MINT_CONNECTIONS, 1, "mint", out, self.caller, self.token_body)
            for part in self.folder.glob(f"{out.name}.*"):
                found += part.read_text().split()
                part.unlink()
        self.file(operation).write_text("\n".join(found[:count]))

    def begin(self, count):
        """Makes the tokens that are examined, and fills what memory there is for them."""
        self.mint("introspect", count)
        self.load("introspect", MINT_CONNECTIONS, 1 + count // 10_000)

    def prepare(self, operation, seconds):
        """What comes before a measurement."""
        if operation == "revoke":
            self.mint(operation, self.revocations_per_second * seconds)
        if self.log:
            self.log.clear()

    def load(self, operation, connections, seconds):
        """What is measured."""
        url, authorization = self.urls.get(operation), self.caller
        if operation == "rotate":
            url, authorization = self.urls["token"], self.app
        return wrk(url, connections, seconds, operation, self.file(operation), authorization,
                   self.token_body)

    def ask_about(self, token):
        headers = {"Authorization": self.caller}
        return requests.post(self.urls["introspect"], {"token": token}, headers=headers, timeout=10)

    def check(self, operation, count):
        """Looks into some answers, since wrk sees the status alone; into rotations load.lua did. Tells
        which part of the requests was logged."""
        figures = logged(self.log, count)
        if operation not in ("introspect", "revoke"):
            return figures
        is_active, tokens = operation == "introspect", self.tokens(operation)
        # Of the revoked ones those that came well before the end.
        some = tokens if is_active else tokens[2 : count // 2]
        for token in random.sample(some, min(20, len(some))):
            answer = self.ask_about(token)
            if answer.status_code != 200 or answer.json().get("active") is not is_active:
                sys.exit(f"bench: {self.name}: {operation}: {answer.status_code} {answer.text}")
        return figures


def logged(log, count):
    """Which part of so many requests is in a log."""
    return {"logged": log.lines() / count} if log else {}


def outcomes(node):
    """How many introspections ended how."""
    return {
        dict(labels)["outcome"]: number
        for (metric, labels), number in node.metrics().items()
        if metric == "doornail_http_request_seconds_count"
        and dict(labels)["endpoint"] == "/introspect"
    }


@dataclasses.dataclass
class Asked:
    """A server that is asked about tokens, in the shapes of requests that lie in a folder: a node, or
    one that knows its answer before it is asked."""

    name: str
    url: str
    pid: int
    folder: Path
    log: object = None
    node: object = None
    warm: set = dataclasses.field(default_factory=set)

    def prepare(self, shape, seconds):
        if self.node:
            self.warm_up(shape)
            self.before = outcomes(self.node)
        if self.log:
            self.log.clear()

    def warm_up(self, shape):
        """Asks about everything once: what is measured is not the first time that it is asked."""
        if shape in self.warm:
            return
        self.warm.add(shape)
        asked = 0
        while asked < 2 * shapes.pairs(shape):
            asked += self.load(shape, MINT_CONNECTIONS, 1)["requests"]

    def load(self, shape, connections, seconds):
        file = self.folder / f"{shape}.requests"
        return wrk(f"{self.url}/introspect", connections, seconds, "requests", file, "", "")

    def check(self, shape, count):
        """All tokens must have been alive. Tells which part of the requests was logged."""
        if self.node:
            now = outcomes(self.node)
            new = {name: number - self.before.get(name, 0) for name, number in now.items()}
            if new.pop("active") < count or any(new.values()):
                sys.exit(f"bench: {self.name}, {shape}: not all of {count} were active: {new}")
        return logged(self.log, count)


def several(count, work):
    """Runs work(0) to work(count - 1), as many at once as one person may log in; their results in
    order."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(work, range(count)))


def spawn(stack, url, command, **arguments):
    """Starts a server that ends with us, and waits until it answers, whatever it says."""
    process = subprocess.Popen(
        list(map(str, command)), stdin=subprocess.DEVNULL, start_new_session=True,
        preexec_fn=dies_with_us(SIGTERM), **arguments,
    )
    stack.callback(process.wait)
    stack.callback(process.terminate)
    deadline = time.monotonic() + 15
    while process.poll() is None and time.monotonic() < deadline:
        try:
            requests.get(url, timeout=2)
            return process
        except requests.exceptions.SSLError:
            # It answers, with a certificate that we made.
            return process
        except requests.RequestException:
            time.sleep(0.05)
    return sys.exit(f"bench: {command[0]} did not start")


class LoggingNode(Node):
    """A node whose log goes where it is told to."""

    def __init__(self, doornail, log, environment):
        super().__init__(doornail, "", SETTINGS | environment)
        self.told = log
        self.log.touch()

    def start(self, ready=True):
        with self.told.open() as log:
            self.process = subprocess.Popen(
                self.command, env=self.environment, cwd=self.doornail.folder, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=dies_with_us(SIGKILL),
            )  # fmt: skip
        if ready:
            self.wait_until_ready()

    def wait_until_ready(self, timeout=20):
        # The public listener may want TLS.
        public, self.root = self.root, self.admin
        self.wait_for("/health/ready", 200, timeout)
        self.root = public


class Installation:
    """Nodes of Doornail on a database of their own."""

    def __init__(self, stack, cluster, name, folder):
        self.cluster, self.name, self.folder = cluster, name, folder
        self.doornail = Doornail(cluster, name, folder)
        self.client = self.doornail.client("bench", "--scope", "photos:read photos:write")
        stack.callback(self.doornail.stop)

    def start(self, log, **environment):
        """A node with this log."""
        node = LoggingNode(self.doornail, log, environment)
        self.doornail.nodes.append(node)
        node.start()
        return node

    def callers(self, count):
        """The client, and more that may ask about its tokens."""
        flags = ("--introspects", "any")

        def make(number):
            return self.doornail.client(f"caller-{number}", *flags, grant=None)

        others = several(count - 1, make)
        return [shapes.Caller(each.id, each.secret) for each in (self.client, *others)]

    def server(self, node, app):
        """A node as what gives and ends tokens."""
        urls = {path: f"{node.root}/{path}" for path in ("introspect", "token", "revoke")}
        caller, app = (each.basic["Authorization"] for each in (self.client, app))
        return Server(self.name, node.process.pid, urls, self.folder, caller, app, log=node.told)

    def asked(self, name, node, folder, scheme="http"):
        """A node as what is asked about tokens, in the shapes that lie in a folder."""
        url = f"{scheme}://127.0.0.1:{node.port}"
        return Asked(name, url, node.process.pid, folder, node.told, node)

    def log_in(self, node, app, count):
        """The refresh tokens of at least so many grants."""
        person = self.doornail.user("ada")

        def log_in(_):
            browser = Browser(node)
            browser.log_in(person)
            return [browser.tokens(app).refresh for _ in range(GRANTS_PER_SESSION)]

        logins = several(math.ceil(count / GRANTS_PER_SESSION), log_in)
        return [token for login in logins for token in login]
