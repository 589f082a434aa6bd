"""Refresh tokens of many requests, which are used together: one read and one commit for all that arrive
while the ones before them are with the database. test_refresh.py says what a refresh is; here is that
each gets its own answer, whatever becomes of the others."""

import json
import re
import time

import pytest
from browser import Browser, Tokens, alive, refresh
from rawhttp import Connection
from support import ISSUER, assert_error, assert_unavailable, in_parallel

FORM = "Content-Type: application/x-www-form-urlencoded"
TOKEN = re.compile(rb"dn_[ar]t_[\w-]+|eyJ[\w.-]+")


@pytest.fixture(scope="module")
def node(doornail):
    return doornail.node(DOORNAIL_ISSUER=ISSUER)


@pytest.fixture(scope="module")
def person(doornail):
    return doornail.user("grace")


def log_in(node, person, app, **parameters):
    browser = Browser(node)
    browser.log_in(person)
    tokens = browser.tokens(app, **parameters)
    return tokens


def together(node):
    """How many refreshes came together so far, in how many batches."""
    found = {
        name: value
        for (name, labels), value in node.metrics().items()
        if name.startswith("doornail_postgres_batch_size_") and ("batch", "rotate") in labels
    }
    return (
        found.get("doornail_postgres_batch_size_sum", 0),
        found.get("doornail_postgres_batch_size_count", 0),
    )


def raw(app, body, *headers):
    body = body.encode()
    lines = [
        "POST /token HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", FORM,
        f"Authorization: {app.basic['Authorization']}", "X-Request-ID: the-same", *headers,
    ]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode() + body


def answer(node, data):
    with Connection(node) as connection:
        connection.send(data)
        status, headers, body = connection.response()
        headers.pop("date")
        return status, list(headers.items()), body


@pytest.mark.parametrize(
    "more",
    [
        "", "&scope=photos:read", "&scope=photos%3Aread+photos%3Awrite+offline_access", "&scope=",
        "&scope=photos:other", "&scope=photos:read&scope=photos:read", "&scope=%zz",
        "&resource=https://x", "&client_id=app", "&client_secret=x", "&other=1", "&",
    ],
)  # fmt: skip
def test_the_same_answers(node, person, app, more):
    told = []
    for headers in ([], ["Origin: https://x.example"]):
        tokens = log_in(node, person, app)
        body = f"grant_type=refresh_token&refresh_token={tokens.refresh}{more}"
        status, fields, text = answer(node, raw(app, body, *headers))
        told.append((status, len(text), [f for f in fields if f[0] != "content-length"],
                     TOKEN.sub(b"", text)))  # fmt: skip
    assert told[0] == told[1], more


def test_together(doornail, node, person, app, api):
    """Many at once: each gets its own successor, in far fewer batches, and a log line like any other."""
    other = doornail.app("other", "--first-party", scope="photos:read offline_access")
    lines = [log_in(node, person, (app, app, other)[index % 3]) for index in range(24)]
    began, batches = together(node)

    def chain(index):
        tokens = [lines[index]]
        for _ in range(20):
            tokens.append(tokens[-1].rotate(node))
        return tokens

    chains = in_parallel(24, chain)
    after, now = together(node)
    assert after - began == 24 * 20 and now - batches < after - began
    every = [one.refresh for line in chains for one in line]
    assert len(set(every)) == len(every)
    for line in chains[::6]:
        assert node.is_active(api, line[-1].access) and node.is_active(api, line[-1].refresh)
        assert not node.is_active(api, line[-2].refresh)
    # An ancestor of the present one ends its family.
    assert_error(refresh(node, app, chains[0][3].refresh), 400, "invalid_grant")
    assert not node.is_active(api, chains[0][-1].access)
    found = [json.loads(one) for one in node.logged('"path":"/token"', 24 * 21 + 1)]
    logged = [one for one in found if one.get("client_id") == app.id and one["status"] == 200]
    assert len(logged) >= 16 * 20
    # The first of all redeemed a code.
    fields = {frozenset(one) - {"sid"} for one in logged[-16 * 10 :]}
    assert len(fields) == 1 and "grant" in fields.pop()


def test_the_same_token_at_once(node, person, app, api):
    """Of many presentations at once one is the first, and the others get its answer."""
    tokens = log_in(node, person, app)
    told = in_parallel(30, lambda _: Tokens.of(app, refresh(node, app, tokens.refresh)))
    assert len({one.refresh for one in told}) == 1
    assert len({one.access for one in told}) == 30
    assert node.is_active(api, told[0].refresh)


