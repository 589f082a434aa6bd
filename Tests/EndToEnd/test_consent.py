"""/consent: a person decides what an application may do, once where it can prove itself."""

import re
import zlib
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from browser import Browser, authorization, new_verifier
from support import REDIRECT, Client

LOOPBACK = "http://127.0.0.1/cb"


@pytest.fixture(scope="module")
def bobs(node, bob):
    """A browser in which Bob is logged in."""
    made = Browser(node)
    made.log_in(bob)
    return made


def consent_page(browser, client, **parameters):
    """The page that asks, and the request it is about."""
    verifier = new_verifier()
    sent = authorization(client, verifier, **parameters)
    page = browser.open("/authorize?" + urlencode(sent))
    assert page.is_consent, page.text
    return page, sent, verifier


def named(doornail, name, title):
    """A client with a name for people."""
    made = doornail.cli(
        "client", "create", "--id", name, "--name", title, "--redirect-uri", REDIRECT,
        "--scope", "photos:read", "--grant", "authorization_code",
    )  # fmt: skip
    return Client(name, made["client_secret"])


def test_the_page(doornail, browser, ada):
    """It says who asks, for what, as whom, and where that leads; two buttons."""
    client = named(doornail, "the-page", "Photos of the World")
    page, *_ = consent_page(browser, client, scope="photos:read")
    for words in ("Photos of the World", "photos:read", ada.name, "app.example"):
        assert words in page.text, words
    assert set(page.form.buttons) == {("decision", "allow"), ("decision", "deny")}
    assert set(page.form.types.values()) == {"hidden"} and "form_token" in page.form.fields
    policy = page.answer.headers["Content-Security-Policy"]
    allowed = re.search(r"form-action ([^;]*)", policy).group(1).split()
    assert "'self'" in allowed and any(a.startswith("https://app.example") for a in allowed)


def test_remembered(doornail, browser, bobs, node):
    """Per user, client and scope: less is not asked again, more is."""
    client = doornail.app("remembered")
    read, write = "photos:read", "photos:write"
    assert browser.authorize(client, scope=read).asked == ["consent"]
    assert browser.authorize(client, scope=read).asked == []
    assert browser.authorize(client, scope=read, prompt="none").code
    assert browser.authorize(client, scope=f"{read} {write}", prompt="none").error == (
        "consent_required"
    )
    assert browser.authorize(client, scope=f"{write} {read}").asked == ["consent"]
    assert browser.authorize(client, scope=f"{read} {write}").asked == []
    assert browser.authorize(client, scope=read).asked == [], "and what was given before stays"
    # Another person and another client were not asked yet.
    assert bobs.authorize(client, scope=read).asked == ["consent"]
    other = doornail.app("remembered-too")
    assert browser.authorize(other, scope=read).asked == ["consent"]
    # The application may ask to ask again.
    outcome = browser.authorize(client, scope=read, prompt="consent")
    assert outcome.asked == ["consent"] and outcome.code


def test_offline_access_is_asked_for(doornail, browser):
    client = doornail.app("goes-offline")
    assert browser.authorize(client, scope="photos:read").asked == ["consent"]
    assert browser.authorize(client, scope="photos:read offline_access").asked == ["consent"]


def test_a_client_made_again_was_not_consented_to(doornail, browser):
    client = doornail.app("reborn", scope="photos:read")
    assert browser.authorize(client).asked == ["consent"]
    doornail.cli("client", "delete", client.id)
    again = doornail.app("reborn", scope="photos:read")
    assert browser.authorize(again).asked == ["consent"]


@pytest.mark.parametrize("mode", ["query", "form_post"])
def test_denied(doornail, browser, mode):
    """access_denied, with state and iss; and it is no consent for the next time."""
    client = doornail.app(f"denied-{mode.replace('_', '-')}")
    for _ in range(2):
        outcome = browser.authorize(client, decision="deny", response_mode=mode)
        assert outcome.asked == ["consent"] and outcome.error == "access_denied"
    assert browser.authorize(client).asked == ["consent"]
    outcome = browser.authorize(client, decision="deny", prompt="consent")
    assert outcome.error == "access_denied"


def test_public_clients_always_ask(doornail, node, browser):
    """Nobody proves to be one (RFC 8252 §8.6)."""
    client = doornail.app("public", "--public")
    for _ in range(2):
        outcome = browser.authorize(client)
        assert outcome.asked == ["consent"]
    assert outcome.redeem(node).status_code == 200
    assert browser.authorize(client, prompt="none").error == "consent_required"


def test_first_party(doornail, browser):
    """Not asked about where the redirect URI is https; elsewhere anybody could be at its end."""
    for flags in ((), ("--public",)):
        more = ("--first-party", "--redirect-uri", LOOPBACK, *flags)
        client = doornail.app("first" + "".join(flags), *more)
        assert browser.authorize(client).asked == []
        outcome = browser.authorize(client, redirect_uri="http://127.0.0.1:5000/cb")
        assert outcome.asked == ["consent"]
        assert browser.authorize(client, prompt="none").code
        # It may ask to be asked about, and a no is a no.
        outcome = browser.authorize(client, prompt="consent")
        assert outcome.asked == ["consent"] and outcome.code
        outcome = browser.authorize(client, decision="deny", prompt="consent")
        assert outcome.asked == ["consent"] and outcome.error == "access_denied"
        assert browser.authorize(client).asked == []


