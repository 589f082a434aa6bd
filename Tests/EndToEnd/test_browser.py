"""A person with Chromium: whole dances, devices, phones, the dark, keys alone, no scripts, axe."""

import os
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from browser import Browser
from chromium import DARK, LIGHT, PHONE, SMALL_PHONE, WIDE, App, Device, Request, until, watched
from postgres import free_port
from support import Client
from test_tls import make_pair, wait_until_ready

SCOPES = "photos:read photos:write offline_access"
WRONG = "That user name and that password do not belong together. Try again."
# docs/pages.md says how its screenshots are made.
SCREENSHOTS = os.environ.get("DOORNAIL_SCREENSHOTS")


@pytest.fixture(scope="module")
def app():
    """The application's web server."""
    made = App()
    yield made
    made.close()


@pytest.fixture(scope="module")
def client(doornail):
    """The application as it is registered: on the loopback, at whatever port it listens."""
    made = doornail.cli(
        "client", "create", "--id", "photos", "--name", "Photos of the World", "--scope", SCOPES,
        "--grant", "authorization_code,refresh_token", "--redirect-uri", "http://127.0.0.1/cb",
        "--post-logout-redirect-uri", "http://127.0.0.1/cb",
    )  # fmt: skip
    return Client(made["client_id"], made["client_secret"])


def device(name, **options):
    """A fixture: a device that is started once, and as new for every test."""

    @pytest.fixture(scope="module", name=f"{name}_profile")
    def started(tmp_path_factory):
        made = Device(tmp_path_factory.mktemp(name), **options)
        yield made
        made.close()

    @pytest.fixture(name=name)
    def fresh(request):
        with watched(request.getfixturevalue(f"{name}_profile")) as made:
            yield made

    return started, fresh


laptop_profile, laptop = device("laptop")
telephone_profile, telephone = device("telephone")
plain_profile, plain = device("plain", scripts=False)


@pytest.fixture
def asks(node, app, client):
    """Makes authorization requests."""
    return lambda **changes: Request(node, app, client, **({"scope": SCOPES} | changes))


def test_the_checks_see(app, laptop):
    """What the other tests rely on: a policy that blocks the redirect after a form is reported,
    scripts run here, and axe finds what is wrong."""
    policy = {"Content_Security_Policy": "default-src 'none'; form-action 'self'"}
    app.page("/away", "", Location="http://127.0.0.1:9/cb")
    app.page("/stay", "<h1>Here</h1>")
    page = (
        "<h1>Bad</h1><img src=/x><p style='color: #aaa'>faint</p>"
        "<form action=/away><button>Away</button></form><form action=/stay><button>Stay</button>"
    )
    laptop.open(app.page("/bad", page, **policy), "Bad")
    assert len(laptop.accessibility_problems()) >= 2
    laptop.press("Away")
    until(lambda: any("form-action" in said for said in laptop.violations()), "nothing said")
    laptop.reads("Bad").press("Stay")
    laptop.reads("Here")
    assert not laptop.violations()
    assert laptop.open(app.callback, "Back at the app").words.endswith("with scripts")


@pytest.mark.parametrize("which", ["laptop", "plain"])
def test_the_dance(request, asks, node, ada, which):
    """Login, consent, and back at the app with a code that is worth tokens: the policies of our
    pages let the forms lead there through redirects, with JavaScript and without."""
    device, asked = request.getfixturevalue(which), asks(prompt="consent")
    device.open(asked.url, "Sign in")
    assert "Photos of the World" in device.words
    device.sign_in(ada)
    device.reads("Allow Photos of the World?")
    for words in (ada.name, "photos:read", "127.0.0.1"):
        assert words in device.words, words
    device.press("Allow")
    device.reads("Back at the app")
    assert device.words.endswith("with scripts" if which == "laptop" else "without scripts")
    assert asked.tokens().refresh
    # The app comes again: both answers are remembered, and nobody is asked.
    again = asks()
    device.open(again.url, "Back at the app")
    assert again.tokens().scope == SCOPES


@pytest.mark.parametrize("which", ["laptop", "plain"])
def test_form_post(request, asks, ada, which):
    """The page that brings the answer sends itself; without JavaScript its button does."""
    device = request.getfixturevalue(which)
    asked = asks(response_mode="form_post", prompt="consent")
    device.open(asked.url)
    device.sign_in(ada)
    device.reads("Allow")
    device.press("Allow")
    if which == "plain":
        device.reads("Continue")
        device.press("Continue")
    device.reads("Back at the app")
    assert asked.tokens("POST").access


