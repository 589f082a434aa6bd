"""The examples, each started by its one command beside `doornail dev`: they let nobody in too many,
and a logout is true for them too."""

import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
import requests

from browser import Browser, Tokens, cookies_of
from chromium import Device, until, watched
from postgres import dies_with_us, free_port
from support import BINARY, INACTIVE, ROOT, SEEN, Client, Node, Person
from test_account import press

AUDIENCE = "https://api.demo.example"
CALLBACK = "http://127.0.0.1/callback"
SCOPE = "openid photos:read"
GUARDS = ("resource-server", "nginx")
API_BINARY = Path(os.environ.get("RESOURCE_SERVER_BINARY", ROOT / ".build/debug/PhotosAPI"))


class Dev(Node):
    """A `doornail dev` in a folder, which can be asked like any node."""

    def __init__(self, folder):
        self.folder, self.process, self._local = folder, None, threading.local()
        self.port, self.admin_port = free_port(), free_port()
        self.root = self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {"DOORNAIL_ISSUER": self.url}
        self.log = folder / "dev.log"
        self.start()
        lines = (folder / ".doornail/env").read_text().splitlines()
        said = dict(shlex.split(line)[1].split("=", 1) for line in lines)
        for value in (said[name] for name in said if name.endswith(("SECRET", "PASSWORD"))):
            SEEN.add(value)
        self.app = Client("demo-app", said["DEMO_APP_SECRET"])
        self.mail = Client("demo-mail", said["DEMO_MAIL_SECRET"])
        self.api = Client("demo-api", said["DEMO_API_SECRET"])
        self.ada = Person("", said["DEMO_USER"], said["DEMO_PASSWORD"])

    def start(self):
        # Not in SEEN.logs: its greeting has the demo's password, for people to see.
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [BINARY, "dev"],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=dies_with_us(signal.SIGTERM),
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": str(self.folder),
                    "LANG": "C.UTF-8",
                    "DOORNAIL_LISTEN": f"127.0.0.1:{self.port}",
                    "DOORNAIL_ADMIN_LISTEN": f"127.0.0.1:{self.admin_port}",
                },
            )
        self.wait_until_ready(60)

    @contextlib.contextmanager
    def hangs(self):
        """It takes connections and answers none of them."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    made = Dev(tmp_path_factory.mktemp("examples"))
    yield made
    made.stop()


def environment(**more):
    """What a person's shell has, and nothing of these tests'."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/",
        "LANG": "C.UTF-8",
        "RESOURCE_SERVER_BINARY": str(API_BINARY),
        "PYTHON": sys.executable,
    } | more


class Example:
    """An example, by its one command, in the folder where `doornail dev` runs."""

    def __init__(self, name, folder, *flags, **env):
        self.name, self.port = name, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.photos = self.url + "/photos"
        self.log = Path(folder) / f"{name}-{self.port}.log"
        SEEN.logs.add(self.log)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [ROOT / "examples" / name / "run", "--port", str(self.port), *flags],
                cwd=folder,
                env=environment(**env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=dies_with_us(signal.SIGTERM),
            )
        deadline = time.monotonic() + 30
        while not self.answers():
            said = self.log.read_text()
            assert self.process.poll() is None and time.monotonic() < deadline, said
            time.sleep(0.05)

    def answers(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def stop(self):
        """Ctrl-C in its terminal: it ends in order, and nothing of it is left."""
        os.killpg(self.process.pid, signal.SIGINT)
        try:
            assert self.process.wait(15) == 0, self.log.read_text()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        assert not self.answers()


@contextlib.contextmanager
def running(name, folder, *flags, **env):
    example = Example(name, folder, *flags, **env)
    try:
        yield example
    finally:
        example.stop()


@pytest.fixture(scope="module", params=GUARDS)
def guard(request, dev):
    """An example that asks Doornail whom to let in."""
    with running(request.param, dev.folder) as made:
        yield made


def ask(guard, token=None, method="GET", header=None, **arguments):
    """A request to a guarded route."""
    header = header if token is None else f"Bearer {token}"
    headers = arguments.pop("headers", {}) | ({"Authorization": header} if header else {})
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, guard.photos, headers=headers, timeout=15, **arguments)


