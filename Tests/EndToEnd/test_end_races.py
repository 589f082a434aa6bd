"""Ends in a race with what they end: after both have returned, nothing lives that came before.

Some races are run freely, many times over; in others a lock holds one side exactly between what it
read and what it writes, and the other side passes in between.
"""

import contextlib
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest

from browser import (
    Browser,
    Outcome,
    Tokens,
    alive,
    ask,
    authorization,
    new_verifier,
    refresh,
)
from support import REDIRECT

OFFLINE = "photos:read offline_access"


def wait_for_more(made, count, running):
    """Waits until a list that others fill has more than so many."""
    deadline = time.monotonic() + 20
    while len(made) <= count and not running.done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(scope="module")
def node(pair):
    return pair[0]


@pytest.fixture
def client(doornail):
    """A client of the test's own."""
    return doornail.app(f"c{uuid.uuid4().hex[:12]}", "--first-party")


@pytest.fixture
def here(pair, ada):
    """A login of the test's own."""
    browser = Browser(pair[0], user_agent=uuid.uuid4().hex)
    browser.log_in(ada)
    return browser


def url_of(client, **parameters):
    return "/authorize?" + urlencode(authorization(client, new_verifier(), **parameters))


def sid_of(doornail, person, browser):
    agent = browser.headers["User-Agent"]
    return next(s["id"] for s in doornail.sessions(person) if s["user_agent"] == agent)


def disable_and_enable(doornail, kind, name):
    doornail.cli(kind, "disable", name)
    doornail.cli(kind, "enable", name)


ENDS = {
    "session": lambda d, person, client, sid: d.cli("revoke", "session", sid),
    "user": lambda d, person, client, sid: d.cli("revoke", "user", person.name),
    "password": lambda d, person, client, sid: d.set_password(person),
    "user disabled": lambda d, person, client, sid: disable_and_enable(d, "user", person.name),
    "client": lambda d, person, client, sid: d.cli("revoke", "client", client.id),
    "client disabled": lambda d, person, client, sid: disable_and_enable(d, "client", client.id),
}


@contextlib.contextmanager
def no_writing(doornail, table):
    """Holds everybody who is about to write to a table; all else goes on.

    A lock of the table would also hold new connections, which prepare their statements.
    """
    doornail.sql(
        """
        CREATE OR REPLACE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM pg_advisory_xact_lock_shared(7, TG_RELID::integer);
            RETURN NULL;
        END
        $$
        """
    )
    doornail.sql(
        f"CREATE OR REPLACE TRIGGER hold BEFORE INSERT OR UPDATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION hold()"
    )
    with doornail.cluster.connect(doornail.database, autocommit=False) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(7, %s::regclass::integer)", [table])
        try:
            yield
        finally:
            connection.rollback()