@pytest.mark.parametrize("mode, method", [("query", "GET"), ("form_post", "POST")])
def test_deny(asks, laptop, ada, mode, method):
    """The app is told, and the person is back there all the same."""
    asked = asks(response_mode=mode, prompt="consent")
    laptop.open(asked.url)
    laptop.sign_in(ada)
    laptop.reads("Allow")
    laptop.press("Deny")
    laptop.reads("Back at the app")
    assert asked.answer(method)["error"] == "access_denied"


def test_wrong_password(asks, node, laptop, ada):
    """It is said in words, the request goes on, and what was typed is in no URL."""
    asked = asks(prompt="consent")
    laptop.open(asked.url)
    laptop.sign_in(ada, password="not hers")
    until(lambda: laptop.alert() == WRONG, "nothing said")
    assert "not hers" not in laptop.url and f"={ada.name}" not in laptop.url
    assert "Photos of the World" in laptop.words
    laptop.sign_in(ada)
    laptop.reads("Allow")
    laptop.press("Allow")
    laptop.reads("Back at the app")
    assert asked.tokens().access


def test_two_tabs(asks, node, laptop, ada):
    """Two login pages at once: both lead where each of them was asked for. A form from before a
    login is foreign afterwards, so the second tab asks once more, and forgets nothing."""
    first, second = asks(prompt="consent"), asks(prompt="consent")
    laptop.open(first.url, "Sign in")
    tabs = [laptop.driver.current_window_handle]
    laptop.driver.switch_to.new_window("tab")
    tabs.append(laptop.driver.current_window_handle)
    laptop.open(second.url, "Sign in")
    for asked, tab in zip((first, second), tabs, strict=True):
        laptop.driver.switch_to.window(tab)
        laptop.sign_in(ada)
        if asked is second:
            until(lambda: is_empty(laptop.find("#username")), "no new page")
            laptop.sign_in(ada)
        laptop.reads("Allow")
        laptop.press("Allow")
        laptop.reads("Back at the app")
        assert asked.tokens().access


def is_empty(fields):
    """Whether a field is there and holds nothing; between two pages it is not there."""
    return bool(fields) and not fields[0].get_property("value")


def log_in(device, node, person):
    device.open(f"{node.url}/login")
    device.sign_in(person)
    device.reads("You are signed in")


def log_out(device, node):
    device.open(f"{node.url}/logout", "Log out of this browser?")
    device.press("Log out")
    device.reads("You are logged out")


def test_two_devices(asks, node, doornail, api, laptop, telephone, ada):
    """Logged out here, still logged in there: as the pages say, and as tokens do."""
    tokens = {}
    for device in (laptop, telephone):
        log_in(device, node, ada)
        asked = asks(scope="photos:read", prompt="consent")
        device.open(asked.url, "Allow")
        device.press("Allow")
        device.reads("Back at the app")
        tokens[device] = asked.tokens().access
    before = {session["id"] for session in doornail.sessions(ada)}
    log_out(laptop, node)
    assert len(before - {session["id"] for session in doornail.sessions(ada)}) == 1
    laptop.open(f"{node.url}/login", "Sign in")
    telephone.open(f"{node.url}/login", "You are signed in")
    assert ada.name in telephone.words
    assert not node.is_active(api, tokens[laptop]) and node.is_active(api, tokens[telephone])


def test_back_after_logout(node, laptop, ada):
    """The back button shows no page of the time before: none was kept."""
    log_in(laptop, node, ada)
    laptop.press("Log out")
    laptop.reads("Log out of this browser?").press("Log out")
    laptop.reads("You are logged out")
    for heading in ("This browser was not logged in", "Sign in"):
        laptop.driver.back()
        until(lambda h=heading: h in laptop.heading, lambda: laptop.words, seconds=3)
        assert ada.name not in laptop.words


def test_account(node, laptop, telephone, ada):
    """A person ends the other device's login on this one, then all; both see it at once."""
    for device in (laptop, telephone):
        log_in(device, node, ada)
        device.open(f"{node.url}/account", "Your account")
    laptop.press("Log out all other devices")
    until(lambda: laptop.find("[role=status]"), "nothing said")
    assert "You are logged in nowhere else." in laptop.words
    telephone.open(f"{node.url}/account", "Sign in")
    log_in(telephone, node, ada)
    telephone.open(f"{node.url}/account", "Your account")
    telephone.press("Log out this device")
    until(lambda: telephone.find("[role=status]"), "nothing said")
    laptop.open(f"{node.url}/account", "Sign in")
    telephone.press("Log out everywhere")
    until(lambda: "Your account" not in telephone.heading, "nothing said")
    telephone.open(f"{node.url}/account", "Sign in")