def challenge(answer):
    """The challenge of a refusal (RFC 6750 §3), as a dictionary."""
    scheme, _, rest = answer.headers["WWW-Authenticate"].partition(" ")
    assert scheme == "Bearer" and len(answer.raw.headers.getlist("WWW-Authenticate")) == 1
    found = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    assert found.pop("realm") == "photos"
    return found


def assert_refused(answer, status, **expected):
    assert answer.status_code == status, f"{answer.status_code} {answer.text}"
    assert challenge(answer) == expected
    assert "sunrise" not in answer.text and "subject" not in answer.text


def assert_dead(answer):
    assert_refused(answer, 401, error="invalid_token")


def assert_unknown(answer):
    """Neither in nor told that the token is dead."""
    assert answer.status_code == 503, f"{answer.status_code} {answer.text}"
    assert int(answer.headers["Retry-After"]) >= 1
    assert "WWW-Authenticate" not in answer.headers


def test_a_live_token_passes(dev, guard):
    for header in ("Bearer", "bearer", "BEARER"):
        answer = ask(guard, header=f"{header} {dev.token(dev.app)}")
        assert answer.status_code == 200, answer.text
        assert "demo-app" in answer.text
    assert ask(guard, dev.token(dev.app), "POST", data="x" * 40_000).status_code in (200, 201)


def test_no_token(guard):
    for header in (None, "Basic YTpi", "Bearer", "Bearer ", "dn_at_x"):
        # Some clients drop the space at the end; without one it is no Bearer header either.
        assert_refused(ask(guard, header=header), 401)


def test_what_is_no_token(dev, guard):
    live = dev.token(dev.app)
    for wrong in ("x", "dn_at_x", live + "x", live[:-1], f"{live} x", f'{live}"', f"{live}%00",
                  f"{live}&token={live}", "=", "x" * 3000, f"{live}, Bearer {live}"):  # fmt: skip
        assert_dead(ask(guard, wrong))


def test_wrong_scope(dev, guard):
    lacks = {"error": "insufficient_scope"}
    reader = dev.token(dev.app, scope="photos:read")
    assert ask(guard, reader).status_code == 200
    for method in ("POST", "DELETE", "PROPFIND") if guard.name == "nginx" else ("POST",):
        assert_refused(ask(guard, reader, method), 403, **lacks, scope="photos:write")
    assert_refused(ask(guard, dev.token(dev.mail)), 403, **lacks, scope="photos:read")


def test_a_revoked_token_is_refused_at_once(dev, guard):
    for _ in range(20):
        token = dev.token(dev.app)
        assert ask(guard, token).status_code == 200
        dev.end(dev.app, token)
        assert_dead(ask(guard, token))


def test_a_persons_token_ends_with_the_login(dev, guard):
    browser = Browser(dev)
    tokens = login(browser, dev)
    told = dev.introspect(dev.api, tokens.access)
    answer = ask(guard, tokens.access)
    assert answer.status_code == 200 and told["sub"] in answer.text
    # Alive, and told to this very API, but not for it to accept.
    assert dev.is_active(dev.api, tokens.refresh)
    assert_dead(ask(guard, tokens.refresh))
    browser.submit(browser.open("/logout"))
    assert_dead(ask(guard, tokens.access))


def test_the_readme_of_the_examples(dev, guard):
    """Its lines, with another port, answer what it says beside them."""
    text = (ROOT / "examples/README.md").read_text()
    (block,) = re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)
    expected = re.findall(r"# (\d{3})$", block, re.M)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.replace("http://127.0.0.1:8081", guard.url)],
        cwd=dev.folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert len(expected) == 4 and done.stdout.split() == expected, done.stderr


def login(browser, dev):
    """What the demo app gets for a login of Ada's."""
    outcome = browser.authorize(dev.app, dev.ada, redirect_uri=CALLBACK, scope=SCOPE)
    return Tokens.of(dev.app, outcome.redeem(dev))


# What Doornail would never say, or never so: a server that the test makes up.


