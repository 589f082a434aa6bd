"""The checker, on histories that are right and on ones with a planted violation of each kind."""

import random
import time

import pytest

from checker import SECOND, check, summary

MS = 1_000_000
HOUR = 3_600_000


class Story:
    """A history, written in milliseconds."""

    def __init__(self):
        self.events = []

    def add(self, op, start, end, outcome="ok", **fields):
        self.events.append(
            {"op": op, "node": "n1"}
            | fields
            | {"invoked_ns": start * MS, "returned_ns": end * MS, "outcome": outcome}
        )
        return self

    def login(self, at=0, grant="g1", session="s1", user="u1", expires=300_000, **fields):
        """A grant with its first tokens, a<grant> and r<grant>; it was logged in to at `at`."""
        since = [at * MS, (at + 5) * MS]
        lineage = {
            "family": grant,
            "grant": grant,
            "session": session,
            "user": user,
            "client": "c1",
            "user_since": since,
            "client_since": since,
            "expires_ns": (at + expires) * MS,
        }
        named = {"access": "a" + grant, "refresh": "r" + grant}
        return self.add("issue", at + 5, at + 10, **(lineage | named | fields))

    def token(self, name="t1", client="c9", at=0, **fields):
        """A client's own token."""
        since = [at * MS, (at + 5) * MS]
        fields = {"client": client, "client_since": since, "expires_ns": 300_000 * MS} | fields
        return self.add("issue", at, at + 5, family="f" + name, access=name, **fields)

    def ask(self, start, end, active, token="ag1", family="g1", **fields):
        return self.add(
            "introspect", start, end, token=token, family=family, active=active, **fields
        )

    def revoke(self, start, end, scope="grant", subject="g1", outcome="ok"):
        return self.add("revoke", start, end, outcome, scope=scope, subject=subject)

    def refresh(self, start, end, token="rg1", to="r2", outcome="ok", family="g1"):
        fields = {"token": token, "family": family}
        if outcome == "ok":
            fields |= {"access": f"a-{to}-{start}", "refresh": to, "expires_ns": 300_000 * MS}
        elif outcome == "fail":
            fields["error"] = "invalid_grant"
        return self.add("refresh", start, end, outcome, **fields)

    def leap(self, at, ahead):
        """The database's clock is so many seconds ahead from then on."""
        return self.add("leap", at, at + 1, ahead=int(ahead * SECOND))

    def final(self, at, nodes=("n1",)):
        return self.add("final", at, at + 1, nodes=list(nodes))

    @property
    def rules(self):
        return [violation.rule for violation in check(self.events)]