def test_logout_leads_back(node, app, client, laptop, ada):
    """An app's logout asks, ends the login, and leads back to the app through the policy."""
    log_in(laptop, node, ada)
    wanted = {"client_id": client.id, "post_logout_redirect_uri": app.callback, "state": "bye"}
    laptop.open(f"{node.url}/logout?{urlencode(wanted)}", "Log out of this browser?")
    assert "Photos of the World asks to log you out" in laptop.words
    laptop.press("Log out")
    laptop.reads("Back at the app")
    assert dict(parse_qsl(urlsplit(laptop.url).query)) == {"state": "bye"}
    laptop.open(f"{node.url}/login", "Sign in")


def test_cookies(node, laptop, ada):
    """As Chromium understood them: no script and no other site's form sends or reads them."""
    log_in(laptop, node, ada)
    cookies = laptop.cookies(node.url)
    assert "doornail-session" in cookies and len(cookies) >= 2
    for cookie in cookies.values():
        assert cookie["httpOnly"] and cookie["sameSite"] == "Lax" and cookie["path"] == "/", cookie
        assert cookie["domain"] == "127.0.0.1"
    assert laptop.driver.execute_script("return document.cookie") == ""


def test_from_another_site(asks, app, node, laptop, ada):
    """A link of another site finds the login; a form of its own ends nothing, logs nobody in."""
    link = asks(prompt="consent").url.replace("&", "&amp;")
    log_in(laptop, node, ada)
    laptop.open(app.page("/link", f'<h1>Elsewhere</h1><a href="{link}">Photos</a>'), "Elsewhere")
    laptop.press("Photos")
    laptop.reads("Allow Photos of the World?")
    laptop.open(app.form("/out", f"{node.url}/logout", {"form_token": "x"}))
    until(lambda: laptop.url.startswith(node.url), "the form was not sent")
    laptop.open(f"{node.url}/login", "You are signed in")
    mallory = {"username": ada.name, "password": ada.password, "form_token": "x"}
    laptop.cdp("Network.clearBrowserCookies")
    laptop.open(app.form("/in", f"{node.url}/login", mallory))
    until(lambda: laptop.url.startswith(node.url), "the form was not sent")
    laptop.open(f"{node.url}/login", "Sign in")


@pytest.mark.parametrize("path", ["/login", "/logout", "/authorize"])
def test_framed(app, node, laptop, path):
    """No site shows our pages in a frame, to have people press what they do not see."""
    frame = f'<h1>A site</h1><iframe src="{node.url}{path}"></iframe>'
    for root in (app.foreign_root, app.root):
        app.page("/frame", frame)
        laptop.open(f"{root}/frame", "A site")
        said = until(lambda: [w for w in laptop.violations() if "frame-ancestors" in w], "silence")
        assert node.url in said[0]
        laptop.driver.switch_to.frame(laptop.driver.find_element(By.TAG_NAME, "iframe"))
        assert not laptop.find("form, input, button, main")
        laptop.driver.switch_to.default_content()


def test_keys_alone(asks, laptop, ada):
    """Tab, Enter and Space suffice, in the order of the page, and the focus is always seen."""
    asked = asks(prompt="consent")
    laptop.open(asked.url, "Sign in")
    assert laptop.focus() == "username"
    laptop.type(ada.name, Keys.TAB)
    assert laptop.focus() == "password"
    laptop.type("wrong", Keys.TAB)
    assert laptop.focus() == "Sign in"
    laptop.type(Keys.SPACE)
    until(lambda: laptop.alert() == WRONG, "nothing said")
    assert laptop.focus() == "username"
    laptop.type(ada.name, Keys.TAB, ada.password, Keys.ENTER)
    laptop.reads("Allow")
    order = []
    for _ in range(3):
        laptop.type(Keys.TAB)
        order.append(laptop.focus())
    assert order == ["Not you? Use another account", "Allow", "Deny"]
    laptop.type_back()
    assert laptop.focus() == "Allow"
    laptop.type(Keys.ENTER)
    laptop.reads("Back at the app")
    assert asked.tokens().access


def test_keys_alone_end_a_login(doornail, node, laptop, telephone):
    """A person tabs to the button of another device, and ends its login."""
    person = doornail.user("keys")
    for device in (laptop, telephone):
        log_in(device, node, person)
    laptop.open(f"{node.url}/account", "Your account")
    order = []
    while "Log out this device" not in order:
        laptop.type(Keys.TAB)
        order.append(laptop.focus())
        assert len(order) < 20, order
    assert order.index("Log out here") < order.index("Log out this device")
    laptop.type(Keys.ENTER)
    until(lambda: laptop.find("[role=status]"), "nothing said")
    assert "You are logged in nowhere else." in laptop.words
    telephone.open(f"{node.url}/account", "Sign in")