@pytest.mark.parametrize("forgery", ["missing", "empty", "garbage", "Bob's", "the login page's"])
def test_form_token(doornail, node, browser, bobs, forgery):
    """A consent that Ada did not give on our page is none."""
    client = doornail.app("forged-" + re.sub("[^a-z]", "", forgery.lower()))
    page, *_ = consent_page(browser, client)
    token = {
        "missing": None,
        "empty": "",
        "garbage": "A" * len(page.form.fields["form_token"]),
        "Bob's": consent_page(bobs, client)[0].form.fields["form_token"],
        "the login page's": Browser(node).open("/login").form.fields["form_token"],
    }[forgery]
    for decision in ("allow", "deny"):
        answer = browser.submit(page, decision=decision, form_token=token)
        location = browser.location(answer)
        assert browser.is_ours(location), "neither a code nor an error leaves"
        assert urlsplit(location).path in ("/consent", "/authorize")
        assert browser.follow(answer).is_consent
    assert browser.authorize(client, prompt="none").error == "consent_required"


def test_cross_site_posts_do_nothing(doornail, node, browser):
    """SameSite keeps the cookie away; then the same form is a stranger's."""
    client = doornail.app("cross-site")
    page, *_ = consent_page(browser, client)
    answer = Browser(node).submit(page, decision="allow")
    assert browser.is_ours(browser.location(answer))
    text = {"Content-Type": "text/plain"}
    fields = urlencode(page.form.fields | {"decision": "allow"})
    answer = browser.request("POST", "/consent", data=fields, headers=text)
    assert answer.status_code in (303, 400, 415)
    assert browser.authorize(client, prompt="none").error == "consent_required"


@pytest.mark.parametrize("decision", [None, "", "maybe", "ALLOW"])
def test_no_decision_is_none(doornail, browser, decision):
    client = doornail.app(f"undecided-{decision}".lower().strip("-") + f"-{len(decision or '')}")
    page, *_ = consent_page(browser, client)
    answer = browser.submit(page, decision=decision)
    assert answer.status_code in (303, 400)
    if answer.status_code == 303:
        assert browser.is_ours(browser.location(answer))
    assert browser.authorize(client, prompt="none").error == "consent_required"


def test_a_hostile_redirect_in_the_form(doornail, browser):
    client = doornail.app("redirected")
    page, *_ = consent_page(browser, client)
    evil = "https://evil.example/cb"
    encoded = urlencode({"u": evil})[2:]
    changed = {
        name: value.replace(urlencode({"u": REDIRECT})[2:], encoded).replace(REDIRECT, evil)
        for name, value in page.form.fields.items()
    }
    for decision in ("allow", "deny"):
        answer = browser.submit(page, decision=decision, redirect_uri=evil, **changed)
        location = answer.headers.get("Location", "")
        assert not location.startswith("https://evil"), location


def test_consent_needs_a_login(doornail, node, browser):
    """The page asks nobody who is not logged in; nor after the session has ended."""
    client = doornail.app("logged-out")
    page, *_ = consent_page(browser, client)
    stranger = Browser(node)
    answer = stranger.get(page.url)
    assert urlsplit(stranger.location(answer)).path in ("/login", "/authorize")
    assert stranger.follow(answer).is_login


def test_a_consent_of_an_ended_session(doornail, node, app, ada):
    """The form was open while the session ended: the answer is a login page."""
    browser = Browser(node, user_agent="ends while asking")
    browser.log_in(ada)
    client = doornail.app("too-late")
    page, *_ = consent_page(browser, client)
    sid = next(s["id"] for s in doornail.sessions(ada) if s["user_agent"] == "ends while asking")
    doornail.cli("revoke", "session", sid)
    answer = browser.submit(page, decision="allow")
    location = browser.location(answer)
    assert browser.is_ours(location) and "code" not in parse_qs(urlsplit(location).query)
    assert browser.follow(answer).is_login
    browser.log_in(ada)
    assert browser.authorize(client, prompt="none").error == "consent_required"


@pytest.mark.parametrize(
    "title",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        '"\u0301 onmouseover=alert(1) x="',
        "'><svg/onload=alert(1)>",
        "{{{client_name}}} {{> page}}",
        "&lt;b&gt;",
        "</title><script>alert(1)</script>",
        "\u202egnp.exe",
    ],
    ids=ascii,
)
def test_hostile_names(doornail, browser, title):
    """A client's name is words, to the letter, wherever it stands."""
    client = named(doornail, f"hostile-{zlib.crc32(title.encode())}", title)
    page, *_ = consent_page(browser, client)
    shown = page.text
    # Marks that turn the reading direction may be left out.
    assert title.replace("\u202e", "") in shown.replace("\u202e", "")
