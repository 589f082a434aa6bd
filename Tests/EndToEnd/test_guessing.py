"""Guessing passwords: counted per name and per address, by all nodes, and no weapon against owners.

DESIGN.md: 20 wrong in 15 minutes per account name, existing or not; 50 in 5 minutes per address.
"""

from itertools import count

import pytest

from browser import Browser
from support import ISSUER, in_parallel, new_password

# How long a password takes matters here (conftest.py).
SLOW_PASSWORDS = True

ACCOUNT, ADDRESS = 20, 50
FRESH = count(1)


@pytest.fixture(scope="module")
def pair(doornail):
    """Two nodes of one name behind a proxy that they believe."""
    return [
        doornail.node(DOORNAIL_ISSUER=ISSUER, DOORNAIL_TRUSTED_PROXIES="127.0.0.1")
        for _ in range(2)
    ]


@pytest.fixture(scope="module")
def bare(doornail):
    """A node of the same name that believes nobody about addresses."""
    return doornail.node(DOORNAIL_ISSUER=ISSUER)


def new_address():
    """An address that was never seen (RFC 2544)."""
    number = next(FRESH)
    return f"198.18.{number >> 8}.{number & 255}"


def stranger(node, address=None):
    """A browser that was never here, at an address of its own."""
    return Browser(node, **{"X-Forwarded-For": address or new_address()})


def assert_throttled(answer, browser, seconds):
    """429, in words, with the time after which to try again; and no cookie."""
    assert answer.status_code == 429, f"{answer.status_code} {answer.text[:500]}"
    assert 1 <= int(answer.headers["Retry-After"]) <= seconds
    page = browser.follow(answer)
    assert page.text and browser.session is None


def test_owner_and_strangers(doornail, pair, ada, bob):
    """Twenty wrong passwords stop strangers at every node; not the owner, not other accounts."""
    owner = stranger(pair[0])
    owner.log_in(ada)
    owner.forget_session()
    assert owner.cookies, "a device cookie is left"

    def guess(index):
        browser = stranger(pair[index % 2])
        return browser.login(ada.name, new_password()).status_code

    statuses = in_parallel(4, lambda lane: [guess(5 * lane + n) for n in range(ACCOUNT // 4)])
    assert {status for lane in statuses for status in lane} == {303}

    # Also the right password does not help a stranger, at any node.
    for node in pair:
        for password in (new_password(), ada.password):
            browser = stranger(node)
            assert_throttled(browser.login(ada.name, password), browser, 900)
    browser = stranger(pair[0])
    browser.log_in(bob)

    # A restart forgets nothing.
    pair[1].stop()
    pair[1].start()
    browser = stranger(pair[1])
    assert_throttled(browser.login(ada.name, ada.password), browser, 900)

    # Who logged in here once still can, at both nodes; that opens the door to nobody else.
    for node in pair:
        owner.via(node).log_in(ada)
        owner.forget_session()
    browser = stranger(pair[0])
    assert_throttled(browser.login(ada.name, ada.password), browser, 900)

    # The device cookie is one account's, and cannot be forged.
    device = stranger(pair[0])
    device.log_in(bob)
    device.forget_session()
    assert_throttled(device.login(ada.name, ada.password), device, 900)
    forged = stranger(pair[0])
    forged.cookies = {
        name: value[:-4] + ("AAAA" if value[-4:] != "AAAA" else "BBBB")
        for name, value in owner.cookies.items()
    }
    assert_throttled(forged.login(ada.name, ada.password), forged, 900)

    # And it has a limit of its own: a stolen one is not good for guessing on.
    def steal(_):
        thief = owner.twin()
        thief.headers["X-Forwarded-For"] = new_address()
        return thief.login(ada.name, new_password()).status_code

    statuses = in_parallel(3, lambda lane: [steal(lane) for _ in range(8)])
    statuses = [status for lane in statuses for status in lane]
    assert statuses.count(303) == ACCOUNT and statuses.count(429) == 4


def test_addresses(pair, bare, ada, bob):
    """Fifty from one address, whatever names it tries and whatever a header says it is."""

    def guess(index):
        # What a stranger says about his address is not believed.
        browser = stranger(bare)
        name = "nobody-here" if index < ACCOUNT else f"nobody-{index}"
        return browser.login(name, new_password()).status_code

    lanes = in_parallel(2, lambda lane: [guess(index) for index in range(lane, ADDRESS, 2)])
    assert {status for lane in lanes for status in lane} == {303}
    for name in ("another", bob.name):
        browser = stranger(bare)
        assert_throttled(browser.login(name, new_password()), browser, 300)
    # From elsewhere the account is open; a name that does not exist is throttled like any other.
    browser = stranger(pair[0])
    browser.log_in(bob)
    browser = stranger(pair[1])
    assert_throttled(browser.login("nobody-here", new_password()), browser, 900)
    # The proxy's word counts at the node that trusts it: 127.0.0.1 is the address that is full.
    browser = stranger(pair[0], "127.0.0.1")
    assert_throttled(browser.login("yet-another", new_password()), browser, 300)


def test_right_passwords_are_not_counted(doornail, pair, bob):
    """An attempt is counted first and taken back when it was right."""
    statement = "SELECT coalesce(sum(failures), 0) FROM throttles"
    before = doornail.sql(statement)
    for node in pair * 2:
        stranger(node).log_in(bob)
    assert doornail.sql(statement) == before


def test_names_and_passwords_are_not_kept(doornail):
    """The counters know digests alone."""
    keys = [bytes(key) for (key,) in doornail.sql("SELECT key FROM throttles")]
    assert keys and all(len(key) >= 16 for key in keys)
    assert not any(b"ada" in key or b"nobody" in key or b"127.0" in key for key in keys)