def test_https(doornail, app, client, laptop, ada):
    """Over TLS: __Host- cookies are taken, and the way back to the loopback is not blocked."""
    folder = doornail.folder / "tls"
    folder.mkdir()
    make_pair(folder, "localhost")
    port = free_port()
    node = doornail.node(
        ready=False,
        DOORNAIL_ISSUER=f"https://127.0.0.1:{port}",
        DOORNAIL_LISTEN=f"127.0.0.1:{port}",
        DOORNAIL_TLS_CERTIFICATE=str(folder / "certificate.pem"),
        DOORNAIL_TLS_KEY=str(folder / "key.pem"),
    )
    node.url = node.environment["DOORNAIL_ISSUER"]
    wait_until_ready(node)
    asked = Request(node, app, client, scope=SCOPES, prompt="consent")
    laptop.open(asked.url)
    laptop.sign_in(ada)
    laptop.reads("Allow")
    laptop.press("Allow")
    laptop.reads("Back at the app")
    assert asked.answer()["code"]
    cookies = laptop.cookies(node.url)
    mine = {name: cookie for name, cookie in cookies.items() if name.startswith("__Host-doornail")}
    assert "__Host-doornail-session" in mine
    assert all(cookie["secure"] and cookie["httpOnly"] for cookie in mine.values())


# Every page, from nothing: each is a function that leads a device there.


class Scene:
    """What the pages below need."""

    def __init__(self, node, asks, app, ada, device):
        self.node, self.asks, self.app, self.ada, self.device = node, asks, app, ada, device

    def login(self):
        self.device.open(self.asks().url, "Sign in")

    def login_failed(self):
        self.login()
        self.device.sign_in(self.ada, password="wrong")
        until(lambda: self.device.alert() == WRONG, "nothing said")

    def consent(self):
        self.device.open(self.asks(prompt="consent").url)
        self.device.sign_in(self.ada)
        self.device.reads("Allow")

    def form_post(self):
        asked = self.asks(response_mode="form_post", prompt="consent")
        self.device.open(asked.url)
        self.device.sign_in(self.ada)
        self.device.reads("Allow")
        # Else the page would be gone at once.
        self.device.cdp("Emulation.setScriptExecutionDisabled", value=True)
        self.device.press("Allow")
        self.device.reads("Continue")
        self.device.cdp("Emulation.setScriptExecutionDisabled", value=False)

    def signed_in(self):
        log_in(self.device, self.node, self.ada)

    def logout(self):
        self.signed_in()
        self.device.open(f"{self.node.url}/logout", "Log out of this browser?")

    def logged_out(self):
        self.logout()
        self.device.press("Log out")
        self.device.reads("You are logged out")

    def not_logged_in(self):
        self.device.open(f"{self.node.url}/logout", "This browser was not logged in")

    def error(self):
        self.device.open(f"{self.node.url}/authorize?client_id=nobody")

    def account(self):
        there = Browser(self.node)
        there.log_in(self.ada)
        wanted = {"redirect_uri": self.app.callback, "scope": SCOPES}
        assert there.authorize(self.asks().client, **wanted).redeem(self.node).ok
        self.signed_in()
        self.device.open(f"{self.node.url}/account", "Your account")


PAGES = [
    "login", "login_failed", "consent", "form_post", "signed_in", "logout", "logged_out",
    "not_logged_in", "error", "account",
]  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_every_page(node, asks, app, ada, bob, laptop, page):
    """Light and dark, wide and on phones: axe finds nothing, nothing scrolls sideways, buttons
    can be hit with a finger."""
    # Of Bob there are no more devices than those of this test.
    getattr(Scene(node, asks, app, bob if page == "account" else ada, laptop), page)()
    problems = []
    for scheme in (LIGHT, DARK):
        for width in (WIDE, PHONE, SMALL_PHONE):
            laptop.look(width, scheme)
            found = laptop.layout_problems(width)
            if width != SMALL_PHONE:
                found += laptop.accessibility_problems()
            if SCREENSHOTS and width == PHONE:
                name = f"{page.replace('_', '-')}-{scheme}.png"
                laptop.screenshot(Path(SCREENSHOTS) / name)
            problems += [f"{scheme}, {width} px: {problem}" for problem in found]
    assert not problems, "\n".join(problems)
