"""The matrix: everything that can end, and everything that hangs on it, at both nodes.

CHECKLIST.md, part 2: {ended or disabled thing} x {code, refresh, introspect, cookie}; every pair of
ends; enabling again revives nothing; what a 200 said is true after a kill -9.
"""

import dataclasses
import uuid
from itertools import permutations

import pytest

from browser import Browser, Tokens, alive, ask, refresh
from support import Client, in_parallel

OFFLINE = "photos:read offline_access"


@pytest.fixture(scope="module")
def node(pair):
    return pair[0]


@pytest.fixture(scope="module")
def other_app(doornail):
    """What hangs on the same login through another application."""
    return doornail.app("other-app", "--first-party")


@pytest.fixture(scope="module")
def bystander(node, bob, other_app):
    """Another person's login; nothing here may end it."""
    browser = Browser(node)
    browser.log_in(bob)
    return browser, browser.tokens(other_app)


@dataclasses.dataclass
class Login:
    """One person's login in one browser, and all that came of it."""

    doornail: object
    pair: list
    person: object
    browser: Browser
    client: Client
    other: Client
    sid: str
    tokens: dict = dataclasses.field(default_factory=dict)
    codes: dict = dataclasses.field(default_factory=dict)

    def grant_ids(self):
        """The grants of the client, as they are listed."""
        online = self.doornail.cli("session", "show", self.sid)["grants"]
        apps = self.doornail.cli("user", "show", self.person.name)["apps"]
        return {one["id"] for one in online + apps if one["client_id"] == self.client.id}

    def probe(self, api):
        """What is alive: introspected everywhere first, used afterwards."""
        told = {}
        for name, tokens in self.tokens.items():
            told[f"{name} access"] = alive(self.pair, api, tokens.access)
            told[f"{name} refresh"] = alive(self.pair, api, tokens.refresh)
        told["cookie"] = self.browser.via(self.pair[1]).is_logged_in(self.other)
        assert told["cookie"] == self.browser.twin().via(self.pair[0]).is_logged_in(self.other)
        for name, tokens in self.tokens.items():
            answer = refresh(self.pair[0], tokens.client, tokens.refresh)
            worked = self.worked(tokens.client, answer)
            assert worked == told[f"{name} refresh"], f"{name}: introspection says otherwise"
            if worked:
                self.tokens[name] = Tokens.of(tokens.client, answer)
        for name, outcome in self.codes.items():
            answer = outcome.redeem(self.pair[1])
            told[f"{name} code"] = self.worked(outcome.client, answer)
            if not told[f"{name} code"] and self.client.secret and answer.status_code == 400:
                # Neither at the other node.
                assert not self.worked(outcome.client, outcome.redeem(self.pair[0]))
        return told

    @staticmethod
    def worked(client, answer):
        if answer.status_code == 200:
            assert Tokens.of(client, answer).refresh
            return True
        assert (answer.status_code, answer.json()["error"]) in (
            (400, "invalid_grant"),
            (401, "invalid_client"),
        ), answer.text
        return False


@pytest.fixture
def begin(doornail, pair, ada, other_app):
    """Makes logins: a client of its own, online and offline, with tokens and waiting codes."""

    def make(person=ada, browser=None, codes=True):
        client = doornail.app(f"c{uuid.uuid4().hex[:12]}", "--first-party")
        agent = uuid.uuid4().hex
        if browser is None:
            browser = Browser(pair[0], user_agent=agent)
            browser.log_in(person)
        agent = browser.headers["User-Agent"]
        sid = next(s["id"] for s in doornail.sessions(person) if s["user_agent"] == agent)
        login = Login(doornail, pair, person, browser, client, other_app, sid)
        login.tokens["online"] = browser.tokens(client, scope="photos:read")
        login.tokens["offline"] = browser.tokens(client, scope=OFFLINE)
        login.tokens["other"] = browser.tokens(other_app, scope="photos:read")
        if codes:
            login.codes["online"] = browser.authorize(client, scope="photos:read")
            login.codes["offline"] = browser.authorize(client, scope=OFFLINE)
            login.codes["other"] = browser.authorize(other_app, scope="photos:read")
        return login

    return make


