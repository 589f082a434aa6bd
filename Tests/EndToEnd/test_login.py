"""/login: the form, the cookie, and that neither can be had by a trick."""

import re
import time
from pathlib import Path
from statistics import median
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from browser import Browser, Page, authorization, cookies_of, new_verifier
from support import SEEN, in_parallel, new_password

# How long a password takes matters here (conftest.py).
SLOW_PASSWORDS = True

HOSTILE = [
    '"><script>alert(1)</script>',
    "' onfocus=alert(1) autofocus x='",
    '" onfocus=alert(1) autofocus x="',
    # A quote and a combining mark are one Character, which an escaper by Characters lets through.
    '"\u0301 onfocus=alert(1) autofocus x="',
    '"\u200d onfocus=alert(1) x="',
    '"\ufe0f onfocus=alert(1) x="',
    "<\u0301script>alert(1)</script>",
    "{{{username}}}{{> page}}",
    "&lt;script&gt;&amp;&#34;",
    "javascript:alert(1)",
]


def asked_to_log_in(browser, client):
    """The login page that an authorization request leads to."""
    verifier = new_verifier()
    return browser.open("/authorize?" + urlencode(authorization(client, verifier)))


def test_the_form(anonymous):
    answer = anonymous.get("/login")
    assert answer.status_code == 200
    form = Page(answer).form
    assert form.types["form_token"] == "hidden" and len(form.fields["form_token"]) >= 22
    assert form.types["username"] == "text" and form.fields["username"] == ""
    assert form.types["password"] == "password" and form.fields["password"] == ""
    assert anonymous.session is None, "nobody is logged in by looking"
    for cookie in cookies_of(answer):
        assert "httponly" in cookie.attributes and cookie.attributes.get("path") == "/"


def test_the_cookie(doornail, node, ada):
    """On plain http of the loopback: all but Secure."""
    browser = Browser(node, user_agent="Ada's laptop")
    answer = browser.log_in(ada)
    assert urlsplit(browser.location(answer)).path == "/login"
    for cookie in cookies_of(answer):
        assert cookie.attributes["samesite"].lower() == "lax"
        assert cookie.attributes["path"] == "/"
        assert "httponly" in cookie.attributes
        assert "secure" not in cookie.attributes and "domain" not in cookie.attributes
    made = {cookie.name: cookie for cookie in cookies_of(answer)}["doornail-session"]
    assert len(made.value) >= 22
    page = browser.follow(answer)
    assert "You are signed in as" in page.text and ada.name in page.text
    assert not page.is_login
    session = next(s for s in doornail.sessions(ada) if s["user_agent"] == "Ada's laptop")
    assert session["address"] == "127.0.0.1"
    assert {"id", "user", "created_at", "last_seen_at", "expires_at", "clients"} <= set(session)
    shown = doornail.cli("session", "show", session["id"])
    assert shown["id"] == session["id"] and shown["grants"] == []
    assert not any(browser.session in str(row) for row in (session, shown))


def test_the_cookie_on_https(doornail, ada):
    node = doornail.node(DOORNAIL_ISSUER="https://login.example")
    browser = Browser(node)
    page = browser.open("/login")
    answer = browser.login(ada.name, ada.password, page)
    made = cookies_of(answer)
    assert "__Host-doornail-session" in {cookie.name for cookie in made}
    for cookie in made + cookies_of(page.answer):
        assert cookie.name.startswith("__Host-"), cookie.name
        assert {"secure", "httponly"} <= set(cookie.attributes)
        assert cookie.attributes["samesite"].lower() == "lax"
        assert cookie.attributes["path"] == "/" and "domain" not in cookie.attributes
    assert browser.location(answer).startswith("https://login.example/")
    assert "You are signed in as" in browser.follow(answer).text


