"""What was ended, and never acknowledged: whoever asks again is told so once it holds everywhere.

A node that lost the reply of its COMMIT, or the time to wait for the others, answers 503. The end is
in the database; another node may still say active, under its lease. Asked again, every way to end
something finds it ended, and must not say so before that lease is over.
"""

import contextlib
import uuid
from urllib.parse import urljoin

import pytest

from browser import Browser

LEASE = "2s"


@pytest.fixture(scope="module")
def near(pair):
    return pair[0]


@pytest.fixture(scope="module")
def far(doornail):
    """A node that remembers what it said for so long that it shows."""
    return doornail.node(DOORNAIL_LEASE=LEASE)


@contextlib.contextmanager
def ended_unheard(doornail, table, row):
    """Ends a row, while the node with the long lease can no more renew it than hear of the end."""
    with doornail.cluster.connect(doornail.database, autocommit=False) as lock:
        held = lock.execute("SELECT FROM nodes WHERE lease_ms = 2000 FOR UPDATE")
        assert held.rowcount == 1
        with doornail.cluster.connect(doornail.database) as operator:
            ended = operator.execute(
                f"UPDATE {table} SET revoked_at = clock_timestamp(), revoked_reason = 'lost',"
                " revoked_by = 'a node that died' WHERE id = %s",
                [row],
            )
            assert ended.rowcount == 1
        yield
        lock.rollback()


def log_in(node, person):
    browser = Browser(node, user_agent=uuid.uuid4().hex)
    browser.log_in(person)
    return browser


def grant_of(doornail, app):
    ((grant,),) = doornail.sql(
        "SELECT g.id FROM grants g JOIN clients c ON c.id = g.client WHERE c.client_id = %s", app.id
    )
    return grant


def session_of(doornail, person, browser):
    agent = browser.headers["User-Agent"]
    return next(s["id"] for s in doornail.sessions(person) if s["user_agent"] == agent)


def pressed(browser, page, field, value):
    """Sends the form of a page that names something, and returns the page that follows."""
    form = next(form for form in page.forms if form.fields.get(field) == value)
    answer = browser.request("POST", urljoin(page.url, form.action), data=form.fields)
    return browser.follow(answer)


@pytest.mark.parametrize("way", ["logout", "account login", "account app", "revoke"])
def test_asked_again(doornail, near, far, ada, api, way):
    app = doornail.app(f"c{uuid.uuid4().hex[:12]}", "--first-party")
    here, there = log_in(near, ada), log_in(near, ada)
    tokens = there.tokens(app)
    session, grant = session_of(doornail, ada, there), grant_of(doornail, app)
    ends_login = way in ("logout", "account login")
    opened = there if way in ("logout", "account app") else here
    page = opened.open("/logout" if way == "logout" else "/account")
    for _ in range(3):
        assert far.is_active(api, tokens.access)
    with ended_unheard(
        doornail, *(("sessions", session) if ends_login else ("grants", grant))
    ):
        assert far.is_active(api, tokens.access), "it has not heard, and nobody was told otherwise"
        if way == "revoke":
            near.end(app, tokens.refresh)
        elif way == "logout":
            assert "logged out" in there.follow(there.submit(page)).text.lower()
        else:
            row = session if ends_login else grant
            assert "not there any more" in pressed(opened, page, "id", str(row)).alert
        answer = far.post("/introspect", {"token": tokens.access}, api)
        assert answer.status_code == 503 or answer.json() == {"active": False}
    far.wait_for("/health/ready", 200)
    assert not far.is_active(api, tokens.access)
    assert not near.is_active(api, tokens.access)