class Scripted(ThreadingHTTPServer):
    """A server whose answers the test chooses; it remembers what it was asked."""

    daemon_threads = True

    def __init__(self):
        self.asked, self.answer = [], None

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                server, length = self.server, int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length)
                server.asked.append((self.command, self.path, self.headers, body,
                                     self.client_address))  # fmt: skip
                if server.answer is None:
                    self.close_connection = True
                    return
                status, text, headers = server.answer
                sent = text.encode()
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(sent))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(sent)

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def says(self, status, body, **headers):
        text = body if isinstance(body, str) else json.dumps(body)
        self.answer = (status, text, {n.replace("_", "-"): v for n, v in headers.items()})
        self.asked.clear()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


LIVE = {
    "active": True,
    "token_type": "Bearer",
    "sub": "somebody",
    "aud": AUDIENCE,
    "scope": "a photos:read",
}


@pytest.fixture(scope="module")
def scripted():
    with Scripted() as made:
        yield made


@pytest.fixture(scope="module", params=GUARDS)
def beside(request, scripted, tmp_path_factory):
    """An example that asks the server that the test made up."""
    secrets = {"DEMO_APP_SECRET": "none", "DEMO_API_SECRET": "a secret+&%"}
    folder = tmp_path_factory.mktemp(request.param)
    with running(request.param, folder, DOORNAIL_ISSUER=scripted.url + "/at", **secrets) as made:
        yield made


def test_what_is_asked(scripted, beside):
    """The token, the credentials, and nothing of the client's."""
    scripted.says(200, LIVE | {"scope": "photos:write"})
    mine = {"Cookie": "mine=1", "X-Mine": "1", "Content-Type": "text/plain", "X-Subject": "root"}
    for number in range(3):
        assert ask(beside, "a/b+c~._-==", "POST", data="mine", headers=mine).status_code < 300
        assert len(scripted.asked) == number + 1, "an answer was kept"
    for method, path, headers, body, _ in scripted.asked:
        assert (method, path) == ("POST", "/at/introspect")
        assert parse_qsl(body.decode()) == [("token", "a/b+c~._-==")]
        assert headers["Authorization"] == "Basic ZGVtby1hcGk6YSUyMHNlY3JldCUyQiUyNiUyNQ=="
        assert headers["Content-Type"] == "application/x-www-form-urlencoded"
        assert headers["Host"] == urlsplit(scripted.url).netloc
        assert not {"Cookie", "X-Mine", "X-Subject", "Transfer-Encoding"} & set(headers.keys())
    assert len({client for *_, client in scripted.asked}) == 1, "connections are not kept"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 200),
        ({"aud": ["https://other.example", AUDIENCE]}, 200),
        ({"aud": "https://other.example"}, 401),
        ({"aud": AUDIENCE + "/"}, 401),
        ({"aud": []}, 401),
        ({"aud": None}, 401),
        ({"token_type": None}, 401),
        ({"token_type": "DPoP"}, 401),
        ({"sub": None}, 401),
        ({"active": False}, 401),
        ({"scope": None}, 403),
        ({"scope": ""}, 403),
        ({"scope": "photos:reader xphotos:read PHOTOS:READ"}, 403),
    ],
)
def test_what_an_answer_is_worth(scripted, beside, changes, status):
    told = {name: value for name, value in (LIVE | changes).items() if value is not None}
    scripted.says(200, told)
    answer = ask(beside, "token")
    assert answer.status_code == status
    if status == 401:
        assert_dead(answer)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, ""),
        (200, "{}"),
        (200, "[]"),
        (200, "null"),
        (200, "true"),
        (200, '{"active":'),
        (200, {"active": "true"}),
        (200, {"active": 1}),
        (201, LIVE),
        (204, ""),
        (302, LIVE),
        (400, {"error": "invalid_request"}),
        (401, {"error": "invalid_client"}),
        (403, {"active": False}),
        (404, {"active": False}),
        (429, {"error": "slow_down"}),
        (500, LIVE),
        (503, {"error": "temporarily_unavailable"}),
    ],
)
def test_what_is_no_answer(scripted, beside, status, body):
    scripted.says(status, body, Location=scripted.url + "/elsewhere", Retry_After="1")
    assert_unknown(ask(beside, "token"))
    assert {path for _, path, *_ in scripted.asked} == {"/at/introspect"}