RIGHT = {
    "nothing": Story(),
    "a life and an end": Story()
    .login()
    .ask(20, 25, True)
    .revoke(30, 40)
    .ask(35, 45, True)
    .ask(35, 45, False)
    .ask(41, 44, False),
    "asked at the very moment of the answer": Story().login().revoke(30, 40).ask(40, 44, True),
    "a revocation that was not acknowledged": Story()
    .login()
    .revoke(30, 40, outcome="unknown")
    .ask(50, 55, True)
    .ask(60, 65, False),
    "a revocation that was refused": Story()
    .login()
    .revoke(30, 40, outcome="fail")
    .ask(50, 55, True),
    "another login of the same user": Story()
    .login()
    .revoke(30, 40, "user", "u1")
    .login(50, "g2", "s2")
    .ask(70, 75, True, "ag2", "g2"),
    "a login while the user is ended, dead or alive": Story()
    .revoke(3, 40, "user", "u1")
    .login()
    .ask(70, 75, True)
    .ask(80, 85, False),
    "an unknown end takes effect late": Story()
    .login(0)
    .revoke(1, 2, "user", "u1", "unknown")
    .login(1000, "g2", "s2")
    .ask(2000, 2010, False, "ag2", "g2"),
    "expiry": Story().login(expires=1000).ask(500, 505, True).ask(1100, 1105, False),
    "one successor, told twice": Story().login().refresh(20, 30).refresh(25, 40).refresh(50, 60),
    "a replay ends the grant": Story()
    .login()
    .refresh(20, 30)
    .refresh(40, 50, "r2", "r3")
    .refresh(60, 70, outcome="fail")
    .ask(80, 85, False)
    .refresh(90, 95, "r3", outcome="fail"),
    "a retry that came too late is a replay": Story()
    .login()
    .refresh(20, 30)
    .refresh(31_000, 31_010, outcome="fail")
    .ask(31_020, 31_030, False),
    "a refresh that raced with the end": Story()
    .login()
    .revoke(30, 40)
    .refresh(35, 50)
    .ask(60, 65, False, "a-r2-35"),
    "a refresh token that was replaced": Story()
    .login()
    .refresh(20, 30)
    .ask(40, 45, False, token="rg1"),
    "held after healing": Story()
    .login()
    .revoke(30, 40)
    .final(100, ("n1", "n2"))
    .ask(110, 115, False)
    .ask(110, 115, False, node="n2"),
    "held after each healing, once asked": Story()
    .login()
    .revoke(30, 40)
    .final(100)
    .ask(110, 115, False)
    .final(200)
    .login(210, "g2", "s2")
    .revoke(230, 240, "grant", "g2")
    .final(300)
    .ask(310, 315, False, "ag2", "g2"),
    "a code refused as the time leapt": Story()
    .add("leap", 2, 4)
    .login(outcome="fail", access=None, refresh=None, error="invalid_grant"),
    "expired while the clock is ahead, and not when it is right again": Story()
    .login(expires=2 * HOUR)
    .leap(1000, 3 * 3600)
    .ask(1100, 1105, False)
    .leap(5000, 0)
    .ask(9000, 9005, True),
    "a grant that was over for a moment, and was removed": Story()
    .login(expires=2 * HOUR)
    .leap(1000, 365 * 86_400)
    .leap(5000, 0)
    .ask(9000, 9005, False)
    .refresh(9010, 9015, outcome="fail"),
    "issued while the clock was behind": Story()
    .leap(0, -3 * 3600)
    .token(at=2000, expires_ns=(2 * HOUR + 2000) * MS)
    .leap(5000, 0)
    .ask(9000, 9005, False, "t1", "ft1"),
    "a retry as the time leapt": Story()
    .login(expires=2 * HOUR)
    .refresh(990, 995)
    .leap(1000, 65 * 60)
    .refresh(1010, 1015, outcome="fail"),
    "healed in time": Story().add("heal", 0, 9_000),
    "its own token ended, the grant lives": Story()
    .login()
    .revoke(30, 40, "token", "ag1")
    .refresh(50, 60)
    .ask(70, 75, True, "a-r2-50")
    .ask(70, 75, False),
    "a code that was refused by a racing logout": Story()
    .revoke(1, 8, "session", "s1")
    .login(outcome="fail", access=None, refresh=None, error="invalid_grant"),
}