def end_tokens(login):
    for name in ("online", "offline"):
        tokens = login.tokens[name]
        answer = ask(login.pair[0], login.client, "/revoke", {"token": tokens.access})
        assert answer.status_code == 200


def end_grants(login):
    for name in ("online", "offline"):
        tokens = login.tokens[name]
        answer = ask(login.pair[0], login.client, "/revoke", {"token": tokens.refresh})
        assert answer.status_code == 200


def end_grants_by_command(login):
    ids = login.grant_ids()
    assert len(ids) == 2
    for one in ids:
        login.doornail.cli("revoke", "grant", one)


def log_out(login):
    page = login.browser.open("/logout")
    kept = dict(login.browser.cookies)
    assert login.browser.submit(page).status_code == 303
    assert login.browser.session is None
    # Whoever copied the cookie still has it.
    login.browser.cookies = kept


def command(*words):
    """An end by the command line; the words are made of the login's fields."""
    return lambda login: login.doornail.cli(
        *(
            word.format(sid=login.sid, user=login.person.name, client=login.client.id)
            for word in words
        )
    )


ENDS = {
    "token": end_tokens,
    "grant": end_grants,
    "grant by command": end_grants_by_command,
    "session": command("revoke", "session", "{sid}"),
    "logout": log_out,
    "user": command("revoke", "user", "{user}"),
    "password": lambda login: login.doornail.set_password(login.person),
    "user disabled": command("user", "disable", "{user}"),
    "user deleted": command("user", "delete", "{user}"),
    "client": command("revoke", "client", "{client}"),
    "client disabled": command("client", "disable", "{client}"),
    "client deleted": command("client", "delete", "{client}"),
}
ALL = {
    f"{name} {what}" for name in ("online", "offline", "other")
    for what in ("access", "refresh", "code")
} | {"cookie"}  # fmt: skip
OF_THE_CLIENT = {one for one in ALL if one.startswith(("online", "offline"))}
# What is dead after each end; all the rest is alive.
DEAD = {
    "token": {"online access", "offline access"},
    "grant": {one for one in OF_THE_CLIENT if not one.endswith("code")},
    "grant by command": {one for one in OF_THE_CLIENT if not one.endswith("code")},
    # An offline grant outlives its session; a code that waits does not.
    "session": ALL - {"offline access", "offline refresh"},
    "logout": ALL - {"offline access", "offline refresh"},
    "user": ALL,
    "password": ALL,
    "user disabled": ALL,
    "user deleted": ALL,
    "client": OF_THE_CLIENT,
    "client disabled": OF_THE_CLIENT,
    "client deleted": OF_THE_CLIENT,
}


def dead(told):
    return {name for name, is_alive in told.items() if not is_alive}


def assert_spared(pair, api, bystander, other_app):
    browser, tokens = bystander
    assert browser.via(pair[0]).is_logged_in(other_app)
    assert alive(pair, api, tokens.access) and alive(pair, api, tokens.refresh)


@pytest.mark.parametrize("end", ENDS)
def test_ends(doornail, pair, begin, api, bystander, other_app, end):
    login = begin(doornail.user("mortal")) if end == "user deleted" else begin()
    ENDS[end](login)
    assert dead(login.probe(api)) == DEAD[end]
    assert_spared(pair, api, bystander, other_app)
    listed = end != "user deleted" and {one["id"] for one in doornail.sessions(login.person)}
    if "cookie" in DEAD[end]:
        assert not listed or login.sid not in listed
    else:
        assert login.sid in listed

    # Enabling, or making again what was deleted, revives nothing.
    kind, _, how = end.partition(" ")
    if how == "disabled":
        name = login.person.name if kind == "user" else login.client.id
        doornail.cli(kind, "enable", name)
    elif end == "client deleted":
        login.client = doornail.app(login.client.id, "--first-party")
        for tokens in list(login.tokens):
            if tokens != "other":
                old = login.tokens[tokens]
                login.tokens[tokens] = dataclasses.replace(old, client=login.client)
    elif end == "user deleted":
        login.person = doornail.user(login.person.name)
    else:
        return
    login.codes = {}
    again = dead(login.probe(api))
    assert again == {name for name in DEAD[end] if not name.endswith("code")}

    # What comes later is alive.
    login.browser = Browser(pair[0])
    login.browser.log_in(login.person)
    tokens = login.browser.tokens(login.client)
    assert alive(pair, api, tokens.access) and alive(pair, api, tokens.refresh)