def test_an_answer_without_an_end(scripted, beside):
    """nginx drops the client's connection with it, which lets nobody in either."""
    scripted.says(200, LIVE | {"padding": "x" * 100_000})
    with contextlib.suppress(requests.ConnectionError):
        assert_unknown(ask(beside, "token"))


def test_a_connection_that_breaks(scripted, beside):
    scripted.answer = None
    assert_unknown(ask(beside, "token"))
    scripted.says(200, LIVE)
    assert ask(beside, "token").status_code == 200


def test_what_the_api_behind_nginx_gets(dev):
    with Scripted() as api, running("nginx", dev.folder, "--upstream", api.url) as nginx:
        api.says(200, "from the API", WWW_Authenticate="its own")
        forged = {"X-Subject": "root", "x-subject": "root", "X_Subject": "root"}
        answer = ask(nginx, dev.token(dev.app), "POST", data="a photo", headers=forged)
        assert answer.text == "from the API"
        _, path, headers, body, _ = api.asked[0]
        assert (path, body) == ("/photos", b"a photo")
        assert headers.get_all("X-Subject") == ["demo-app"]
        assert "Authorization" not in headers and "X_Subject" not in headers
        # Its own refusals and faults are its own.
        for status in (401, 403, 500):
            api.says(status, "from the API")
            assert ask(nginx, dev.token(dev.app)).text == "from the API"
        api.says(200, "from the API")
        for path in ("/_guard", "/_introspect", "/photos/../_introspect", "/", "/x"):
            answer = requests.get(nginx.url + path, timeout=10)
            assert answer.status_code in (401, 404), path
        assert not api.asked


# The app.


class Relay(ThreadingHTTPServer):
    """Between the app and the API: what it passes on, the test can see."""

    daemon_threads = True

    def __init__(self, url):
        self.tokens = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.server.tokens.append(self.headers["Authorization"].removeprefix("Bearer "))
                SEEN.add(self.server.tokens[-1])
                headers = {"Authorization": self.headers["Authorization"]}
                answer = requests.get(url + self.path, headers=headers, timeout=15)
                self.send_response(answer.status_code)
                self.end_headers()
                self.wfile.write(answer.content)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


@pytest.fixture(scope="module")
def relay(dev):
    with running("resource-server", dev.folder) as api, Relay(api.url) as made:
        yield made


@pytest.fixture(scope="module")
def app(dev, relay):
    with running("app", dev.folder, "--api", relay.url) as made:
        yield made


class Visitor:
    """A person with a browser, at the app and at Doornail."""

    def __init__(self, dev, app):
        self.dev, self.app, self.doornail = dev, app, Browser(dev)
        self.http = requests.Session()
        self.http.trust_env = False

    def at_app(self, method, url, **arguments):
        """A request to the app; redirects are not followed."""
        url = url if url.startswith("http") else self.app.url + url
        assert url.startswith(self.app.url + "/"), url
        answer = self.http.request(method, url, timeout=30, allow_redirects=False, **arguments)
        for header in ("Content-Security-Policy", "Referrer-Policy"):
            assert header in answer.headers
        assert answer.headers["Cache-Control"] == "no-store"
        for cookie in cookies_of(answer):
            SEEN.add_tail(cookie.value)
            assert "httponly" in cookie.attributes and cookie.attributes["samesite"] == "Lax"
            assert len(cookie.value) < 600 and not re.search("dn_[a-z]{2}_", cookie.value)
        return answer

    def home(self):
        return self.at_app("GET", "/")

    def begin(self):
        """Presses "Log in"; where that leads."""
        return self.at_app("GET", "/login").headers["Location"]

    def authorize(self, url, decision="allow"):
        """What Doornail asks before it sends the browser back to the app; where that leads."""
        answer = self.doornail.get(url)
        while True:
            if answer.status_code == 303:
                location = self.doornail.location(answer)
                if not self.doornail.is_ours(location):
                    SEEN.add(parse_qs(urlsplit(location).query).get("code", [""])[0])
                    return location
                answer = self.doornail.get(location)
                continue
            page = self.doornail.follow(answer)
            if page.is_login:
                answer = self.doornail.login(self.dev.ada.name, self.dev.ada.password, page)
            else:
                assert page.is_consent, page.text
                answer = self.doornail.submit(page, decision=decision)

    def log_in(self):
        answer = self.at_app("GET", self.authorize(self.begin()))
        assert answer.status_code == 302, answer.text
        assert self.at_app("GET", answer.headers["Location"]).status_code == 200
        assert self.is_logged_in()
        return self

    def is_logged_in(self):
        text = self.home().text
        assert ("You are logged in as Ada Lovelace" in text) != ("Log in" in text), text
        return "sunrise.jpg" in text

    def form_token(self):
        return re.search(r'name="form_token" value="([^"]+)"', self.home().text).group(1)

    def log_out(self):
        return self.at_app("POST", "/logout", data={"form_token": self.form_token()})


