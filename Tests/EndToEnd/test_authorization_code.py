"""Redeeming a code (RFC 6749 §4.1.3): once, by its client, with its verifier, within a minute."""

import re
import time

import pytest

from browser import Browser, Tokens, alive, ask, new_rows, new_verifier, refresh
from support import REDIRECT, Client, assert_error, in_parallel

MAIL, FILES, OTHER = "https://mail.example", "https://files.example", "https://other.example"
# What DESIGN.md allows a replay to come late.
REPLAY_MINUTES = 10


@pytest.fixture(scope="module")
def node(pair):
    return pair[0]


@pytest.fixture(scope="module")
def rival(doornail):
    """Another client with the same redirect URI and scope."""
    return doornail.app("rival", "--first-party")


@pytest.fixture(scope="module")
def both(doornail):
    """A client of two audiences."""
    return doornail.app("both", "--first-party", "--audience", MAIL, "--audience", FILES)


def assert_dead(pair, api, tokens):
    """Nothing of a grant is alive, at any node."""
    assert not alive(pair, api, tokens.access)
    assert not alive(pair, api, tokens.refresh)
    for node in pair:
        answer = refresh(node, tokens.client, tokens.refresh)
        assert_error(answer, 400, "invalid_grant")


def assert_alive(pair, api, tokens):
    assert alive(pair, api, tokens.access)
    assert alive(pair, api, tokens.refresh)


def audiences(node, api, token):
    told = node.introspect(api, token).get("aud", [])
    return {told} if isinstance(told, str) else set(told)


def test_the_tokens(node, pair, browser, app, api, ada):
    answer = browser.authorize(app, scope="photos:write photos:read").redeem(node)
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert body["token_type"] == "Bearer" and body["expires_in"] == 300
    assert set(body["scope"].split()) == {"photos:read", "photos:write"}
    assert re.fullmatch(r"dn_at_[A-Za-z0-9_-]{22,}", body["access_token"])
    assert re.fullmatch(r"dn_rt_[A-Za-z0-9_-]{22,}", body["refresh_token"])
    now = time.time()
    for token, use in (("access_token", "access_token"), ("refresh_token", "refresh_token")):
        told = [one.introspect(api, body[token]) for one in pair]
        assert told[0] == told[1]
        told = told[0]
        assert told["active"] is True and told["token_use"] == use
        assert told["sub"] == ada.id and told["username"] == ada.name
        assert told["client_id"] == app.id
        assert set(told["scope"].split()) == {"photos:read", "photos:write"}
        assert all(type(told[name]) is int for name in ("exp", "iat"))
        assert told["iat"] - 5 <= now <= told["exp"]
        assert "aud" not in told
    access = node.introspect(api, body["access_token"])
    assert access["exp"] == access["iat"] + 300


def test_who_is_told_about_refresh_tokens(doornail, node, browser, app, api, rival, both):
    """Their own client, and who is told about all; a resource server of the audience is not."""
    server = doornail.client("mail-server", "--audience", MAIL, grant=None)
    tokens = browser.tokens(both, resource=MAIL)
    assert node.is_active(server, tokens.access)
    assert not node.is_active(server, tokens.refresh)
    assert node.is_active(both, tokens.refresh) and node.is_active(api, tokens.refresh)
    assert not node.is_active(rival, tokens.refresh)
    for hint in ("access_token", "refresh_token", "nonsense"):
        data = {"token": tokens.refresh, "token_type_hint": hint}
        assert node.post("/introspect", data, api).json()["active"] is True


def test_once(pair, browser, app, api):
    """The second use is refused and ends what the first one issued (RFC 6749 §4.1.2)."""
    for first, second in (pair, reversed(pair)):
        outcome = browser.authorize(app)
        tokens = Tokens.of(app, outcome.redeem(first))
        spared = browser.tokens(app)
        assert_alive(pair, api, tokens)
        assert_error(outcome.redeem(second), 400, "invalid_grant")
        assert_dead(pair, api, tokens)
        assert_error(outcome.redeem(first), 400, "invalid_grant")
        assert_alive(pair, api, spared)


