"""/logout (OpenID Connect RP-Initiated Logout): nobody is logged out by a trick, or told a lie."""

import uuid
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from browser import Browser, Page, alive, cookies_of
from proxy import Proxy
from test_redirect_uris import variants

AFTER = "https://app.example/cb"
QUERIED = "https://app.example/after?x=1"


@pytest.fixture(scope="module")
def node(pair):
    return pair[0]


@pytest.fixture(scope="module")
def app(doornail):
    flags = ["--post-logout-redirect-uri", AFTER, "--post-logout-redirect-uri", QUERIED]
    return doornail.app("app", "--first-party", *flags)


@pytest.fixture
def here(pair, ada):
    """A login of the test's own."""
    browser = Browser(pair[0], user_agent=uuid.uuid4().hex)
    browser.log_in(ada)
    return browser


def is_listed(doornail, person, browser):
    return browser.headers["User-Agent"] in [s["user_agent"] for s in doornail.sessions(person)]


def url(**parameters):
    return "/logout?" + urlencode(parameters)


def test_by_the_form(doornail, pair, here, browser, app, api, ada):
    """GET asks, POST ends: the session, its cookie, and all that hung on it; nothing else."""
    online = here.tokens(app)
    offline = here.tokens(app, scope="photos:read offline_access")
    elsewhere = browser.tokens(app)
    page = here.open("/logout")
    assert page.form.types["form_token"] == "hidden"
    assert here.is_logged_in(app), "asking ends nothing"
    copy = here.twin()
    answer = here.submit(page)
    location = urlsplit(here.location(answer))
    assert location.path == "/logout"
    removed = {cookie.name: cookie for cookie in cookies_of(answer)}["doornail-session"]
    assert removed.is_removal and removed.attributes["path"] == "/"
    assert "logged out" in here.follow(answer).text.lower()
    for node in pair:
        assert not copy.via(node).is_logged_in(app), "the cookie is worth nothing to a thief"
    assert not is_listed(doornail, ada, here)
    assert not alive(pair, api, online.access) and not alive(pair, api, online.refresh)
    assert alive(pair, api, offline.access) and alive(pair, api, offline.refresh)
    assert alive(pair, api, elsewhere.access) and browser.is_logged_in(app)


def test_what_is_not_reached_is_said(here):
    """Back-channel logout comes later: the page does not promise what apps remember themselves."""
    answer = here.submit(here.open("/logout"))
    words = here.follow(answer).text.lower()
    assert "logged out" in words
    assert "app" in words or "site" in words


@pytest.mark.parametrize("forgery", ["missing", "empty", "garbage", "another browser's"])
def test_forged_forms(doornail, pair, here, browser, app, ada, forgery):
    """A foreign page cannot log anybody out: it gets the question, with its parameters."""
    parameters = {"client_id": app.id, "post_logout_redirect_uri": AFTER, "state": "a b&c"}
    page = here.open(url(**parameters))
    token = {
        "missing": None,
        "empty": "",
        "garbage": "A" * len(page.form.fields["form_token"]),
        "another browser's": browser.open("/logout").form.fields["form_token"],
    }[forgery]
    data = parameters | ({} if token is None else {"form_token": token})
    answer = here.request("POST", "/logout", data=data)
    location = urlsplit(here.location(answer))
    assert location.path == "/logout"
    assert parse_qs(location.query) == {name: [value] for name, value in parameters.items()}
    assert here.session and not any(cookie.is_removal for cookie in cookies_of(answer))
    assert here.follow(answer).form
    assert here.is_logged_in(app) and is_listed(doornail, ada, here)


def test_cross_site_posts_end_nothing(node, here, app):
    """Without the cookie, which SameSite keeps back, the form is a stranger's."""
    page = here.open("/logout")
    stranger = Browser(node)
    answer = stranger.submit(page)
    assert answer.status_code == 303
    assert "logged out" not in stranger.follow(answer).text.lower().replace("not logged out", "")
    text = {"Content-Type": "text/plain"}
    answer = here.request("POST", "/logout", data=urlencode(page.form.fields), headers=text)
    assert answer.status_code in (303, 400, 415)
    assert here.is_logged_in(app)


def test_without_a_cookie(anonymous):
    """It says that this browser was not logged in, which is all that is known."""
    page = anonymous.open("/logout")
    assert "not logged in" in page.text.lower()
    assert "logged out" not in page.text.lower()
    answer = anonymous.request("POST", "/logout", data={})
    assert urlsplit(anonymous.location(answer)).path == "/logout"


def test_a_session_that_ended_before(doornail, pair, here, app, ada):
    """Then it is known to have ended, and there is nothing to ask."""
    agent = here.headers["User-Agent"]
    sid = next(s["id"] for s in doornail.sessions(ada) if s["user_agent"] == agent)
    open_form = here.open("/logout")
    doornail.cli("revoke", "session", sid)
    copy = here.twin()
    assert "logged out" in copy.via(pair[1]).open("/logout").text.lower()
    # The form that was open all the while comes to the same.
    answer = here.submit(open_form)
    assert answer.status_code == 303
    assert "logged" in here.follow(answer).text.lower()
    assert not here.is_logged_in(app)