def test_login_leads_back_to_the_request(node, app, ada):
    """The request that brought a person here goes on, with all it had."""
    browser = Browser(node)
    first = browser.get("/authorize?" + urlencode(authorization(app, new_verifier())))
    location = urlsplit(browser.location(first))
    assert location.path == "/login" and "continue" in parse_qs(location.query)
    outcome = browser.authorize(app, ada, state="x y&z=é")
    assert outcome.asked == ["login"] and outcome.code


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/authorize",
        "/\\evil.example/authorize",
        "javascript:alert(1)",
        "\t//evil.example",
    ],
)
def test_login_leads_nowhere_else(node, ada, target):
    """An open redirector would hand people on to whoever looks like us."""
    browser = Browser(node)
    answer = browser.get("/login?" + urlencode({"continue": target}))
    assert answer.status_code in (200, 303, 400)
    if answer.status_code == 303:
        assert browser.is_ours(browser.location(answer))
    page = browser.open("/login")
    answer = browser.submit(page, username=ada.name, password=ada.password, **{"continue": target})
    assert answer.status_code in (303, 400)
    if answer.status_code == 303:
        location = browser.location(answer)
        assert browser.is_ours(location), location
        assert urlsplit(location).path in ("/login", "/authorize"), location
        assert "evil" not in urlsplit(location).netloc


NONCE = re.compile(r"nonce[=-][\"']?[\w-]{22}")


def normal(page, *names):
    """A page without what differs from one request to the next."""
    html = page.html
    for form in page.forms:
        html = html.replace(form.fields.get("form_token") or "\0", "TOKEN")
    for name in names:
        html = html.replace(f'value="{name}"', 'value="NAME"')
    return NONCE.sub("NONCE", html)


def test_unknown_user_and_wrong_password_read_the_same(doornail, node, ada, app):
    """The same bytes for a name that does not exist, a wrong password and a disabled user."""
    eve = doornail.user("eve")
    doornail.cli("user", "disable", eve.name)
    seen = []
    for name, password in (
        (ada.name, new_password()),
        ("ida", new_password()),
        (eve.name, eve.password),
    ):
        browser = Browser(node)
        answer = browser.login(name, password)
        assert answer.status_code == 303 and browser.session is None
        location = browser.location(answer)
        assert urlsplit(location).path == "/login"
        page = browser.follow(answer)
        assert page.is_login and page.alert
        assert password not in page.html and page.form.fields["password"] == ""
        headers = {
            name: value
            for name, value in page.answer.headers.items()
            if name not in ("Date", "X-Request-ID", "Set-Cookie")
        }
        policy = headers["Content-Security-Policy"]
        headers["Content-Security-Policy"] = NONCE.sub("NONCE", policy)
        cookies = sorted(cookie.name for cookie in cookies_of(answer))
        seen.append((location.replace(name, "NAME"), normal(page, name), headers, cookies))
    assert seen[0] == seen[1]
    assert seen[0] == seen[2]
    assert doornail.sessions(eve) == []


