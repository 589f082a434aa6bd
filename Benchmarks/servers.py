"""The servers under test: how each is started, prepared, loaded, and checked."""

import dataclasses
import math
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGTERM

import requests

from browser import Browser
from measure import wrk
from postgres import dies_with_us, free_port
from support import Doornail

# A line of log for each request is a cost of its own, and not what is measured; no token expires.
QUIET = {"DOORNAIL_LOG_LEVEL": "notice", "DOORNAIL_ACCESS_TOKEN_TTL": "12h"}
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

    def load(self, operation, connections, seconds):
        """What is measured."""
        what = operation.partition("-")[0]
        url, authorization = self.urls.get(what), self.caller
        if operation == "rotate":
            url, authorization = self.urls["token"], self.app
        return wrk(url, connections, seconds, operation, self.file(what), authorization,
                   self.token_body)

    def ask_about(self, token):
        headers = {"Authorization": self.caller}
        return requests.post(self.urls["introspect"], {"token": token}, headers=headers, timeout=10)

    def check(self, operation, count):
        """Looks into some answers, since wrk sees the status alone; into rotations load.lua did."""
        what = operation.partition("-")[0]
        if what not in ("introspect", "revoke"):
            return
        is_active, tokens = what == "introspect", self.tokens(what)
        # Of the revoked ones those that came well before the end.
        some = tokens if is_active else tokens[2 : count // 2]
        for token in random.sample(some, min(20, len(some))):
            answer = self.ask_about(token)
            if answer.status_code != 200 or answer.json().get("active") is not is_active:
                sys.exit(f"bench: {self.name}: {operation}: {answer.status_code} {answer.text}")


class Constant(Server):
    """A server that knows its answer before it is asked (Limit)."""

    def check(self, operation, count):
        pass


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
        except requests.RequestException:
            time.sleep(0.05)
    return sys.exit(f"bench: {command[0]} did not start")


def constant(stack, binary, name, length, like):
    """A server that answers with a constant, and is asked as another one is."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/introspect"
    process = spawn(stack, url, [binary, name, port, length])
    server = Constant(name, process.pid, {"introspect": url}, like.folder, like.caller)
    server.file("introspect").symlink_to(like.file("introspect"))
    return server


class Installation:
    """A node of Doornail on a database of its own."""

    def __init__(self, stack, cluster, name, folder, **environment):
        self.cluster, self.name, self.folder = cluster, name, folder
        self.doornail = Doornail(cluster, name, folder)
        self.client = self.doornail.client("bench", "--scope", "photos:read photos:write")
        self.app = self.doornail.app("app", "--first-party")
        stack.callback(self.doornail.stop)
        self.node = self.doornail.node(**QUIET, **environment)

    def server(self):
        """The node as what is measured."""
        urls = {path: f"{self.node.root}/{path}" for path in ("introspect", "token", "revoke")}
        caller, app = (each.basic["Authorization"] for each in (self.client, self.app))
        return Server(self.name, self.node.process.pid, urls, self.folder, caller, app)

    def grants(self, count):
        """The refresh tokens of at least so many grants."""
        person = self.doornail.user("ada")

        def log_in(_):
            browser = Browser(self.node)
            browser.log_in(person)
            return [browser.tokens(self.app).refresh for _ in range(GRANTS_PER_SESSION)]

        logins = several(math.ceil(count / GRANTS_PER_SESSION), log_in)
        return [token for login in logins for token in login]