@pytest.mark.parametrize("after", [AFTER, QUERIED])
def test_back_to_the_application(here, app, after):
    """After the POST, and not before: 303 to the registered URI, with its state."""
    parameters = {"client_id": app.id, "post_logout_redirect_uri": after, "state": "a b&c=é"}
    page = here.open(url(**parameters))
    assert here.is_logged_in(app)
    answer = here.submit(page)
    location = here.location(answer)
    assert location.startswith(after + ("&" if "?" in after else "?"))
    told = parse_qs(urlsplit(location).query)
    assert told.pop("state") == ["a b&c=é"]
    assert told == ({"x": ["1"]} if after == QUERIED else {})
    assert not here.is_logged_in(app)


def test_back_without_state(here, app):
    page = here.open(url(client_id=app.id, post_logout_redirect_uri=AFTER))
    assert here.location(here.submit(page)) == AFTER


def test_never_to_what_is_not_registered(doornail, here, app):
    """The person is logged out all the same, and stays here."""
    page = here.open(url(client_id=app.id, post_logout_redirect_uri="https://evil.example/"))
    assert "evil.example" not in page.answer.headers["Content-Security-Policy"]
    answer = here.submit(page)
    assert here.is_ours(here.location(answer))
    assert "logged out" in here.follow(answer).text.lower()
    assert not here.is_logged_in(app)


@pytest.mark.parametrize("who", ["logged in", "a stranger"])
def test_variants(browser, node, app, who):
    """No variant of a registered URI is ever led to, nor named as where a form may lead."""
    one = browser if who == "logged in" else Browser(node)
    for uri in variants():
        answer = one.get(url(client_id=app.id, post_logout_redirect_uri=uri, state="s"))
        assert answer.status_code in (200, 303, 400), uri
        if answer.status_code == 303:
            location = one.location(answer)
            assert one.is_ours(location), f"{uri!r} led to {location}"
        else:
            policy = Page(answer).answer.headers["Content-Security-Policy"]
            assert "app.example" not in policy and "evil" not in policy, uri
    assert browser.is_logged_in(app)


def test_another_clients_uri(doornail, browser, app):
    """A URI is registered for a client; without one, or with another, it leads nowhere."""
    other = doornail.app("other", "--first-party")
    for parameters in ({"client_id": other.id}, {}, {"client_id": "nobody"}, {"client_id": ""}):
        page = browser.open(url(post_logout_redirect_uri=AFTER, **parameters))
        policy = page.answer.headers["Content-Security-Policy"]
        assert "app.example" not in policy


@pytest.mark.parametrize(
    "hostile", ['"><script>alert(1)</script>', '"\u0301 onfocus=alert(1) x="', "' autofocus x='"]
)
def test_hostile_echoes(browser, app, hostile):
    page = browser.open(url(client_id=app.id, post_logout_redirect_uri=AFTER, state=hostile))
    assert page.form.fields.get("state", hostile) == hostile
    answer = browser.get(url(client_id=hostile, post_logout_redirect_uri=hostile))
    assert browser.follow(answer).text


def test_garbage_as_a_hint_ends_nothing(browser, app):
    for hint in ("x", "a.b.c", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.", "A" * 4000):
        answer = browser.get(url(id_token_hint=hint))
        assert answer.status_code in (200, 303, 400)
        if answer.status_code == 303:
            assert browser.is_ours(browser.location(answer))
    assert browser.is_logged_in(app)


def test_one_browser_alone(pair, here, browser, app):
    """Another device of the same person stays logged in."""
    here.submit(here.via(pair[1]).open("/logout"))
    assert here.session is None
    assert browser.is_logged_in(app)


def test_another_person_afterwards(doornail, here, app, ada, bob):
    """A session id is never used again for the next one (CVE-2025-12390)."""
    agent = here.headers["User-Agent"]
    first = next(s["id"] for s in doornail.sessions(ada) if s["user_agent"] == agent)
    old = here.session
    here.submit(here.open("/logout"))
    here.log_in(bob)
    second = next(s["id"] for s in doornail.sessions(bob) if s["user_agent"] == agent)
    assert first != second and here.session != old
    here.log_in(ada)
    assert second not in [session["id"] for session in doornail.sessions(bob)]
    third = next(s["id"] for s in doornail.sessions(ada) if s["user_agent"] == agent)
    assert third not in (first, second)


def test_an_outage_keeps_the_cookie(doornail, cluster, pair, here, app):
    """Nobody is told to be logged out who may not be; the browser can ask again."""
    proxy = Proxy(cluster.port)
    remote = doornail.node(
        DOORNAIL_ISSUER=pair[0].environment["DOORNAIL_ISSUER"],
        DATABASE_URL=cluster.url(doornail.database, port=proxy.port),
    )
    try:
        page = here.via(remote).open("/logout")
        proxy.cut()
        kept = here.session
        answer = here.submit(page)
        assert answer.status_code == 503 and int(answer.headers["Retry-After"]) >= 1
        assert "logged out" not in Page(answer).text.lower()
        assert here.session == kept and not any(c.is_removal for c in cookies_of(answer))
        assert here.via(pair[1]).is_logged_in(app)
        proxy.mend()
        remote.wait_until_ready(10)
        answer = here.via(remote).submit(page)
        assert "logged out" in here.follow(answer).text.lower()
        assert not here.via(pair[1]).is_logged_in(app)
        remote.stop()
    finally:
        proxy.cut()