def test_unknown_user_and_wrong_password_take_the_same_time(node, ada):
    """Both hash: neither is answered in less than half of the other's time."""

    def ticks():
        fields = Path(f"/proc/{node.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    def work(name):
        browser = Browser(node)
        page = browser.open("/login")
        began = ticks()
        browser.login(name, new_password(), page)
        return ticks() - began

    # The server's own time, in turns, and the least of each: what else the machine does counts little.
    rounds = [(work(ada.name), work("ila")) for _ in range(3)]
    known, unknown = map(min, zip(*rounds, strict=True))
    assert known < 2 * unknown and unknown < 2 * known


@pytest.mark.parametrize(
    "change",
    [
        {"username": ""},
        {"username": None},
        {"password": ""},
        {"password": None},
        {"password": "x" * 1025},
        {"password": "x" * 60000},
        {"username": "a" * 5000},
        {"username": "ada\u0000"},
    ],
    ids=str,
)
def test_incomplete_forms(node, ada, change):
    """Refused in words, by a page of ours; never a crash and never a login."""
    browser = Browser(node)
    page = browser.open("/login")
    fields = {"username": ada.name, "password": ada.password} | change
    answer = browser.submit(page, **fields)
    assert answer.status_code in (303, 400)
    assert browser.session is None
    if answer.status_code == 303:
        assert browser.follow(answer).alert


@pytest.mark.parametrize("forgery", ["missing", "empty", "garbage", "changed", "another browser's"])
def test_form_token(node, ada, app, forgery):
    """Login CSRF: who does not come from our page is sent to it, and nothing is done."""
    browser = Browser(node)
    page = asked_to_log_in(browser, app)
    token = page.form.fields["form_token"]
    middle = len(token) // 2
    token = {
        "missing": None,
        "empty": "",
        "garbage": "A" * 43,
        "changed": token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :],
        "another browser's": asked_to_log_in(Browser(node), app).form.fields["form_token"],
    }[forgery]
    answer = browser.submit(page, username=ada.name, password=ada.password, form_token=token)
    location = urlsplit(browser.location(answer))
    assert location.path == "/login"
    assert parse_qs(location.query)["continue"] == [page.form.fields["continue"]]
    assert browser.session is None
    assert browser.follow(answer).is_login


def test_cross_site_posts_do_nothing(node, ada):
    """Without our cookies, or as text that a foreign page may send, there is no login."""
    page = Browser(node).open("/login")
    stranger = Browser(node)
    answer = stranger.submit(page, username=ada.name, password=ada.password)
    assert answer.status_code == 303 and stranger.session is None
    fields = page.form.fields | {"username": ada.name, "password": ada.password}
    answer = stranger.request(
        "POST", "/login", data=urlencode(fields), headers={"Content-Type": "text/plain"}
    )
    assert answer.status_code in (303, 400, 415) and stranger.session is None


def test_session_fixation(doornail, node, app, ada, bob):
    """A cookie that somebody else planted is replaced, and is worth nothing afterwards."""
    thief = Browser(node)
    thief.log_in(bob)
    planted = thief.session
    sid = doornail.sessions(bob)[0]["id"]
    victim = Browser(node)
    victim.cookies["doornail-session"] = planted
    # Bob's session is live, so that a login has to be asked for.
    outcome = victim.authorize(app, ada, prompt="login")
    assert "login" in outcome.asked and victim.session != planted
    assert victim.is_logged_in(app)
    assert not thief.is_logged_in(app), "another person's login ends the old session first"
    assert sid not in {session["id"] for session in doornail.sessions(bob)}


@pytest.mark.parametrize("value", ["x", "A" * 22, "a.b", "", "0" * 400])
def test_planted_garbage(node, app, ada, value):
    browser = Browser(node)
    browser.cookies["doornail-session"] = value
    assert not browser.is_logged_in(app)
    browser.cookies["doornail-session"] = value
    page = browser.open("/login")
    assert page.is_login and "signed in" not in page.text.lower()


def test_the_same_person_again(doornail, node, app, ada):
    """The session stays, with a new secret: the old cookie is worth nothing."""
    browser = Browser(node, user_agent="again")
    browser.log_in(ada)

    def sid():
        return [s["id"] for s in doornail.sessions(ada) if s["user_agent"] == "again"]

    before, old = sid(), browser.twin()
    outcome = browser.authorize(app, ada, prompt="login")
    assert outcome.asked == ["login"] and outcome.code
    assert browser.session != old.session
    assert sid() == before and len(before) == 1
    assert not old.is_logged_in(app)
    assert browser.is_logged_in(app)