@pytest.fixture
def visitor(dev, app):
    return Visitor(dev, app)


def test_the_app_logs_in(dev, relay, visitor):
    """Logs in, refreshes, and notices that its person was logged out everywhere."""
    assert "You are logged out" in visitor.home().text
    url = visitor.begin()
    asked = dict(parse_qsl(urlsplit(url).query))
    assert asked["response_type"] == "code" and asked["client_id"] == "demo-app"
    assert asked["redirect_uri"] == visitor.app.url + "/callback"
    assert asked["code_challenge_method"] == "S256" and len(asked["code_challenge"]) == 43
    assert asked["state"] and asked["nonce"]
    before = visitor.http.cookies.get("example-app")
    visitor.at_app("GET", visitor.authorize(url))
    assert visitor.http.cookies.get("example-app") != before
    assert visitor.is_logged_in()
    told = dev.introspect(dev.api, relay.tokens[-1])
    assert told["username"] == "ada"
    assert set(told["scope"].split()) == {"openid", "profile", "photos:read"}
    for _ in range(2):
        old = relay.tokens[-1]
        dev.end(dev.app, old)
        assert visitor.is_logged_in()
        assert relay.tokens[-2] == old and relay.tokens[-1] != old
    press(visitor.doornail, "everywhere")
    assert_noticed(visitor)


def assert_noticed(visitor):
    text = visitor.home().text
    assert "Your login was ended elsewhere" in text and "sunrise" not in text
    assert not visitor.is_logged_in()


def test_the_app_notices_a_logout_from_another_device(dev, visitor):
    visitor.log_in()
    elsewhere = Browser(dev)
    elsewhere.login(dev.ada.name, dev.ada.password)
    press(elsewhere, "others")
    assert_noticed(visitor)


def test_answers_that_are_none(visitor):
    """Of another login, of another server, twice, or no."""
    good = visitor.authorize(visitor.begin())
    stranger = Visitor(visitor.dev, visitor.app)
    stranger.begin()
    for one, url in [
        (stranger, good),
        (visitor, good.replace("state=", "state=x")),
        (visitor, re.sub(r"&?iss=[^&]*", "", good)),
        (visitor, re.sub(r"iss=[^&]*", "iss=https://other.example", good)),
    ]:
        assert one.at_app("GET", url).status_code == 400
        assert not one.is_logged_in()
    url = visitor.authorize(visitor.begin())
    assert visitor.at_app("GET", url).status_code == 302
    again = visitor.at_app("GET", url)
    assert again.status_code == 400
    assert "did not work" in again.text
    # Another person's browser, where nobody has said yes to anything yet.
    refused = Visitor(visitor.dev, visitor.app)
    url = refused.authorize(refused.begin() + "&prompt=consent", decision="deny")
    assert "error=access_denied" in url
    assert refused.at_app("GET", url).status_code == 400 and not refused.is_logged_in()


def test_the_app_logs_out(dev, relay, visitor):
    """In the app, at Doornail, and of the tokens."""
    visitor.log_in()
    token, copy = relay.tokens[-1], Visitor(dev, visitor.app)
    copy.http.cookies.update(visitor.http.cookies)
    assert copy.is_logged_in()
    for wrong in ({}, {"form_token": "wrong"}):
        assert visitor.at_app("POST", "/logout", data=wrong).status_code == 403
    assert visitor.at_app("GET", "/logout").status_code == 405
    assert visitor.is_logged_in()

    answer = visitor.log_out()
    assert answer.status_code == 302
    # Before the browser went anywhere: the tokens are dead, and the app's cookie worth nothing.
    assert dev.introspect(dev.api, token) == INACTIVE
    assert not copy.is_logged_in() and not visitor.is_logged_in()
    location = answer.headers["Location"]
    assert location.startswith(dev.url + "/logout?") and "id_token_hint=" in location
    back = visitor.doornail.location(visitor.doornail.get(location))
    assert back.startswith(visitor.app.url + "/logged-out?state=")
    assert "here and at Doornail" in visitor.at_app("GET", back).text
    assert visitor.at_app("GET", back).status_code == 400, "an old answer says nothing"
    # And at Doornail somebody has to log in again.
    assert visitor.doornail.session is None
    assert visitor.doornail.open("/account").is_login


