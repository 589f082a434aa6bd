"""Refresh tokens (RFC 6749 §6, RFC 9700 §4.14): rotation, retries, and what a replay ends."""

import time
from urllib.parse import urlencode

import pytest

import rawhttp
from browser import Browser, Tokens, alive, ask, new_rows, refresh
from support import SEEN, Client, assert_error, in_parallel

BOTH = {"photos:read", "photos:write"}


@pytest.fixture(scope="module")
def node(pair):
    return pair[0]


def family(browser, client, length, nodes):
    """A login and so many rotations after it, at the nodes in turn."""
    line = [browser.tokens(client)]
    for index in range(length):
        line.append(line[-1].rotate(nodes[index % len(nodes)]))
    return line


def assert_ended(pair, api, line):
    """A replay was seen: no token of the family is alive, at any node."""
    assert not any(alive(pair, api, token) for one in line for token in (one.access, one.refresh))
    for node in pair:
        for one in line[-2:]:
            assert_error(refresh(node, one.client, one.refresh), 400, "invalid_grant")


def replay(node, tokens):
    answer = refresh(node, tokens.client, tokens.refresh)
    assert_error(answer, 400, "invalid_grant")


def test_rotation(pair, browser, app, api):
    """A new pair each time; the old refresh token is inactive, the old access token lives."""
    line = family(browser, app, 3, pair)
    assert len({one.refresh for one in line}) == len({one.access for one in line}) == 4
    for one in line:
        assert set(one.body) == {
            "access_token",
            "token_type",
            "expires_in",
            "refresh_token",
            "scope",
        }
        assert one.body["expires_in"] == 300 and set(one.scope.split()) == BOTH
        assert alive(pair, api, one.access)
    assert [alive(pair, api, one.refresh) for one in line] == [False, False, False, True]
    told = pair[1].introspect(api, line[-1].access)
    assert told["sub"] == pair[0].introspect(api, line[0].access)["sub"]
    # Introspecting is never a use, and an inactive one told no replay.
    assert line[-1].rotate(pair[0])


def test_the_same_successor_for_a_retry(pair, browser, app, api):
    """Until the successor was used, whoever lost the answer gets it again, at any node."""
    first = browser.tokens(app)
    second = first.rotate(pair[0])
    for node in pair * 2:
        again = first.rotate(node)
        assert again.refresh == second.refresh
        assert alive(pair, api, again.access)
    third = second.rotate(pair[1])
    assert third.refresh != second.refresh
    # Again for the one that is the last now; but the first is an old one, and proves a theft.
    assert second.rotate(pair[0]).refresh == third.refresh
    replay(pair[0], first)
    assert_ended(pair, api, [first, second, again, third])


def test_two_holders_never_keep_two_chains(pair, browser, app, api):
    """A thief with the same token: one chain, and who is behind ends it for both."""
    owner = thief = browser.tokens(app)
    thief = thief.rotate(pair[0])
    owner = owner.rotate(pair[1])
    assert owner.refresh == thief.refresh
    owner, late = owner.rotate(pair[0]), thief
    owner = owner.rotate(pair[0])
    replay(pair[1], late)
    assert_ended(pair, api, [late, owner])


def test_three_rotations_in_a_second(pair, browser, app, api):
    """Times are not what ancestors are told apart by."""
    for index in range(2):
        line = family(browser, app, 3, pair)
        replay(pair[index], line[index])
        assert_ended(pair, api, line)


@pytest.mark.parametrize("ancestor", range(1, 11))
def test_every_ancestor_ends_the_family(pair, browser, app, api, ancestor):
    """Not only the last one is remembered: each of ten, each with a family of its own."""
    line = family(browser, app, ancestor + 1, pair)
    assert alive(pair, api, line[-1].refresh)
    replay(pair[ancestor % 2], line[0])
    assert_ended(pair, api, line)


