"""/revoke and `doornail revoke` for what hangs on a login: which end ends what, and for whom."""

import time
import uuid

import pytest

from browser import Browser, Tokens, alive, ask, refresh
from proxy import Proxy
from support import assert_error, assert_unavailable, in_parallel


@pytest.fixture(scope="module")
def node(pair):
    return pair[0]


def revoke(node, client, token, **parameters):
    answer = ask(node, client, "/revoke", {"token": token} | parameters)
    assert answer.status_code == 200, answer.text
    assert answer.content == b""


def dead(pair, api, tokens):
    """Whether nothing of a grant is alive; a part of it alive is an error."""
    told = {alive(pair, api, tokens.access), alive(pair, api, tokens.refresh)}
    assert len(told) == 1, "half of it is alive"
    if told == {False}:
        for node in pair:
            assert_error(refresh(node, tokens.client, tokens.refresh), 400, "invalid_grant")
    return told == {False}


@pytest.fixture(scope="module", params=["confidential", "public"])
def client(doornail, request):
    """Both kinds (CVE-2016-6582: a public client's revocation revoked nothing)."""
    flags = ["--public"] if request.param == "public" else []
    return doornail.app(request.param, "--first-party", *flags)


@pytest.mark.parametrize(
    "hint", [{}, {"token_type_hint": "access_token"}, {"token_type_hint": "x"}]
)
def test_refresh_token(pair, browser, client, api, hint):
    """It ends the grant, with all access tokens of it; another grant lives on."""
    spared, first = browser.tokens(client), browser.tokens(client)
    second = first.rotate(pair[1])
    revoke(pair[0], client, second.refresh, **hint)
    assert dead(pair, api, second)
    assert not alive(pair, api, first.access)
    assert not dead(pair, api, spared)
    revoke(pair[1], client, second.refresh)


def test_a_refresh_token_that_was_rotated_away(pair, browser, client, api):
    """Whoever holds an old one may still end the grant."""
    line = [browser.tokens(client)]
    for node in pair:
        line.append(line[-1].rotate(node))
    revoke(pair[1], client, line[0].refresh)
    assert dead(pair, api, line[-1])


def test_access_token(pair, browser, client, api):
    """That token alone: the grant goes on."""
    first = browser.tokens(client)
    second = first.rotate(pair[0])
    revoke(pair[1], client, first.access)
    assert not alive(pair, api, first.access)
    assert alive(pair, api, second.access) and alive(pair, api, second.refresh)
    assert alive(pair, api, second.rotate(pair[1]).access)


@pytest.mark.parametrize("public", [(), ("--public",)])
def test_access_token_that_ends_its_grant(doornail, pair, browser, api, public):
    """--revokes grant: for clients that know access tokens alone."""
    client = doornail.app(f"whole{len(public)}", "--first-party", "--revokes", "grant", *public)
    spared, first = browser.tokens(client), browser.tokens(client)
    second = first.rotate(pair[0])
    revoke(pair[1], client, first.access)
    assert dead(pair, api, second) and not alive(pair, api, first.access)
    assert not dead(pair, api, spared)


def test_another_clients_token_lives_on(doornail, pair, browser, client, api):
    for name, flags in (("thief", ()), ("public-thief", ("--public",))):
        thief = doornail.app(f"{name}-of-{client.id}", "--first-party", *flags)
        tokens = browser.tokens(client)
        for token in (tokens.access, tokens.refresh):
            answer = ask(pair[0], thief, "/revoke", {"token": token})
            assert_error(answer, 400, "invalid_grant")
        assert not dead(pair, api, tokens)


def test_a_code_is_nothing_to_revoke(pair, browser, client, api):
    outcome = browser.authorize(client)
    revoke(pair[0], client, outcome.code)
    assert not dead(pair, api, Tokens.of(client, outcome.redeem(pair[0])))


def test_fifty_at_once(pair, browser, client, api):
    """Every 200 holds at every node from then on."""
    tokens = browser.tokens(client)

    def work(index):
        revoke(pair[index % 2], client, tokens.refresh)
        return alive(pair, api, tokens.access), alive(pair, api, tokens.refresh)

    assert set(in_parallel(50, work)) == {(False, False)}