def wait_for_waiters(doornail, table, *running):
    """Until everybody waits for a table, or has come back without having had to."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        waiting = doornail.sql(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
            " AND classid = 7 AND objid = %s::regclass",
            table,
        )
        if waiting[0][0] >= sum(not one.done() for one in running):
            return
        time.sleep(0.02)
    raise AssertionError(f"nobody wrote to {table}")


def outcome_of(answer):
    """The tokens of an answer, None where it was refused or nothing was decided."""
    if answer.status_code == 200:
        return Tokens.of(None, answer)
    body = answer.json()["error"]
    assert (answer.status_code, body) in (
        (400, "invalid_grant"),
        (401, "invalid_client"),
        (503, "temporarily_unavailable"),
    ), answer.text
    return None


def assert_dead(pair, api, client, tokens):
    assert not alive(pair, api, tokens.access)
    if tokens.refresh:
        assert not alive(pair, api, tokens.refresh)
        for node in pair:
            assert outcome_of(refresh(node, client, tokens.refresh)) is None


@pytest.mark.parametrize("end", ENDS)
def test_an_end_passes_in_between(doornail, pair, here, ada, client, api, end):
    """The nodes have read that all is well; the end returns; only then may they write."""
    sid = sid_of(doornail, ada, here)
    outcome, tokens = here.authorize(client, scope="photos:read"), here.tokens(client)

    def redeem():
        return outcome_of(outcome.redeem(pair[0]))

    def rotate():
        return outcome_of(refresh(pair[1], client, tokens.refresh))

    with ThreadPoolExecutor(2) as pool:
        with no_writing(doornail, "grants"):
            running = [pool.submit(redeem), pool.submit(rotate)]
            wait_for_waiters(doornail, "grants", *running)
            ENDS[end](doornail, ada, client, sid)
        made = [one for one in (future.result() for future in running) if one]
    for one in [tokens, *made]:
        assert_dead(pair, api, client, one)
    # What could not be decided is dead when it is asked again.
    assert redeem() is None and rotate() is None


@pytest.mark.parametrize("end", ["user", "password", "user disabled"])
def test_an_end_passes_between_password_and_session(doornail, pair, app, ada, end):
    """A login rests on the row that its password was read from, and dies with it."""
    password = ada.password
    browser = Browser(pair[1], user_agent=uuid.uuid4().hex)
    page = browser.open("/login")
    with ThreadPoolExecutor(1) as pool:
        with no_writing(doornail, "sessions"):
            running = pool.submit(browser.login, ada.name, password, page)
            wait_for_waiters(doornail, "sessions", running)
            ENDS[end](doornail, ada, None, None)
        answer = running.result()
    assert answer.status_code in (303, 503), answer.text
    assert not browser.is_logged_in(app)
    agents = {session["user_agent"] for session in doornail.sessions(ada)}
    assert browser.headers["User-Agent"] not in agents
    browser = Browser(pair[0])
    browser.log_in(ada)
    assert browser.is_logged_in(app)


@pytest.mark.parametrize("end", ["user", "password", "user disabled"])
def test_an_end_passes_between_cookie_and_code(doornail, pair, here, ada, client, end):
    """A code rests on the session and the epochs that were read with it."""
    verifier = new_verifier()
    sent = authorization(client, verifier)
    with ThreadPoolExecutor(1) as pool:
        with no_writing(doornail, "authorization_codes"):
            running = pool.submit(here.via(pair[1]).get, "/authorize?" + urlencode(sent))
            wait_for_waiters(doornail, "authorization_codes", running)
            ENDS[end](doornail, ada, client, None)
        answer = running.result()
    assert answer.status_code in (303, 503)
    location = here.location(answer) if answer.status_code == 303 else ""
    if location.startswith(REDIRECT):
        outcome = Outcome.of(here, client, sent, verifier, [], location)
        if outcome.error is None:
            assert outcome_of(outcome.redeem(pair[0])) is None
    assert not here.is_logged_in(client)


@pytest.mark.parametrize("end", ["password", "user disabled"])
def test_logins_in_a_race(doornail, pair, app, ada, end):
    """Freely: logins with the old password while it is replaced, or the account is disabled."""
    password = ada.password
    browsers = [Browser(pair[index % 2]) for index in range(3)]
    pages = [browser.open("/login") for browser in browsers]

    def log_in(index):
        time.sleep(0.15 * index)
        return browsers[index].login(ada.name, password, pages[index]).status_code

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(log_in, index) for index in range(3)]
        if end == "password":
            ending = pool.submit(doornail.set_password, ada)
        else:
            ending = pool.submit(doornail.cli, "user", "disable", ada.name)
        ending.result()
        assert {future.result() for future in running} <= {303, 503}
    assert not any(browser.is_logged_in(app) for browser in browsers)
    assert doornail.sessions(ada) == []
    if end == "user disabled":
        doornail.cli("user", "enable", ada.name)
        assert not any(browser.is_logged_in(app) for browser in browsers)
    browsers[0].log_in(ada)
    assert browsers[0].is_logged_in(app)


def test_two_logins_of_one_browser_in_a_race(doornail, pair, app, ada, bob):
    """A browser has one session: of two who log in at once, one at most is left."""
    browser = Browser(pair[0])
    browser.log_in(ada)
    twins = [browser.twin(), browser.twin().via(pair[1])]
    pages = [twin.follow(twin.get(url_of(app, prompt="login"))) for twin in twins]
    with ThreadPoolExecutor(2) as pool:
        people = (ada, bob)
        running = [
            pool.submit(twins[i].login, people[i].name, people[i].password, pages[i])
            for i in range(2)
        ]
        assert {future.result().status_code for future in running} <= {303, 503}
    assert not browser.is_logged_in(app), "its cookie was replaced"


@pytest.mark.parametrize("end", [*ENDS, "grant"])
def test_refreshes_and_redemptions_in_a_race(doornail, pair, here, ada, client, api, end):
    """Freely: four families rotate and codes are redeemed, at both nodes, while all of it ends."""
    sid = sid_of(doornail, ada, here)
    families = [here.tokens(client) for _ in range(3)]
    codes = [here.authorize(client) for _ in range(4)]
    over = threading.Event()
    made = []

    def rotate(index):
        tokens = families[index]
        while not over.is_set():
            answer = outcome_of(refresh(pair[index % 2], client, tokens.refresh))
            if answer is None:
                return
            tokens = answer
            made.append(tokens)

    def redeem():
        for index, outcome in enumerate(codes):
            time.sleep(0.1)
            answer = outcome_of(outcome.redeem(pair[index % 2]))
            if answer is not None:
                made.append(answer)

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(rotate, index) for index in range(3)]
        redeeming = pool.submit(redeem) if end != "grant" else None
        try:
            wait_for_more(made, 3, running[0])
            if end == "grant":
                # The first tokens are old by now: ending by one of them races the rotation.
                for tokens in families:
                    answer = ask(pair[0], client, "/revoke", {"token": tokens.access})
                    assert answer.status_code == 200
                    answer = ask(pair[1], client, "/revoke", {"token": tokens.refresh})
                    assert answer.status_code == 200
            else:
                ENDS[end](doornail, ada, client, sid)
            if redeeming:
                redeeming.result()
        finally:
            over.set()
        for future in running:
            future.result()
    assert made, "something was rotated before the end"
    for tokens in made[-12:] + families:
        assert_dead(pair, api, client, tokens)
    assert not any(pair[0].is_active(api, tokens.access) for tokens in made[-200:])
    if end.startswith("client") or end == "grant":
        assert here.is_logged_in(client)
    else:
        assert not here.is_logged_in(client)
    if "disabled" in end:
        here.forget_session()
        here.log_in(ada)
        tokens = here.tokens(client)
        assert alive(pair, api, tokens.access) and alive(pair, api, tokens.refresh)


@pytest.mark.parametrize("end", ["session", "user"])
def test_an_offline_grant_in_a_race(doornail, pair, here, ada, client, api, end):
    """It outlives its session, and not its person's epoch."""
    sid = sid_of(doornail, ada, here)
    tokens = here.tokens(client, scope=OFFLINE)
    over = threading.Event()
    last = [tokens]

    def rotate():
        while not over.is_set():
            answer = outcome_of(refresh(pair[1], client, last[-1].refresh))
            if answer is None:
                return
            last.append(answer)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(rotate)
        wait_for_more(last, 3, running)
        ENDS[end](doornail, ada, client, sid)
        count = len(last)
        # Its end comes of itself where the grant is over.
        wait_for_more(last, count, running)
        over.set()
        running.result()
    if end == "session":
        assert len(last) > count and alive(pair, api, last[-1].access)
        assert alive(pair, api, last[-1].refresh)
    else:
        for one in last[-5:]:
            assert_dead(pair, api, client, one)