def test_a_slow_commit(doornail, node, person, app, api):
    """Who waits is answered once the commit has come; the token is used once."""
    tokens, other = log_in(node, person, app), log_in(node, person, app)
    grants = "SELECT id FROM grants WHERE revoked_at IS NULL FOR UPDATE"
    with doornail.cluster.connect(doornail.database, autocommit=False) as connection:
        connection.execute(grants)
        def ask(index):
            if index == 0:
                time.sleep(1.5)
                connection.rollback()
                return None
            return refresh(node, app, (tokens, other)[index % 2].refresh)

        told = [Tokens.of(app, one) for one in in_parallel(9, ask) if one is not None]
    assert len({one.refresh for one in told}) == 2
    for one in told:
        assert node.is_active(api, one.access) and node.is_active(api, one.refresh)
    assert told[0].rotate(node)


def test_a_commit_that_does_not_come(doornail, node, person, app, api):
    """503 in time, and nothing is lost by it."""
    tokens = log_in(node, person, app)
    with doornail.cluster.connect(doornail.database, autocommit=False) as connection:
        connection.execute("SELECT id FROM grants WHERE revoked_at IS NULL FOR UPDATE")
        began = time.monotonic()
        assert_unavailable(refresh(node, app, tokens.refresh))
        assert time.monotonic() - began < 7
        connection.rollback()
    after = tokens.rotate(node)
    assert node.is_active(api, after.refresh)


def test_every_client(doornail, node, person, api):
    """Also one whose tokens may not be used twice, and one that gets an ID token."""
    strict = doornail.app("strict", "--first-party", "--retry-window", "0s")
    before, _ = together(node)
    after = log_in(node, person, strict).rotate(node)
    assert node.is_active(api, after.refresh)
    assert together(node)[0] == before + 1
    openid = doornail.app("openid", "--first-party", scope="openid photos:read")
    after = log_in(node, person, openid, scope="openid photos:read").rotate(node)
    assert node.is_active(api, after.refresh) and "id_token" in after.body
    assert together(node)[0] == before + 2


def test_a_retry_at_the_end_of_its_window(doornail, node, person, app, api):
    """It is judged once: by its commit, however late that comes, and not once more after the window."""
    tokens = log_in(node, person, app)
    after = tokens.rotate(node)
    with doornail.cluster.connect(doornail.database) as connection:
        connection.execute(
            "UPDATE grants SET rotated_at = clock_timestamp() - interval '29.5 s'"
            " WHERE rotated_at = (SELECT max(rotated_at) FROM grants)"
        )
        connection.execute(
            "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN PERFORM pg_sleep(1); RETURN NEW; END$$"
        )
        connection.execute(
            "CREATE TRIGGER slowly BEFORE UPDATE ON grants FOR EACH ROW EXECUTE FUNCTION slowly()"
        )
        try:
            again = Tokens.of(app, refresh(node, app, tokens.refresh))
        finally:
            connection.execute("DROP FUNCTION slowly CASCADE")
    assert again.refresh == after.refresh
    assert node.is_active(api, again.refresh) and node.is_active(api, again.access)


def test_a_connection_that_is_lost(doornail, node, person, app, api):
    """What was under way on it is 503, since nobody knows what came of it; asked again, the token is
    used once all the same."""
    tokens = log_in(node, person, app)
    waiting = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with doornail.cluster.connect(doornail.database, autocommit=False) as connection:
        connection.execute("SELECT id FROM grants WHERE revoked_at IS NULL FOR UPDATE")

        def ask(index):
            if index:
                return refresh(node, app, tokens.refresh)
            deadline = time.monotonic() + 3
            while not doornail.sql(waiting):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            connection.rollback()
            return None

        assert_unavailable(in_parallel(2, ask)[1])
    told = Tokens.of(app, refresh(node, app, tokens.refresh))
    assert node.is_active(api, told.refresh) and node.is_active(api, told.access)
    assert told.rotate(node)


@pytest.mark.parametrize("end", ["grant", "session", "user", "client"])
def test_ends_are_seen(doornail, node, end, api):
    """After the acknowledged end of what it hangs on, no refresh succeeds."""
    person = doornail.user(f"ended-{end}")
    app = doornail.app(f"ended-{end}", "--first-party", scope="photos:read")
    tokens = log_in(node, person, app).rotate(node)
    if end == "grant":
        node.end(app, tokens.refresh)
    elif end == "session":
        doornail.cli("revoke", "session", doornail.sessions(person)[0]["id"])
    else:
        doornail.cli("revoke", end, person.name if end == "user" else app.id)
    answers = in_parallel(8, lambda _: refresh(node, app, tokens.refresh))
    for one in answers:
        assert_error(one, 400, "invalid_grant")
    assert not alive([node], api, tokens.access)
