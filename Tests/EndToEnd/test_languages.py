"""Pages in the person's language: what the app asks for, what the browser prefers, else English."""

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from browser import Browser, Page, authorization, new_verifier
from support import new_password

WRONG = "Benutzername und Passwort passen nicht zusammen. Bitte versuchen Sie es noch einmal."


def german(node, **headers):
    """A browser of somebody who reads German."""
    return Browser(node, **({"Accept-Language": "de-AT,de;q=0.9,en;q=0.8"} | headers))


def english(node):
    return Browser(node, **{"Accept-Language": "en"})


def reads(page, language):
    """A page says in which language it is, and to caches what that depends on."""
    assert f'<html lang="{language}">' in page.html, page.html[:200]
    assert page.answer.headers["Content-Language"] == language
    assert page.answer.headers["Vary"] == "Accept-Language"
    return page


def request(app, **parameters):
    return "/authorize?" + urlencode(authorization(app, new_verifier(), **parameters))


@pytest.fixture(scope="module")
def third_party(doornail):
    """An application that asks for consent."""
    return doornail.app("photos", "--scope", "email photos:read")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("de", "de"),
        ("fr, de-CH;q=0.5", "de"),
        ("de;q=0, en", "en"),
        ("de;q=nonsense", "en"),
        ("x" * 2000, "en"),
        ("<script>alert(1)</script>", "en"),
    ],
)
def test_the_browser_prefers(node, header, language):
    browser = Browser(node, **({"Accept-Language": header} if header else {}))
    page = reads(browser.open("/login"), language)
    assert ("Anmelden" in page.text) == (language == "de")
    assert ("Sign in" in page.text) == (language == "en")


def test_a_login_in_german(node, ada):
    """Each page of it, and the account; no cookie knows the language."""
    browser = german(node)
    page = reads(browser.open("/login"), "de")
    failed = reads(browser.follow(browser.login(ada.name, new_password(), page)), "de")
    assert failed.alert == WRONG
    browser.log_in(ada)
    page = reads(browser.open("/login"), "de")
    assert f"Sie sind als {ada.name} angemeldet." in " ".join(page.text.replace(" .", ".").split())
    page = reads(browser.open("/account"), "de")
    for words in ("Ihr Konto", "Firefox unter Linux", "gerade eben", "Andere Geräte"):
        assert words in page.text, words
    assert "browser" not in {name.partition("-")[2] for name in browser.cookies}
    assert not any(value in ("de", "en") for value in browser.cookies.values())
    page = reads(browser.open("/logout"), "de")
    page = reads(browser.follow(browser.submit(page)), "de")
    assert "Sie sind abgemeldet" in page.text
    assert "In diesem Browser war niemand" in reads(german(node).open("/logout"), "de").text


def test_account_notices_in_german(node, bob):
    browser = german(node)
    browser.log_in(bob)
    page = browser.open("/account")
    fields = {name: page.forms[0].fields[name] for name in ("form_token",)}
    done = browser.request("POST", "/account", data=fields | {"action": "others"})
    assert "Alle anderen Geräte wurden abgemeldet" in reads(browser.follow(done), "de").text
    wrong = fields | {
        "action": "password", "current_password": "x", "new_password": "a" * 9,
        "new_password_again": "b" * 9,
    }  # fmt: skip
    page = browser.open("/account")
    wrong["form_token"] = page.forms[0].fields["form_token"]
    page = reads(browser.follow(browser.request("POST", "/account", data=wrong)), "de")
    assert page.alert == "Die beiden neuen Passwörter sind verschieden. Nichts wurde geändert."


def test_the_app_asks(node, third_party, ada):
    """ui_locales comes before the header, at every page until the answer."""
    browser = english(node)
    page = reads(browser.open(request(third_party, ui_locales="fr de en")), "de")
    page = reads(browser.follow(browser.login(ada.name, new_password(), page)), "de")
    assert page.alert == WRONG
    page = reads(browser.follow(browser.login(ada.name, ada.password, page)), "de")
    assert page.is_consent and "Ihre E-Mail-Adresse sehen" in page.text
    foreign = page.form.fields | {"form_token": "x", "decision": "allow"}
    again = browser.request("POST", "/consent", data=foreign)
    assert reads(browser.follow(again), "de").is_consent
    # Without it, the same browser reads English again.
    assert "This app wants to:" in reads(browser.open(request(third_party)), "en").text


def test_the_app_asks_for_a_form(node, third_party, ada):
    """The page that brings the answer to the app, too; an error by the same way."""
    browser = english(node)
    browser.log_in(ada)
    wanted = {"ui_locales": "de", "response_mode": "form_post"}
    page = browser.open(request(third_party, prompt="consent", **wanted))
    page = reads(Page(browser.submit(page, decision="allow")), "de")
    assert "Wenn nichts geschieht, wählen Sie „Weiter“." in page.text
    page = reads(Page(browser.get(request(third_party, scope="nonsense", **wanted))), "de")
    assert page.form.fields["error"] == "invalid_scope"


