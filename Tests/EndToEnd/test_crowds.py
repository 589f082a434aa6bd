"""Many passwords at once: who asks for many waits for himself, and only what was wrong is counted."""

import socket
import threading
import time
from contextlib import contextmanager
from itertools import count
from urllib.parse import urlencode, urlsplit

import pytest

from browser import Browser
from support import ISSUER, in_parallel, new_password

# How long a password takes matters here (conftest.py).
SLOW_PASSWORDS = True

FRESH = count(1)
COUNTED = "SELECT coalesce(sum(failures), 0) FROM throttles WHERE window_ends_at > now()"
# What a login is answered with: a place in the browser, or that there was none to examine it.
ANSWERS = {303, 429, 503}


@pytest.fixture(scope="module")
def node(doornail):
    """A node behind a proxy that it believes."""
    return doornail.node(DOORNAIL_ISSUER=ISSUER, DOORNAIL_TRUSTED_PROXIES="127.0.0.1")


def new_address():
    """An address that was never seen (RFC 2544)."""
    number = next(FRESH)
    return f"198.19.{number >> 8}.{number & 255}"


def stranger(node, address=None):
    """A browser that was never here, at an address of its own."""
    return Browser(node, **{"X-Forwarded-For": address or new_address()})


@contextmanager
def hammer(attempt, threads=40):
    """Does something over and over, many times at once; yields the statuses that came of it."""
    statuses, over = [], threading.Event()

    def strike(index):
        while not over.is_set():
            status = attempt(index)
            statuses.append(status)
            if status != 303:
                time.sleep(0.2)

    strikers = [threading.Thread(target=strike, args=(index,)) for index in range(threads)]
    for striker in strikers:
        striker.start()
    try:
        deadline = time.monotonic() + 20
        while len(statuses) < threads // 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        yield statuses
    finally:
        over.set()
        for striker in strikers:
            striker.join()
    assert set(statuses) <= ANSWERS, set(statuses)


def attempts(node, people, address=None, password=None, known=()):
    """Attempts of browsers that forget whatever comes of them: from one address or each from
    another one, for one account or in turns for several, and with the cookies of known browsers."""
    opened = {}

    def attempt(index):
        if index not in opened:
            browser = stranger(node, address)
            browser.cookies |= known[index % len(known)].cookies if known else {}
            opened[index] = (browser, browser.open("/login?prompt=login"), dict(browser.cookies))
        browser, page, cookies = opened[index]
        browser.cookies = dict(cookies)
        browser.headers["X-Forwarded-For"] = address or new_address()
        person = people[index % len(people)]
        word = password(index) if password else person.password
        return browser.login(person.name, word, page).status_code

    return attempt


def gets_in(browser, person):
    """Logs in, as people do: on a machine that is busy, who is told to come again comes again."""
    for _ in range(5):
        answer = browser.login(person.name, person.password)
        if answer.status_code != 503:
            break
        time.sleep(1)
    assert answer.status_code == 303, f"{answer.status_code} {answer.text}"
    assert browser.session, browser.follow(answer).text


def gets_in_first(browser, person, statuses):
    """Logs in again and again, and few of those who wait are examined before: not all of them."""
    others = 0
    for _ in range(8):
        before = statuses.count(303)
        gets_in(browser, person)
        others += statuses.count(303) - before
    assert others < 8 * 12, others


@pytest.mark.parametrize("kind", ["unknown", "known"])
def test_one_account_stops_nobody(doornail, node, bob, kind):
    """Right passwords over and over, for one account from one address: others log in at once."""
    person, address = doornail.user(f"hammer-{kind}"), new_address()
    known = [stranger(node, address) for _ in range(10 if kind == "known" else 0)]
    for browser in known:
        gets_in(browser, person)
        browser.forget_session()
    before = doornail.sql(COUNTED)
    with hammer(attempts(node, [person], address, known=known)) as statuses:
        for _ in range(8):
            gets_in(stranger(node), bob)
        assert 429 in statuses
    # None of it was wrong, so nothing of it counts: neither the account nor the address is locked.
    assert doornail.sql(COUNTED) <= before
    gets_in(stranger(node, address), bob)
    doornail.cli("revoke", "user", person.name)
    gets_in(stranger(node, address), person)