def test_by_command(doornail, pair, browser, app, api, ada):
    """A grant and a session by their ids, a user by name or id, as they are listed."""
    offline = browser.tokens(app, scope="photos:read offline_access")
    apps = doornail.cli("user", "show", ada.name)["apps"]
    mine = [one for one in apps if one["client_id"] == app.id]
    assert len(mine) == 1 and set(mine[0]["scope"].split()) == {"photos:read", "offline_access"}
    assert doornail.run("revoke", "grant", mine[0]["id"], "--json").returncode == 0
    assert dead(pair, api, offline)
    assert app.id not in [one["client_id"] for one in doornail.cli("user", "show", ada.id)["apps"]]

    phone = Browser(pair[0], user_agent="phone")
    phone.log_in(ada)
    here, there = browser.tokens(app), phone.tokens(app)
    listed = {one["user_agent"]: one for one in doornail.sessions(ada)}
    sid = listed["phone"]["id"]
    assert len(doornail.cli("session", "list")) >= len(listed)
    grants = doornail.cli("session", "show", sid)["grants"]
    assert [one["client_id"] for one in grants] == [app.id] and grants[0]["offline"] is False
    assert doornail.run("revoke", "session", sid, "--json").returncode == 0
    assert dead(pair, api, there) and not dead(pair, api, here)
    assert not phone.is_logged_in(app) and browser.is_logged_in(app)
    assert sid not in [one["id"] for one in doornail.sessions(ada)]

    # Ended before: it holds, so it is done again.
    for _ in range(2):
        assert doornail.run("revoke", "session", sid).returncode == 0
        assert doornail.run("revoke", "grant", mine[0]["id"]).returncode == 0


@pytest.mark.parametrize("kind", ["grant", "session", "user", "client"])
def test_what_is_not_there_is_not_ended(doornail, kind):
    """Exit 1: the promise would be about nothing."""
    for name in (str(uuid.uuid4()), "nobody"):
        done = doornail.run("revoke", kind, name)
        assert done.returncode in ((1, 2) if kind in ("grant", "session") else (1,))
        assert done.stdout == "" and done.stderr.strip()
    assert doornail.run("revoke", kind, str(uuid.uuid4()), "--json").returncode == 1


def test_ends_are_written_down(doornail, pair, browser, app):
    """Each has its kind, reason and actor in the log of ends."""
    tokens = browser.tokens(app)
    last = doornail.sql("SELECT last_number FROM revocation_clock")[0][0]
    revoke(pair[0], app, tokens.refresh)
    rows = doornail.sql(
        "SELECT kind, is_end, reason, actor FROM revocations WHERE number > %s", last
    )
    assert [row[:2] for row in rows] == [("grant", True)]
    assert rows[0][2] and app.id in rows[0][3]
    # Again: a 200 rests on a commit of its own.
    revoke(pair[1], app, tokens.refresh)
    assert doornail.sql("SELECT last_number FROM revocation_clock")[0][0] == last + 2


def once_certain(request, seconds=10):
    """Its answer, asked until it is no 503: a node first has to hear how long the outage was."""
    deadline = time.monotonic() + seconds
    while (answer := request()).status_code != 200:
        assert_unavailable(answer)
        assert time.monotonic() < deadline, "not certain again"
        time.sleep(0.1)
    return answer


def test_an_outage(doornail, cluster, pair, browser, client, api):
    """Nothing was revoked, so it is not 200 (CVE-2020-15223); and nothing is ended by it."""
    proxy = Proxy(cluster.port)
    remote = doornail.node(
        DOORNAIL_ISSUER=pair[0].environment["DOORNAIL_ISSUER"],
        DATABASE_URL=cluster.url(doornail.database, port=proxy.port),
    )
    try:
        tokens, outcome = browser.tokens(client), browser.authorize(client)
        proxy.cut()
        requests = [
            lambda: ask(remote, client, "/revoke", {"token": tokens.access}),
            lambda: ask(remote, client, "/revoke", {"token": tokens.refresh}),
            lambda: remote.post("/introspect", {"token": tokens.refresh}, api),
            lambda: refresh(remote, client, tokens.refresh),
            lambda: outcome.redeem(remote),
        ]
        for answer in in_parallel(len(requests), lambda index: requests[index]()):
            assert_unavailable(answer)
        assert not dead(pair, api, tokens)
        proxy.mend()
        remote.wait_until_ready(10)
        rotated = once_certain(lambda: refresh(remote, client, tokens.refresh))
        assert not dead([remote, *pair], api, Tokens.of(client, rotated))
        redeemed = once_certain(lambda: outcome.redeem(remote))
        assert not dead([remote, *pair], api, Tokens.of(client, redeemed))
        remote.stop()
    finally:
        proxy.cut()


def test_kill_9_after_each_200(doornail, pair, browser, client, api):
    """An end is on disk before its answer leaves."""
    brief = doornail.node(DOORNAIL_ISSUER=pair[0].environment["DOORNAIL_ISSUER"])
    everywhere = [brief, *pair]
    for what in ("access", "refresh"):
        tokens = browser.tokens(client)
        revoke(brief, client, getattr(tokens, what))
        brief.kill()
        brief.start()
        assert not alive(everywhere, api, tokens.access)
        assert alive(everywhere, api, tokens.refresh) == (what == "access")
    # A code's redemption and its replay.
    outcome = browser.authorize(client)
    tokens = Tokens.of(client, outcome.redeem(brief))
    brief.kill()
    brief.start()
    assert not dead(everywhere, api, tokens)
    assert_error(outcome.redeem(brief), 400, "invalid_grant")
    brief.kill()
    brief.start()
    assert dead(everywhere, api, tokens)
    brief.stop()