@pytest.mark.parametrize(
    ("locales", "language"),
    [("en de", "en"), ("fr", "de"), ("", "de"), ("<script>alert(1)</script>", "de"),
     ("x" * 2000, "de"), ("de\"\u0301", "de")],
)  # fmt: skip
def test_what_the_app_may_ask(node, app, locales, language):
    """What is unknown or nonsense is as if it had not been sent, and shown nowhere."""
    page = reads(german(node).open(request(app, ui_locales=locales)), language)
    assert page.is_login


def test_asked_twice(node, app):
    """Like any other parameter (RFC 6749 §3.1)."""
    answer = german(node).get(request(app) + "&ui_locales=de&ui_locales=en")
    assert answer.status_code == 303 and "error=invalid_request" in answer.headers["Location"]


def test_logout(node, ada):
    """ui_locales stays with a logout to its last page."""
    browser = english(node)
    browser.log_in(ada)
    page = reads(browser.open("/logout?ui_locales=de"), "de")
    assert page.form.fields["ui_locales"] == "de"
    foreign = browser.submit(page, form_token="x")
    assert parse_qs(urlsplit(browser.location(foreign)).query)["ui_locales"] == ["de"]
    page = reads(browser.follow(browser.submit(page)), "de")
    assert "Sie sind abgemeldet" in page.text
    assert "nothing was ended" in reads(browser.open("/logout"), "en").text


def test_errors(node, app):
    """The words are the person's; the code is the protocol's."""
    browser = german(node)
    page = reads(Page(browser.get("/authorize?client_id=nobody")), "de")
    assert page.answer.status_code == 400
    for words in ("Diese App gibt es hier nicht", "Fehler", "invalid_request", "Anfrage"):
        assert words in page.text, words
    page = reads(Page(browser.get(request(app, redirect_uri="https://evil.example/"))), "de")
    assert "keine Adresse, die für die App registriert ist" in page.text
    page = reads(Page(browser.get("/authorize")), "de")
    assert "Der Parameter client_id fehlt." in page.text.replace(" .", ".")
    page = reads(Page(browser.get("/login?continue=%25")), "de")
    assert "Der Link ist beschädigt." in page.text
    twice = "/login?x%3Cscript%3E=1&x%3Cscript%3E=2"
    page = reads(Page(browser.get(twice)), "de")
    assert "x<script>" in page.text and "kommt mehrmals vor" in page.text
    page = reads(Page(browser.request("POST", "/login", data=b"{}")), "de")
    assert page.answer.status_code == 415 and "kein Formular" in page.text
    # The app asks, where its request can be read so far.
    wrong = request(app, redirect_uri="https://evil.example/", ui_locales="de")
    assert "registriert" in reads(Page(english(node).get(wrong)), "de").text


def test_throttled(node, doornail, app):
    """Also after a POST, whose language only its form knows."""
    eve = doornail.user("eve")
    browser = english(node)
    # A browser that the account knows has a counter of its own, and no other test minds it.
    browser.log_in(eve)
    page = browser.open(request(app, ui_locales="de", prompt="login"))
    keys = "SELECT key FROM throttles"
    before = set(doornail.sql(keys))
    assert browser.login(eve.name, new_password(), page).status_code == 303
    ((key,),) = set(doornail.sql(keys)) - before
    doornail.sql("UPDATE throttles SET failures = 20 WHERE key = %s", key)
    answer = browser.login(eve.name, new_password(), page)
    assert answer.status_code == 429
    page = reads(Page(answer), "de")
    assert "Zu viele Versuche" in page.text
    assert "In 15 Minuten können Sie es noch einmal versuchen." in page.alert
    assert "too_many_requests" in page.text


def test_not_found(node):
    """A page for browsers alone; programs get JSON."""
    page = reads(Page(german(node).get("/nothing")), "de")
    assert page.answer.status_code == 404 and "Diese Seite gibt es nicht" in page.text
    assert "not_found" in page.text
    for accept in ("*/*", "application/json", "application/json, text/html"):
        answer = requests.get(node.root + "/nothing", headers={"Accept": accept}, timeout=5)
        assert answer.status_code == 404 and answer.json()["error"] == "not_found"


def test_json_stays_english(node, api):
    """What programs read has one language."""
    headers = {"Accept-Language": "de"}
    answer = requests.post(node.root + "/token", data={"a": ["1", "2"]}, headers=headers, timeout=5)
    assert "repeated" in answer.json()["error_description"]
    assert "Content-Language" not in answer.headers


def test_discovery(node):
    for name in ("openid-configuration", "oauth-authorization-server"):
        document = requests.get(f"{node.root}/.well-known/{name}", timeout=5).json()
        assert document["ui_locales_supported"] == ["en", "de"]