WRONG = {
    "active after its grant ended": (
        "S1",
        Story().login().revoke(30, 40).ask(41, 44, True),
    ),
    "active after its own end": (
        "S1",
        Story().token().revoke(30, 40, "token", "t1").ask(41, 44, True, "t1", "ft1"),
    ),
    "active after its session ended": (
        "S1",
        Story().login().revoke(30, 40, "session", "s1").ask(41, 44, True),
    ),
    "active again after the clock was ahead": (
        "S1",
        Story()
        .token()
        .revoke(30, 40, "token", "t1")
        .leap(1000, 365 * 86_400)
        .leap(5000, 0)
        .ask(9000, 9005, True, "t1", "ft1"),
    ),
    "ended while the clock was ahead": (
        "S1",
        Story()
        .token()
        .leap(1000, 365 * 86_400)
        .revoke(2000, 2010, "token", "t1")
        .leap(5000, 0)
        .ask(9000, 9005, True, "t1", "ft1"),
    ),
    "active after its user ended": (
        "S1",
        Story().login().revoke(30, 40, "user", "u1").ask(41, 44, True),
    ),
    "active after its client ended": (
        "S1",
        Story().token().revoke(30, 40, "client", "c9").ask(41, 44, True, "t1", "ft1"),
    ),
    "active after its secret was retired": (
        "S1",
        Story().token(secret="k1").revoke(30, 40, "secret", "k1").ask(41, 44, True, "t1", "ft1"),
    ),
    "the first of two acknowledgements counts": (
        "S1",
        Story().login().revoke(50, 90).revoke(30, 40).ask(60, 64, True),
    ),
    "the end of another came first": (
        "S1",
        Story().login().revoke(1, 2, "user", "u1").revoke(30, 40, "user", "u1").ask(60, 64, True),
    ),
    "a token minted by a racing refresh": (
        "S1",
        Story().login().revoke(30, 40).refresh(35, 50).ask(60, 65, True, "a-r2-35"),
    ),
    "a refresh after the end": ("S1", Story().login().revoke(30, 40).refresh(41, 50)),
    "a code redeemed after the session ended": (
        "S1",
        Story().revoke(1, 3, "session", "s1").login(),
    ),
    "not dead at one node after healing": (
        "S2",
        Story().login().revoke(30, 40).final(100, ("n1", "n2")).ask(110, 115, False),
    ),
    "no certain answer after healing": (
        "S2",
        Story().login().revoke(30, 40).final(100).add(
            "introspect", 110, 115, "unknown", token="ag1", family="g1"
        ),
    ),
    "two successors": ("S3", Story().login().refresh(20, 30).refresh(25, 40, to="r9")),
    "inactive without a cause": ("S4", Story().login().ask(20, 25, False)),
    "inactive long before it expires": ("S4", Story().login(expires=9000).ask(20, 25, False)),
    "inactive by another user's end": (
        "S4",
        Story().login().revoke(12, 15, "user", "u2").ask(20, 25, False),
    ),
    "inactive by an end before the login": (
        "S4",
        Story().revoke(1, 5, "user", "u1").login(10).ask(40, 45, False),
    ),
    "inactive before the end was asked for": (
        "S4",
        Story().login().ask(20, 25, False).revoke(26, 30),
    ),
    "inactive by a revocation that was refused": (
        "S4",
        Story().login().revoke(12, 15, outcome="fail").ask(20, 25, False),
    ),
    "refused without a cause": ("S4", Story().login().refresh(20, 30, outcome="fail")),
    "a retry refused in its window": (
        "S4",
        Story().login().refresh(20, 30).refresh(5000, 5010, outcome="fail"),
    ),
    "a fresh code refused": (
        "S4",
        Story().login(outcome="fail", access=None, refresh=None, error="invalid_grant"),
    ),
    "a code refused long after the time leapt": (
        "S4",
        Story()
        .add("leap", 0, 5)
        .login(at=20, outcome="fail", access=None, refresh=None, error="invalid_grant"),
    ),
    "inactive long after the clock was ahead": (
        "S4",
        Story().login(expires=2 * HOUR).leap(1000, 3 * 3600).leap(5000, 0).ask(9000, 9005, False),
    ),
    "inactive though the clock is not so far ahead": (
        "S4",
        Story().login(expires=2 * HOUR).leap(1000, 3600).ask(1100, 1105, False),
    ),
    "refused though the clock was not so far ahead": (
        "S4",
        Story().login().leap(1000, 86_400).refresh(9000, 9005, outcome="fail"),
    ),
    "inactive, and what was over for a moment hangs on no grant": (
        "S4",
        Story()
        .token(expires_ns=2 * HOUR * MS)
        .leap(1000, 365 * 86_400)
        .leap(5000, 0)
        .ask(9000, 9005, False, "t1", "ft1"),
    ),
    "a retry refused long after the time leapt": (
        "S4",
        Story()
        .login(expires=2 * HOUR)
        .refresh(990, 995)
        .leap(1000, 65 * 60)
        .refresh(9000, 9005, outcome="fail"),
    ),
    "healed too late": ("S5", Story().add("heal", 0, 12_000)),
    "never healed": ("S5", Story().add("heal", 0, 9_000, "fail")),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_history(name):
    assert check(RIGHT[name].events) == []


@pytest.mark.parametrize("name", WRONG)
def test_a_planted_violation(name):
    rule, story = WRONG[name]
    assert story.rules == [rule]


@pytest.mark.parametrize("name", WRONG)
def test_the_proof_ends_with_what_was_wrong(name):
    for violation in check(WRONG[name][1].events):
        assert violation.message
        assert all(line in WRONG[name][1].events for line in violation.lines)


def test_the_order_of_lines_does_not_matter():
    for name, (rule, story) in WRONG.items():
        events = list(story.events)
        for seed in range(5):
            random.Random(seed).shuffle(events)
            assert [v.rule for v in check(events)] == [rule], name


def test_counts():
    story = RIGHT["a life and an end"]
    counted = summary(story.events)
    assert counted["acknowledged"] == 1
    assert counted["probes_after_acknowledgement"] == 1
    assert counted["operations"]["introspect"] == 4


def test_a_long_history_is_checked_quickly():
    story = Story()
    for i in range(20_000):
        at, grant = 100 * i, f"g{i}"
        story.login(at, grant, f"s{i}", f"u{i % 3}")
        story.ask(at + 20, at + 25, True, "a" + grant, grant)
        story.revoke(at + 30, at + 40, "user", f"u{i % 3}")
        story.ask(at + 45, at + 50, False, "a" + grant, grant)
    start = time.monotonic()
    assert check(story.events) == []
    assert time.monotonic() - start < 10
    story.ask(10_000_000, 10_000_001, True, "ag7", "g7")
    (violation,) = check(story.events)
    assert violation.rule == "S1" and violation.at > 9_000 * SECOND