def test_in_chromium(dev, app, tmp_path):
    """The policies of the app's pages and of Doornail's let a browser through both ways."""
    device = Device(tmp_path / "profile")
    try:
        with watched(device) as person:
            person.open(app.url, "Example app")
            person.press("Log in")
            person.sign_in(dev.ada)
            # Whether she is asked depends on the tests before this one.
            until(lambda: re.search("Allow|Example", person.heading), lambda: person.words)
            if "Allow" in person.heading:
                person.press("Allow")
            until(lambda: "You are logged in as Ada Lovelace" in person.words, "no login")
            assert "sunrise.jpg" in person.words
            person.press("Log out")
            until(lambda: "here and at Doornail." in person.words, lambda: person.words)
    finally:
        device.close()


# Doornail hangs, is stopped, and comes back.


def test_doornail_hangs(dev, guard):
    token = dev.token(dev.app)
    assert ask(guard, token).status_code == 200
    with dev.hangs():
        began = time.monotonic()
        assert_unknown(ask(guard, token))
        assert time.monotonic() - began < 8
        # What needs no asking is said all the same.
        assert_refused(ask(guard), 401)
    assert ask(guard, token).status_code == 200


def test_doornail_is_stopped_and_comes_back(dev, app, visitor):
    with contextlib.ExitStack() as stack:
        guards = [stack.enter_context(running(name, dev.folder)) for name in GUARDS]
        token = dev.token(dev.app)
        visitor.log_in()
        form_token = visitor.form_token()
        for guard in guards:
            assert ask(guard, token).status_code == 200
        dev.stop()
        try:
            for guard in guards:
                for one in (token, "dn_at_x"):
                    assert_unknown(ask(guard, one))
            # Nobody is logged out by an outage, and nobody told that a logout worked.
            for answer in (
                visitor.home(),
                visitor.at_app("POST", "/logout", data={"form_token": form_token}),
            ):
                assert answer.status_code == 503 and "no answer at present" in answer.text
        finally:
            dev.start()
        for guard in guards:
            assert ask(guard, token).status_code == 200
            assert_dead(ask(guard, "dn_at_x"))
        assert visitor.is_logged_in()
        assert visitor.log_out().status_code == 302


# The commands themselves.


def command(name, folder, *arguments, **env):
    return subprocess.run(
        [ROOT / "examples" / name / "run", *arguments],
        cwd=folder,
        env=environment(**env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("name", [*GUARDS, "app"])
def test_the_commands(dev, name, tmp_path):
    for flag in ("--help", "-h"):
        done = command(name, tmp_path, flag)
        assert done.returncode == 0 and done.stdout.startswith(f"examples/{name}/run [--port")
    for wrong in (["--nothing"], ["--port"], ["--port", "x"], ["--port=0"], ["--port=65536"],
                  ["--port="], ["more"], ["--env port"], ["--PATH=/"]):  # fmt: skip
        done = command(name, tmp_path, *wrong)
        assert done.returncode == 2 and f"examples/{name}/run [--port" in done.stderr, wrong
        assert not done.stdout
    done = command(name, tmp_path)
    assert done.returncode == 1 and "make run" in done.stderr and "--env" in done.stderr
    (tmp_path / "empty").write_text("")
    done = command(name, tmp_path, "--env", "empty")
    assert done.returncode == 1 and "doornail dev" in done.stderr
    # The environment by its name, from another folder; a port that is taken.
    there = str(dev.folder / ".doornail/env")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = command(name, tmp_path, f"--env={there}", "--port", port)
        assert done.returncode == 1 and "in use" in done.stderr, done.stderr