def test_a_replay_ends_descendants(pair, browser, app, api):
    outcome = browser.authorize(app)
    tokens = Tokens.of(app, outcome.redeem(pair[0]))
    family = [tokens, tokens.rotate(pair[1])]
    family.append(family[-1].rotate(pair[0]))
    assert_error(outcome.redeem(pair[1]), 400, "invalid_grant")
    assert not any(alive(pair, api, one.access) for one in family)
    assert_dead(pair, api, family[-1])


def test_fifty_at_once(pair, browser, app, api):
    """One wins; the others prove a replay, so that nothing is alive in the end."""
    outcome = browser.authorize(app)
    answers = in_parallel(50, lambda index: outcome.redeem(pair[index % 2]))
    won = [answer for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    for answer in answers:
        if answer is not won[0]:
            assert_error(answer, 400, "invalid_grant")
    assert_dead(pair, api, Tokens.of(app, won[0]))


def test_many_codes_at_once(pair, browser, app, api):
    """Ten codes, each redeemed once: each gets its tokens."""
    outcomes = [browser.authorize(app) for _ in range(10)]
    tokens = in_parallel(10, lambda i: Tokens.of(app, outcomes[i].redeem(pair[i % 2])))
    assert len({one.access for one in tokens}) == len({one.refresh for one in tokens}) == 10
    for one in tokens:
        assert_alive(pair, api, one)


def refusals(outcome, rival):
    """What is refused, and leaves the code as it is."""
    return {
        "another client": {"client": rival},
        "a wrong verifier": {"code_verifier": new_verifier()},
        "no verifier": {"code_verifier": None},
        "another redirect URI": {"redirect_uri": "https://app.example/other"},
        "the redirect URI with a slash": {"redirect_uri": REDIRECT + "/"},
        "no redirect URI": {"redirect_uri": None},
        "no grant type": {"grant_type": None},
        "another grant type": {"grant_type": "refresh_token"},
        "another resource": {"resource": OTHER},
    }


def test_refusals_consume_nothing(pair, browser, app, rival, api):
    """Before: the code still works. Afterwards: its tokens live on."""
    outcome = browser.authorize(app)
    for name, change in refusals(outcome, rival).items():
        answer = outcome.redeem(pair[0], **change)
        assert answer.status_code == 400, f"{name}: {answer.text}"
        expected = {
            "no verifier": {"invalid_grant", "invalid_request"},
            "no redirect URI": {"invalid_grant", "invalid_request"},
            "no grant type": {"invalid_request"},
            "another grant type": {"invalid_request"},
            "another resource": {"invalid_target"},
        }.get(name, {"invalid_grant"})
        assert answer.json()["error"] in expected, f"{name}: {answer.text}"
    tokens = Tokens.of(app, outcome.redeem(pair[1]))
    for name in ("another client", "a wrong verifier", "no verifier"):
        answer = outcome.redeem(pair[0], **refusals(outcome, rival)[name])
        assert answer.status_code == 400, name
        assert alive(pair, api, tokens.access) and alive(pair, api, tokens.refresh), name
    # Who has no right to ask at all does not even get that far.
    wrong = Client(app.id, "dn_cs_wrong")
    assert_error(outcome.redeem(pair[0], client=wrong), 401, "invalid_client")
    nameless = Client(app.id, None)
    assert_error(outcome.redeem(pair[0], client=nameless), 401, "invalid_client")
    assert_alive(pair, api, tokens)


@pytest.mark.parametrize(
    "change",
    [
        lambda code: code[:-1],
        lambda code: code + "A",
        lambda code: code + "=",
        lambda code: code.swapcase(),
        lambda code: code[:-1] + ("A" if code[-1] != "A" else "Q"),
        lambda code: code[:20] + ("A" if code[20] != "A" else "B") + code[21:],
        lambda code: code.removeprefix("dn_ac_"),
        lambda code: code.replace("dn_ac_", "dn_at_"),
        lambda code: code.replace("dn_ac_", "dn_rt_"),
        lambda code: " " + code,
        lambda code: code + "\n",
        lambda code: code * 2,
        lambda code: "dn_ac_" + "A" * 100,
        lambda code: "x",
        lambda code: "é",
        lambda code: "x" * 60000,
    ],
)
def test_what_is_no_code(node, browser, app, change):
    outcome = browser.authorize(app)
    assert_error(outcome.redeem(node, code=change(outcome.code)), 400, "invalid_grant")
    assert outcome.redeem(node).status_code == 200


def test_kinds_are_not_interchangeable(node, browser, app, api):
    """A code is no token, and tokens are no codes."""
    outcome, tokens = browser.authorize(app), browser.tokens(app)
    for token in (tokens.access, tokens.refresh):
        assert_error(outcome.redeem(node, code=token), 400, "invalid_grant")
    for token in (outcome.code, tokens.access):
        assert_error(refresh(node, app, token), 400, "invalid_grant")
    assert not node.is_active(api, outcome.code)
    assert node.is_active(api, tokens.access) and node.is_active(api, tokens.refresh)
    assert outcome.redeem(node).status_code == 200


def test_missing_code(node, app):
    data = {"grant_type": "authorization_code", "redirect_uri": REDIRECT}
    assert_error(ask(node, app, "/token", data), 400, "invalid_request")
    answer = ask(node, app, "/token", data | {"code": "", "code_verifier": new_verifier()})
    assert_error(answer, 400, "invalid_request")


def test_parameters_in_the_url_count_for_nothing(node, browser, app):
    outcome = browser.authorize(app)
    answer = node.post(f"/token?code={outcome.code}", {"grant_type": "authorization_code"}, app)
    assert_error(answer, 400, "invalid_request")
    assert outcome.redeem(node).status_code == 200


def test_expiry(doornail, pair, browser, app, api):
    """A minute, by the database's clock."""
    outcome, rows = new_rows(doornail, "authorization_codes", lambda: browser.authorize(app))
    statement = (
        "SELECT extract(epoch FROM expires_at - clock_timestamp()) "
        "FROM authorization_codes WHERE id = %s"
    )
    assert len(rows) == 1
    assert 50 < doornail.sql(statement, rows[0])[0][0] <= 60
    doornail.sql(
        "UPDATE authorization_codes SET expires_at = clock_timestamp() - interval '1 second' "
        "WHERE id = %s",
        rows[0],
    )
    for node in pair:
        assert_error(outcome.redeem(node), 400, "invalid_grant")


@pytest.mark.parametrize(("minutes", "ends"), [(REPLAY_MINUTES - 1, True), (60, False)])
def test_late_replays(doornail, pair, browser, app, api, minutes, ends):
    """A replay ends the grant up to ten minutes after the redemption; it is refused for ever."""
    outcome, rows = new_rows(doornail, "authorization_codes", lambda: browser.authorize(app))
    tokens = Tokens.of(app, outcome.redeem(pair[0]))
    doornail.sql(
        f"UPDATE authorization_codes SET redeemed_at = redeemed_at - interval '{minutes} minutes', "
        f"expires_at = expires_at - interval '{minutes} minutes' WHERE id = %s",
        rows[0],
    )
    assert_error(outcome.redeem(pair[1]), 400, "invalid_grant")
    assert alive(pair, api, tokens.access) != ends


def test_public_client(doornail, pair, browser, api):
    """It names itself; with a secret it is no public client."""
    client = doornail.app("public", "--public", "--first-party")
    outcome = browser.authorize(client)
    with_secret = Client(client.id, "dn_cs_x")
    assert_error(outcome.redeem(pair[0], client=with_secret), 401, "invalid_client")
    other = doornail.app("public-too", "--public", "--first-party")
    assert_error(outcome.redeem(pair[0], client=other), 400, "invalid_grant")
    tokens = Tokens.of(client, outcome.redeem(pair[0]))
    assert_alive(pair, api, tokens)
    assert_error(outcome.redeem(pair[1]), 400, "invalid_grant")
    assert_dead(pair, api, tokens)


def test_a_client_without_refresh_tokens(doornail, node, browser, api):
    flags = ("--redirect-uri", REDIRECT, "--scope", "photos:read", "--first-party")
    client = doornail.client("short", *flags, grant="authorization_code")
    tokens = browser.tokens(client)
    assert tokens.refresh is None and "refresh_token" not in tokens.body
    assert node.is_active(api, tokens.access)
    answer = refresh(node, client, "dn_rt_" + "A" * 60)
    assert_error(answer, 400, "unauthorized_client")
    answer = node.post("/token", {"grant_type": "client_credentials"}, client)
    assert_error(answer, 400, "unauthorized_client")


def test_scopes(node, browser, app):
    """Asked for none: all but offline_access; what was granted is always told."""
    assert set(browser.tokens(app).scope.split()) == {"photos:read", "photos:write"}
    assert browser.tokens(app, scope="photos:read").scope == "photos:read"
    assert browser.tokens(app, scope="photos:read photos:read").scope == "photos:read"
    offline = browser.tokens(app, scope="offline_access photos:read")
    assert set(offline.scope.split()) == {"photos:read", "offline_access"}


def test_audiences(node, browser, both, api):
    """RFC 8707: asked for none, all of the client's; at /token it can only become less."""
    assert audiences(node, api, browser.tokens(both).access) == {MAIL, FILES}
    assert audiences(node, api, browser.tokens(both, resource=MAIL).access) == {MAIL}
    outcome = browser.authorize(both)
    narrowed = Tokens.of(both, outcome.redeem(node, resource=FILES))
    assert audiences(node, api, narrowed.access) == {FILES}
    assert audiences(node, api, narrowed.rotate(node).access) == {MAIL, FILES}
    outcome = browser.authorize(both, resource=MAIL)
    for resource in (FILES, OTHER, [MAIL, FILES], "relative"):
        assert_error(outcome.redeem(node, resource=resource), 400, "invalid_target")
    tokens = Tokens.of(both, outcome.redeem(node, resource=MAIL))
    assert audiences(node, api, tokens.access) == {MAIL}
    answer = refresh(node, both, tokens.refresh, resource=FILES)
    assert_error(answer, 400, "invalid_target")
    assert node.is_active(api, tokens.refresh), "a refused request consumes nothing"


def test_ten_grants_of_a_client_in_a_session(doornail, pair, node, ada, app, api):
    """Each authorization makes a grant of its own; the oldest of eleven ends, others stay."""
    browser = Browser(node, user_agent="eleven")
    browser.log_in(ada)
    other = browser.tokens(doornail.app("uncapped", "--first-party"))
    grants = [browser.tokens(app) for _ in range(10)]
    assert all(alive(pair, api, tokens.access) for tokens in grants)
    grants.append(browser.tokens(app))
    doornail.heard()
    assert_dead(pair, api, grants[0])
    for tokens in grants[1:] + [other]:
        assert_alive(pair, api, tokens)
    sid = next(s["id"] for s in doornail.sessions(ada) if s["user_agent"] == "eleven")
    grants = doornail.cli("session", "show", sid)["grants"]
    shown = [grant for grant in grants if grant["state"] == "alive"]
    assert sorted(g["client_id"] for g in shown) == ["app"] * 10 + ["uncapped"]
    assert len({g["id"] for g in shown}) == 11


def test_a_code_of_the_other_node(pair, ada, app, api):
    """Nodes are alike: each request of a login may reach another one."""
    browser = Browser(pair[0])
    page = browser.via(pair[1]).open("/login")
    browser.via(pair[0]).login(ada.name, ada.password, page)
    outcome = browser.via(pair[1]).authorize(app)
    tokens = Tokens.of(app, outcome.redeem(pair[0]))
    assert_alive(pair, api, tokens.rotate(pair[1]))
