"""Ways around a login that were found by attackers, and stay closed."""

import base64
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from browser import Browser, alive, authorization, new_verifier
from support import new_password

# How long a password takes matters here (conftest.py).
SLOW_PASSWORDS = True


@pytest.fixture(scope="module")
def node(pair):
    return pair[0]


def continuation(answer):
    """The request that a redirect to /login carries, with its ticket."""
    text = parse_qs(urlsplit(answer.headers["Location"]).query)["continue"][0]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()


@pytest.mark.parametrize("parameters", [{"prompt": "login"}, {"max_age": "0"}])
def test_a_ticket_of_another_browser_is_no_login(node, app, ada, parameters):
    """A ticket that a browser without a login got proves nothing in one with an old login."""
    sent = urlencode(authorization(app, new_verifier(), **parameters))
    ada_browser = Browser(node)
    ada_browser.log_in(ada)
    stranger = Browser(node)
    query = continuation(stranger.get("/authorize?" + sent))
    assert "doornail_ticket=" in query
    answer = ada_browser.get("/authorize?" + query)
    assert urlsplit(answer.headers["Location"]).path == "/login"
    # Nor does its own, before the person logs in again.
    query = continuation(ada_browser.get("/authorize?" + sent))
    answer = ada_browser.get("/authorize?" + query)
    assert urlsplit(answer.headers["Location"]).path == "/login"
    page = ada_browser.follow(answer)
    answer = ada_browser.submit(page, username=ada.name, password=ada.password)
    assert urlsplit(answer.headers["Location"]).path == "/authorize"
    assert "code=" in ada_browser.get(answer.headers["Location"]).headers["Location"]


def test_a_login_whose_answer_was_lost_can_be_ended(doornail, pair, node, app, api, ada):
    """The browser kept its old cookie: it still logs out all that there is."""
    browser = Browser(node, user_agent="lossy")
    browser.log_in(ada)
    tokens = browser.tokens(app, scope="photos:read")
    before = dict(browser.cookies)
    sessions = len(doornail.sessions(ada))
    browser.log_in(ada)
    browser.cookies = dict(before)
    assert browser.is_logged_in(app)
    browser.log_in(ada)
    browser.cookies = dict(before)
    assert len(doornail.sessions(ada)) == sessions
    answer = browser.submit(browser.open("/logout"))
    assert "logged out" in browser.follow(answer).text.lower()
    assert len(doornail.sessions(ada)) == sessions - 1
    assert not alive(pair, api, tokens.access)


def test_another_person_ends_a_login_whose_answer_was_lost(pair, node, app, api, ada, bob):
    browser = Browser(node)
    browser.log_in(ada)
    tokens = browser.tokens(app, scope="photos:read")
    before = dict(browser.cookies)
    browser.log_in(ada)
    browser.cookies = dict(before)
    browser.log_in(bob)
    assert not alive(pair, api, tokens.access)


def test_the_old_cookie_dies_with_the_first_use_of_the_new_one(node, app, ada):
    browser = Browser(node)
    browser.log_in(ada)
    thief = browser.twin()
    browser.log_in(ada)
    assert browser.is_logged_in(app)
    assert not thief.is_logged_in(app)


def test_a_logout_of_somebody_else_says_nothing(node, app, ada, bob):
    """The page after a logout speaks to the browser that was logged out, and to no other."""
    bobs = Browser(node)
    bobs.log_in(bob)
    answer = bobs.submit(bobs.open("/logout"))
    said = answer.headers["Location"]
    assert "you are logged out" in bobs.open(said).text.lower()
    adas = Browser(node)
    assert "you are logged out" not in adas.open(said).text.lower()
    adas.log_in(ada)
    assert "you are logged out" not in adas.open(said).text.lower()
    assert adas.is_logged_in(app)
    # Nor does it say so when the person is logged in again.
    bobs.log_in(bob)
    assert "you are logged out" not in bobs.open(said).text.lower()


def test_cookies_of_an_old_password_are_strangers(doornail, pair):
    """Who knew the last password cannot guess at the next one from many known browsers."""
    mallory_knows = doornail.user("eva")
    known = []
    for _ in range(3):
        browser = Browser(pair[0])
        browser.log_in(mallory_knows)
        known.append(browser)
    doornail.set_password(mallory_knows)
    codes = []
    for browser in known:
        for _ in range(8):
            answer = browser.login("eva", new_password(), browser.open("/login?prompt=login"))
            codes.append(answer.status_code)
    assert codes.count(303) <= 20 and codes[-1] == 429, codes


def test_what_was_typed_is_in_no_address(node):
    typed = new_password()
    browser = Browser(node)
    answer = browser.login(typed, new_password())
    assert answer.status_code == 303 and typed not in answer.headers["Location"]
    # A name of any length comes back to the form.
    answer = browser.login("x" * 20_000, new_password())
    assert browser.follow(answer).alert


@pytest.mark.parametrize("name", ["scope", "state", "prompt", "response_type", "nonce"])
def test_repeated_parameters_are_told_to_the_client(node, app, name):
    sent = authorization(app, new_verifier(), scope="photos:read", nonce="n", prompt="consent")
    browser = Browser(node)
    answer = browser.get(f"/authorize?{urlencode(sent)}&{name}=again")
    location = urlsplit(answer.headers["Location"])
    assert location.netloc == "app.example"
    assert parse_qs(location.query)["error"] == ["invalid_request"]
    # What is empty was not sent, and what nobody knows is nobody's.
    answer = browser.get(f"/authorize?{urlencode(sent)}&{name}=&foo=1&foo=2")
    assert urlsplit(answer.headers["Location"]).path == "/login"


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_who_is_asked_for_must_be_said_once(node, app, name):
    sent = authorization(app, new_verifier())
    answer = Browser(node).get(f"/authorize?{urlencode(sent)}&{name}=again")
    assert answer.status_code == 400 and "Location" not in answer.headers


def end_others(browser, page):
    """Sends the account page's form that ends all other logins."""
    form = next(form for form in page.forms if form.fields.get("action") == "others")
    return browser.request("POST", "/account", data=form.fields)


def test_a_copy_of_the_cookie_makes_no_known_browser(doornail, node):
    """A known browser has guesses of its own, so only a password makes one known."""
    nora = doornail.user("nora")
    browser = Browser(node)
    browser.log_in(nora)
    thief = browser.twin()
    thief.cookies = {name: value for name, value in thief.cookies.items() if "device" not in name}
    answer = end_others(thief, thief.open("/account"))
    assert answer.status_code == 303
    assert not [name for name in thief.cookies if "device" in name]


def test_the_cookie_of_before_ends_nobody(doornail, node, app):
    """While the newest cookie has not been used, the one before it may log out, and no more."""
    nina = doornail.user("nina")
    browser = Browser(node)
    browser.log_in(nina)
    thief = browser.twin()
    page = thief.open("/account")
    browser.log_in(nina)
    answer = end_others(thief, page)
    assert urlsplit(answer.headers["Location"]).path == "/login"
    assert browser.is_logged_in(app)
    assert not thief.is_logged_in(app)


def test_a_request_that_was_overtaken_takes_nothing(doornail, node, app):
    """Two with one cookie end all others: one of them stays, and the other is nobody."""
    nils = doornail.user("nils")
    owner = Browser(node)
    owner.log_in(nils)
    thief = owner.twin()
    page = thief.open("/account")
    answer = end_others(owner, owner.open("/account"))
    assert "done=others" in answer.headers["Location"]
    answer = end_others(thief, page)
    assert "done=" not in answer.headers["Location"]
    assert owner.is_logged_in(app) and not thief.is_logged_in(app)