def test_a_disabled_user_cannot_log_in(doornail, pair, begin, other_app):
    mallory = doornail.user("mallory")
    doornail.cli("user", "disable", mallory.name)
    browser = Browser(pair[0])
    assert browser.login(mallory.name, mallory.password).status_code == 303
    assert browser.session is None
    doornail.cli("user", "enable", mallory.id)
    browser.log_in(mallory)
    assert browser.is_logged_in(other_app)


def test_an_old_password_is_none(doornail, pair, ada):
    old = dataclasses.replace(ada)
    doornail.set_password(ada)
    browser = Browser(pair[1])
    assert browser.login(old.name, old.password).status_code == 303
    assert browser.session is None
    browser.log_in(ada)


def test_a_user_made_again_has_another_subject(doornail, pair, other_app):
    """A name that was deleted and given to somebody else opens nothing."""
    first = doornail.user("namesake")
    browser = Browser(pair[0])
    browser.log_in(first)
    doornail.cli("user", "delete", first.name)
    second = doornail.user("namesake")
    assert second.id != first.id
    assert not browser.is_logged_in(other_app)
    assert Browser(pair[0]).login(first.name, first.password).status_code == 303
    assert doornail.sessions(second) == []


PAIRS = list(permutations(("token", "grant", "session", "user", "client"), 2))


@pytest.fixture(scope="module")
def lasting(pair, ada):
    """A browser for ends that leave its session alone."""
    browser = Browser(pair[0], user_agent="lasting")
    browser.log_in(ada)
    return browser


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=" then ".join)
def test_no_end_masks_another(begin, ada, api, lasting, other_app, first, second):
    """Every pair of ends (CVE-2026-8922): what either of them ends is dead after both."""
    if not lasting.is_logged_in(other_app):
        lasting.log_in(ada)
    login = begin(browser=lasting, codes=False)
    ENDS[first](login)
    ENDS[second](login)
    expected = {one for one in DEAD[first] | DEAD[second] if not one.endswith("code")}
    assert dead(login.probe(api)) == expected


@pytest.mark.parametrize("end", ["logout", "session", "user"])
def test_kill_9_after_the_end(doornail, pair, begin, api, end):
    """A node that is gone takes nothing of it back (CVE-2026-9802)."""
    login = begin(codes=False)
    brief = doornail.node(DOORNAIL_ISSUER=pair[0].environment["DOORNAIL_ISSUER"])
    login.browser.via(brief)
    assert login.browser.is_logged_in(login.other)
    ENDS[end](login)
    brief.kill()
    brief.start()
    login.pair = [brief, *pair]
    expected = {one for one in DEAD[end] if not one.endswith("code")}
    assert dead(login.probe(api)) == expected
    brief.stop()


@pytest.mark.parametrize("column", ["idle_expires_at", "expires_at"])
def test_sessions_expire(doornail, begin, api, column):
    """Idle or too old: as if it had been ended, with any clean-up or without."""
    login = begin()
    doornail.sql(
        f"UPDATE sessions SET {column} = clock_timestamp() - interval '1 second' WHERE id = %s",
        login.sid,
    )
    told = dead(login.probe(api))
    assert told >= {"cookie", "online refresh", "online code", "other refresh", "other code"}
    assert not told & {"offline access", "offline refresh"}
    assert login.sid not in {one["id"] for one in doornail.sessions(login.person)}


def test_log_out_everywhere_while_many_ask(doornail, pair, begin, api):
    """The 200 of the last end is the last word: asked at once, at both nodes, all is dead."""
    login = begin(codes=False)
    doornail.cli("revoke", "user", login.person.id)
    tokens = [t for one in login.tokens.values() for t in (one.access, one.refresh)]
    told = in_parallel(40, lambda i: pair[i % 2].is_active(api, tokens[i % len(tokens)]))
    assert not any(told)