def test_fifty_at_once(pair, browser, app, api):
    """All get an answer, and all the same successor."""
    first = browser.tokens(app)
    answers = in_parallel(50, lambda index: refresh(pair[index % 2], app, first.refresh))
    tokens = [Tokens.of(app, answer) for answer in answers]
    assert len({one.refresh for one in tokens}) == 1
    assert alive(pair, api, tokens[7].refresh) and alive(pair, api, tokens[42].access)
    assert not alive(pair, api, first.refresh)
    tokens[0].rotate(pair[1])


def test_fifty_at_once_without_a_window(doornail, pair, browser, api):
    """One wins; the others prove a replay."""
    client = doornail.app("strict-fifty", "--first-party", "--retry-window", "0s")
    first = browser.tokens(client)
    answers = in_parallel(50, lambda index: refresh(pair[index % 2], client, first.refresh))
    won = [answer for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    assert {answer.status_code for answer in answers} == {200, 400}
    assert_ended(pair, api, [first, Tokens.of(client, won[0])])


def test_no_retry_window(doornail, pair, browser, api):
    client = doornail.app("strict", "--first-party", "--retry-window", "0s")
    line = family(browser, client, 2, pair)
    replay(pair[0], line[1])
    assert_ended(pair, api, line)


def test_after_the_window(doornail, pair, browser, api):
    """Counted from the first use of the old one, not from the last retry."""
    client = doornail.app("brief", "--first-party", "--retry-window", "4s")
    first = browser.tokens(client)
    second = first.rotate(pair[0])
    used = time.monotonic()
    time.sleep(1.5)
    assert first.rotate(pair[1]).refresh == second.refresh
    time.sleep(max(0, used + 4.5 - time.monotonic()))
    replay(pair[1], first)
    assert_ended(pair, api, [first, second])


def test_without_rotation(doornail, pair, browser, api):
    """--rotation off: the same token comes back, as often as it is asked."""
    client = doornail.app("steady", "--first-party", "--rotation", "off")
    first = browser.tokens(client)
    answers = in_parallel(20, lambda index: first.rotate(pair[index % 2]))
    assert {one.refresh for one in answers} == {first.refresh}
    assert len({one.access for one in answers}) == 20
    assert alive(pair, api, first.refresh)
    assert ask(pair[0], client, "/revoke", {"token": first.refresh}).status_code == 200
    assert_ended(pair, api, [first, *answers])


def test_scope_narrows_and_comes_back(pair, node, browser, app, api):
    """The access token has less; the new refresh token keeps the old one's scope."""
    first = browser.tokens(app)
    second = first.rotate(node, scope="photos:read")
    assert second.scope == "photos:read"
    assert node.introspect(api, second.access)["scope"] == "photos:read"
    assert set(node.introspect(api, second.refresh)["scope"].split()) == BOTH
    third = second.rotate(node)
    assert set(third.scope.split()) == BOTH
    assert second.rotate(node, scope="photos:write").scope == "photos:write", "a retry, narrowed"


def test_scope_never_grows(pair, node, browser, app, api):
    tokens = browser.tokens(app, scope="photos:read")
    for scope in ("photos:read photos:write", "photos:write", "offline_access", "openid", "admin"):
        assert_error(refresh(node, app, tokens.refresh, scope=scope), 400, "invalid_scope")
    assert alive(pair, api, tokens.refresh), "a refused request consumes nothing"
    assert tokens.rotate(node).scope == "photos:read"


def test_another_clients_token(doornail, pair, browser, app, api):
    """B's credentials with A's token: refused, and nothing is consumed or ended."""
    rival = doornail.app("rival", "--first-party")
    public = doornail.app("public-rival", "--public", "--first-party")
    first = browser.tokens(app)
    line = [first, first.rotate(pair[0])]
    for other in (rival, public):
        for one in line:
            assert_error(refresh(pair[1], other, one.refresh), 400, "invalid_grant")
    for impostor in (Client(app.id, "dn_cs_wrong"), Client(app.id, None)):
        assert_error(refresh(pair[1], impostor, line[1].refresh), 401, "invalid_client")
    assert alive(pair, api, line[1].refresh) and alive(pair, api, line[0].access)
    line[1].rotate(pair[1])


def test_public_client(doornail, pair, browser, api):
    """It has its name alone, so its tokens rotate and a replay ends them (RFC 9700 §2.2.2)."""
    client = doornail.app("public", "--public", "--first-party")
    line = family(browser, client, 2, pair)
    assert alive(pair, api, line[-1].refresh)
    assert_error(refresh(pair[0], Client(client.id, "x"), line[-1].refresh), 401, "invalid_client")
    answer = pair[0].post("/token", {"grant_type": "refresh_token", "refresh_token": "x"})
    assert_error(answer, 401, "invalid_client")
    replay(pair[0], line[0])
    assert_ended(pair, api, line)


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token[:-1],
        lambda token: token + "A",
        lambda token: token + "=",
        lambda token: token.swapcase(),
        lambda token: token[:20] + ("A" if token[20] != "A" else "B") + token[21:],
        lambda token: token.replace("dn_rt_", "dn_at_"),
        lambda token: token.replace("dn_rt_", "dn_ac_"),
        lambda token: "dn_rt_" + "A" * 80,
        lambda token: " " + token,
        lambda token: "x" * 60000,
    ],
)
def test_what_is_no_refresh_token(pair, node, browser, app, api, change):
    tokens = browser.tokens(app)
    assert_error(refresh(node, app, change(tokens.refresh)), 400, "invalid_grant")
    assert alive(pair, api, tokens.refresh) and tokens.rotate(node)