@pytest.mark.parametrize("passwords", ["right", "both"])
def test_a_known_browser_gets_in(doornail, node, passwords):
    """Strangers at many addresses try the account, with its password too: the owner's browser waits
    for none of them."""
    person = doornail.user(f"owner-{passwords}")
    owner = stranger(node)
    gets_in(owner, person)

    def password(index):
        return person.password if passwords == "right" or index % 2 else new_password()

    with hammer(attempts(node, [person], password=password)) as statuses:
        gets_in_first(owner, person, statuses)


def test_strangers_at_many_accounts(doornail, node):
    """Strangers at many addresses and accounts fill their places, and not those of browsers that an
    account knows."""
    people = [doornail.user(f"one-of-many-{index}") for index in range(8)]
    owner = stranger(node)
    gets_in(owner, people[0])
    with hammer(attempts(node, people)) as statuses:
        gets_in_first(owner, people[0], statuses)
        assert 503 in statuses


def test_the_page_says_so(node, doornail):
    """Who was not examined is told that, in words, and that it does not count."""
    person, address = doornail.user("crowd"), new_address()
    browsers = [stranger(node, address) for _ in range(12)]
    pages = [browser.open("/login") for browser in browsers]
    answers = in_parallel(
        12, lambda index: browsers[index].login(person.name, person.password, pages[index])
    )
    refused = [
        (browser, answer)
        for browser, answer in zip(browsers, answers, strict=True)
        if answer.status_code == 429
    ]
    assert refused, [answer.status_code for answer in answers]
    for browser, answer in refused:
        assert answer.headers["Retry-After"] == "1"
        page = browser.follow(answer)
        assert "was not checked" in page.alert and "does not count" in page.alert
        assert "failed logins" not in page.alert and browser.session is None


def test_who_goes_away_leaves_nothing(doornail, node):
    """Connections that close while a right password is examined: nothing stays counted."""
    person, address = doornail.user("gone"), new_address()
    before = doornail.sql(COUNTED)
    for _ in range(10):
        browser = stranger(node, address)
        form = browser.open("/login").form
        body = urlencode(form.fields | {"username": person.name, "password": person.password})
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        with socket.create_connection(("127.0.0.1", node.port)) as connection:
            connection.sendall(
                f"POST /login HTTP/1.1\r\nHost: {urlsplit(ISSUER).netloc}\r\nCookie: {cookies}\r\n"
                f"X-Forwarded-For: {address}\r\nContent-Length: {len(body)}\r\n"
                f"Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}".encode()
            )
    deadline = time.monotonic() + 20
    while doornail.sql(COUNTED) != before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert doornail.sql(COUNTED) == before
    gets_in(stranger(node, address), person)


def test_password_changes_at_once(doornail, node):
    """At /account, too: of many changes at once one is made, and none that was not wrong counts."""
    person = doornail.user("changing")
    browser = stranger(node)
    gets_in(browser, person)
    page = browser.open("/account")
    form = next(form for form in page.forms if form.fields.get("action") == "password")
    new = new_password()
    fields = form.fields | {
        "current_password": person.password,
        "new_password": new,
        "new_password_again": new,
    }
    before = doornail.sql(COUNTED)
    copies = [browser.twin() for _ in range(12)]
    answers = in_parallel(12, lambda i: copies[i].request("POST", "/account", data=fields))
    assert {answer.status_code for answer in answers} <= ANSWERS
    # Those that were examined after the change had a password that was wrong by then.
    wrong = sum("wrong" in answer.headers.get("Location", "") for answer in answers)
    assert doornail.sql(COUNTED)[0][0] - before[0][0] == wrong
    # On a machine that is busy, all of them may have come too late.
    if any("done=password" in answer.headers.get("Location", "") for answer in answers):
        person.password = new
    gets_in(stranger(node), person)