@pytest.mark.parametrize("hint", HOSTILE, ids=ascii)
def test_login_hint(anonymous, app, hint):
    """The hint is what the field holds, to the letter, and nothing else on the page."""
    verifier = new_verifier()
    request = authorization(app, verifier, login_hint=hint)
    page = anonymous.open("/authorize?" + urlencode(request))
    assert page.is_login
    assert page.form.fields["username"] == hint
    assert set(page.form.fields) <= {"form_token", "continue", "username", "password"}
    # Echoed after a wrong password too.
    answer = anonymous.submit(page, username=hint, password="")
    again = anonymous.follow(answer)
    assert again.is_login and again.form.fields["username"] in (hint, "")


@pytest.mark.parametrize("path", ["/login", "/authorize", "/consent", "/logout"])
def test_methods(node, path):
    for method in ("PUT", "DELETE", "PATCH", "TRACE", "OPTIONS"):
        answer = node.request(method, path)
        assert answer.status_code == 405, f"{method} {path}"
        allow = {name.strip() for name in answer.headers["Allow"].split(",")}
        assert {"GET", "POST"} <= allow <= {"GET", "HEAD", "POST"}
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_head(node):
    answer = node.request("HEAD", "/login")
    assert answer.status_code in (200, 405) and answer.content == b""


@pytest.mark.parametrize("path", ["/login", "/logout", "/consent", "/authorize"])
def test_every_page_is_safe(node, browser, path):
    """Whatever it says, a page is not kept, not framed, and not called from elsewhere."""
    for one in (browser, Browser(node)):
        answer = one.get(path, headers={"Origin": "https://evil.example"})
        assert "Access-Control-Allow-Origin" not in answer.headers
        page = one.follow(answer)
        assert page.answer.headers["X-Content-Type-Options"] == "nosniff"
        assert page.text


def test_the_form_may_lead_to_the_application(anonymous, app):
    """Chromium applies form-action to the redirect after the form too."""
    page = asked_to_log_in(anonymous, app)
    policy = page.answer.headers["Content-Security-Policy"]
    allowed = re.search(r"form-action ([^;]*)", policy).group(1).split()
    assert "'self'" in allowed
    assert any(source.startswith("https://app.example") for source in allowed)
    assert "*" not in allowed and "https:" not in allowed


@pytest.mark.parametrize("agent", ["x" * 5000, "caf\u00e9", "<script>alert(1)</script>", "\"'\\"])
def test_user_agents(doornail, node, ada, agent):
    """What a browser says about itself is kept within bounds, and listed as it was."""
    browser = Browser(node)
    browser.headers["User-Agent"] = agent.encode("latin-1")
    browser.log_in(ada)
    kept = [session["user_agent"] for session in doornail.sessions(ada)]
    assert all(len(one or "") <= 512 for one in kept)
    if agent.isascii() and len(agent) < 500:
        assert agent in kept


def test_hashing_blocks_nobody(node, ada, bob):
    """Eight logins at once, of two people, each with its own session, while the server goes on
    answering."""
    browsers = [Browser(node) for _ in range(8)]
    pages = [browser.open("/login") for browser in browsers]
    slowest = []

    def work(index):
        if index == 8:
            deadline = time.monotonic() + 1.5
            while time.monotonic() < deadline:
                began = time.monotonic()
                assert requests.get(node.root + "/health/live", timeout=5).status_code == 200
                slowest.append(time.monotonic() - began)
            return None
        person = [ada, bob][index % 2]
        return browsers[index].login(person.name, person.password, pages[index]).status_code

    statuses = in_parallel(9, work)[:8]
    assert set(statuses) <= {303, 503} and 303 in statuses
    assert median(slowest) < 0.5
    sessions = [b.session for b, status in zip(browsers, statuses, strict=True) if status == 303]
    assert len(set(sessions)) == len(sessions) and None not in sessions


def test_no_password_in_any_answer(node, ada):
    """Also where the form is wrong: a password never comes back."""
    browser = Browser(node)
    password = new_password()
    answer = browser.login(f"{ada.name}x", password)
    assert password not in answer.headers["Location"]
    assert password not in browser.follow(answer).html
    assert password in SEEN.values