def test_missing(node, app):
    assert_error(ask(node, app, "/token", {"grant_type": "refresh_token"}), 400, "invalid_request")
    assert_error(refresh(node, app, ""), 400, "invalid_request")


def test_idle_and_absolute_expiry(doornail, pair, browser, app, api):
    """Idle, a grant cannot be refreshed; expired, nothing of it is alive."""
    for column, lives in (("idle_expires_at", True), ("expires_at", False)):
        tokens, rows = new_rows(doornail, "grants", lambda: browser.tokens(app))
        doornail.sql(
            f"UPDATE grants SET {column} = clock_timestamp() - interval '1 second' WHERE id = %s",
            rows[0],
        )
        assert not alive(pair, api, tokens.refresh)
        for node in pair:
            assert_error(refresh(node, app, tokens.refresh), 400, "invalid_grant")
        assert alive(pair, api, tokens.access) == lives


def test_lifetimes_as_configured(doornail, pair, browser, app, api):
    """DOORNAIL_REFRESH_TOKEN_IDLE starts anew with each use; _MAX does not."""
    issuer = pair[0].environment["DOORNAIL_ISSUER"]
    brief = doornail.node(
        DOORNAIL_ISSUER=issuer,
        DOORNAIL_REFRESH_TOKEN_IDLE="4s",
        DOORNAIL_REFRESH_TOKEN_MAX="8s",
    )
    here = browser.twin().via(brief)
    idle, used = here.tokens(app), here.tokens(app)
    began = time.monotonic()
    time.sleep(2.2)
    used = used.rotate(brief)
    time.sleep(2.2)
    used = used.rotate(brief)
    assert_error(refresh(brief, app, idle.refresh), 400, "invalid_grant")
    assert brief.is_active(api, used.access)
    time.sleep(max(0, began + 8.6 - time.monotonic()))
    assert_error(refresh(brief, app, used.refresh), 400, "invalid_grant")
    assert not alive([*pair, brief], api, used.access)
    brief.stop()


def test_a_refresh_is_a_use_of_its_session(doornail, node, browser, app, api):
    """The idle time of the session begins anew with it."""
    tokens, rows = new_rows(doornail, "grants", lambda: browser.tokens(app))
    session = doornail.sql("SELECT session FROM grants WHERE id = %s", rows[0])[0][0]
    doornail.sql(
        "UPDATE sessions SET idle_expires_at = clock_timestamp() + interval '1 minute', "
        "last_seen_at = last_seen_at - interval '13 days' WHERE id = %s",
        session,
    )
    tokens.rotate(node)
    left = doornail.sql(
        "SELECT idle_expires_at > clock_timestamp() + interval '1 day', "
        "last_seen_at > clock_timestamp() - interval '1 minute' FROM sessions WHERE id = %s",
        session,
    )
    assert left == [(True, True)]


def test_a_generation_that_the_database_does_not_know(doornail, pair, browser, app, api):
    """State was lost (a restore): the token is refused and its grant ended."""
    line, rows = new_rows(doornail, "grants", lambda: family(browser, app, 3, pair))
    with doornail.cluster.connect(doornail.database) as operator:
        # The guard refuses that; a restore does not ask it.
        operator.execute("ALTER TABLE grants DISABLE TRIGGER guard")
        operator.execute("UPDATE grants SET generation = generation - 2 WHERE id = %s", [rows[0]])
        operator.execute("ALTER TABLE grants ENABLE ALWAYS TRIGGER guard")
    replay(pair[0], line[-1])
    ended = doornail.sql("SELECT revoked_at IS NOT NULL FROM grants WHERE id = %s", rows[0])
    assert ended == [(True,)]
    assert_ended(pair, api, line)


def test_an_answer_that_nobody_read(pair, browser, app, api):
    """The client hung up, or the network did: it asks again, and gets the same successor."""
    first = browser.tokens(app)
    body = urlencode({"grant_type": "refresh_token", "refresh_token": first.refresh}).encode()
    credentials = "Authorization: " + app.basic["Authorization"]
    for node in pair:
        connection = rawhttp.Connection(node)
        connection.send(rawhttp.post("/token", body, credentials))
        connection.socket.close()
    time.sleep(0.3)
    second = first.rotate(pair[1])
    assert first.rotate(pair[0]).refresh == second.refresh
    third = second.rotate(pair[0])
    assert alive(pair, api, third.refresh) and alive(pair, api, third.access)


def test_kill_9_after_the_answer(doornail, pair, browser, app, api):
    """What was rotated away stays so (CVE-2026-9802): nothing is in memory alone."""
    issuer = pair[0].environment["DOORNAIL_ISSUER"]
    brief = doornail.node(DOORNAIL_ISSUER=issuer)
    line = [browser.tokens(app)]
    for _ in range(3):
        line.append(line[-1].rotate(brief))
        brief.kill()
        brief.start()
        assert alive([brief, *pair], api, line[-1].refresh)
        assert not alive([brief, *pair], api, line[-2].refresh)
    assert line[-2].rotate(brief).refresh == line[-1].refresh
    replay(brief, line[0])
    brief.kill()
    brief.start()
    assert_ended([brief, *pair], api, line)
    brief.stop()


def test_another_session_is_not_touched(doornail, node, pair, browser, app, ada, api):
    """A replay ends one family: not the session, not another device's."""
    phone = Browser(node, user_agent="phone")
    phone.log_in(ada)
    spared = [phone.tokens(app), browser.tokens(app)]
    line = family(browser, app, 2, pair)
    replay(node, line[0])
    assert_ended(pair, api, line)
    for tokens in spared:
        assert alive(pair, api, tokens.access) and alive(pair, api, tokens.refresh)
    assert browser.is_logged_in(app) and phone.is_logged_in(app)


def test_tokens_are_seen(browser, app):
    """The search of the logs knows refresh tokens too."""
    tokens = browser.tokens(app)
    assert tokens.refresh.removeprefix("dn_rt_") in SEEN.values
