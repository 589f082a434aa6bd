"""Judges a recorded history: does it keep the promise? Pure, and O(n log n) in its lines.

All times are nanoseconds of the client's monotonic clock. An operation took effect somewhere
between `invoked_ns` and `returned_ns`; one whose outcome is `unknown` may take effect later, or
never.
"""

import dataclasses
from bisect import bisect_left
from collections import Counter, defaultdict

SECOND = 1_000_000_000
FOREVER = 1 << 62
# How long after the client gave up a request may still take effect.
LINGER_NS = 20 * SECOND
# An expiry is told in whole seconds, and judged by the database's clock.
EXPIRY_SLACK_NS = 2 * SECOND
# How old the database's time may be that a node goes by.
HEARD_NS = SECOND
# The shortest life of a login or a grant that is not used, but for a day.
GRANT_NS = 13 * 24 * 3600 * SECOND
# A successor is given again for 30 s; whoever asks near the end of it may be too late.
RETRY_WINDOW_NS = 29 * SECOND
# Ready, and certain answers, after the last fault ended.
RECOVERY_NS = 10 * SECOND


@dataclasses.dataclass(frozen=True)
class Violation:
    """A rule that was broken, and the lines that prove it."""

    rule: str
    message: str
    lines: tuple

    @property
    def at(self):
        """When it was seen."""
        return self.lines[-1]["returned_ns"]


class Scope:
    """All revocations of one subject: a token, a grant, a session, a user, a client or a secret."""

    def __init__(self):
        self.events = []

    def prepare(self):
        """Sorts them for the two questions below."""
        acknowledged = sorted(
            (e for e in self.events if e["outcome"] == "ok"), key=lambda e: e["invoked_ns"]
        )
        self.starts = [e["invoked_ns"] for e in acknowledged]
        self.first_end = _suffix_minima(acknowledged, lambda e: e["returned_ns"])
        possible = sorted((e for e in self.events if e["outcome"] != "fail"), key=effective_end)
        self.ends = [effective_end(e) for e in possible]
        self.first_start = _suffix_minima(possible, lambda e: e["invoked_ns"])

    def certain(self, since):
        """The acknowledged revocation that returned first, of those invoked at or after `since`."""
        return _at(self.first_end, bisect_left(self.starts, since))

    def possible(self, since):
        """The revocation invoked first, of those that may have taken effect at or after `since`."""
        return _at(self.first_start, bisect_left(self.ends, since))


def _suffix_minima(events, key):
    """For each position the event with the smallest key from there on."""
    best, result = None, []
    for event in reversed(events):
        if best is None or key(event) <= key(best):
            best = event
        result.append(best)
    return result[::-1]


def _at(events, position):
    return events[position] if position < len(events) else None


def effective_end(event):
    """When an operation can have had its effect at the latest."""
    return event["returned_ns"] + (LINGER_NS if event["outcome"] == "unknown" else 0)


class History:
    """The lines of a history, with what the rules ask about them."""

    def __init__(self, events):
        self.events = events
        self.scopes = defaultdict(Scope)
        self.lineages = {}
        self.roots = {}
        self.issues = {}
        self.families = {}
        self.access = {}
        self.presented = defaultdict(list)
        self.successors = defaultdict(dict)
        self.replays = {}
        self.leaps = []
        for event in events:
            self._index(event)
        self.leaps.sort(key=lambda e: e["invoked_ns"])
        for scope in self.scopes.values():
            scope.prepare()
        self._find_replays()
        self._certain, self._possible = {}, {}

    def _index(self, event):
        op = event["op"]
        if op == "revoke":
            self.scopes[event["scope"], event["subject"]].events.append(event)
        elif op == "leap":
            self.leaps.append(event)
        elif op == "issue":
            self.families[event["family"]] = event
            self._name(event)
        elif op == "refresh":
            self.presented[event["token"]].append(event)
            if event["outcome"] == "ok":
                self._name(event)
                self.successors[event["token"]].setdefault(event["refresh"], event)

    def _name(self, event):
        for token in (event.get("access"), event.get("refresh")):
            if token is not None:
                self.issues.setdefault(token, event)
        if event.get("access") is not None:
            self.access[event["access"]] = event

    def _find_replays(self):
        """The first presentation in each family that may have been a replay, and so its end."""
        for token, presentations in self.presented.items():
            used = [e for e in presentations if e["outcome"] != "fail"]
            first = min(used, key=lambda e: e["invoked_ns"], default=None)
            successors = self.successors.get(token, ())
            later = min(
                (e["invoked_ns"] for s in successors for e in self.presented.get(s, ())),
                default=FOREVER,
            )
            for event in presentations:
                end = effective_end(event)
                late = first is not None and event is not first
                # A node hears of a leap by its next poll; until then the window seems over.
                least, most = self.ahead(event["invoked_ns"] - HEARD_NS, end)
                passed = end - first["invoked_ns"] + most - least if late else 0
                if later <= end or passed >= RETRY_WINDOW_NS:
                    family = event["family"]
                    known = self.replays.get(family)
                    if known is None or event["invoked_ns"] < known["invoked_ns"]:
                        self.replays[family] = event

    def lineage(self, family, token=None):
        """What a token hangs on: (scope, subject, since when at the earliest, at the latest)."""
        root = self.families.get(family)
        found = []
        if token is not None:
            found.append(("token", token, 0, 0))
        if root is None:
            return found
        # A grant, a session and a secret are ended once and for all; users and clients end what
        # began before.
        for scope in ("grant", "session", "secret"):
            if root.get(scope) is not None:
                found.append((scope, root[scope], 0, 0))
        for scope in ("user", "client"):
            if root.get(scope) is not None:
                since = root.get(scope + "_since")
                found.append((scope, root[scope], *(since or (0, 0))))
        return found

    def certain(self, family, token=None):
        """K: the acknowledged revocation by whose return this was dead, None if there is none."""
        key = (family, token)
        if key not in self._certain:
            found = self.all_certain(family, token)
            self._certain[key] = min(found, key=lambda e: e["returned_ns"], default=None)
        return self._certain[key]

    def all_certain(self, family, token=None):
        """The same for each thing that this hangs on."""
        found = [
            self.scopes[scope, subject].certain(latest)
            for scope, subject, _, latest in self.lineage(family, token)
            if (scope, subject) in self.scopes
        ]
        return [e for e in found if e is not None]

    def possible(self, family, token=None):
        """The revocation, or replay, invoked first of those that may have ended this."""
        key = (family, token)
        if key not in self._possible:
            found = [
                self.scopes[scope, subject].possible(earliest)
                for scope, subject, earliest, _ in self.lineage(family, token)
                if (scope, subject) in self.scopes
            ]
            found.append(self.replays.get(family))
            found = [e for e in found if e is not None]
            self._possible[key] = min(found, key=lambda e: e["invoked_ns"], default=None)
        return self._possible[key]

    def ahead(self, start, end):
        """How far the database's clock was ahead between two moments: at least, and at most."""
        known = [e for e in self.leaps if "ahead" in e]
        before = [e["ahead"] for e in known if e["returned_ns"] < start]
        within = [
            e["ahead"] for e in known if e["returned_ns"] >= start and e["invoked_ns"] <= end
        ]
        found = (before[-1:] or [0]) + within
        return min(found), max(found)

    def may_have_expired(self, token, event):
        """Whether an access token may have expired when a node answered, by the database's clock."""
        issue = self.access.get(token)
        if issue is None or issue.get("expires_ns") is None:
            return False
        behind, _ = self.ahead(issue["invoked_ns"] - HEARD_NS, issue["returned_ns"])
        _, ahead = self.ahead(event["invoked_ns"] - HEARD_NS, event["returned_ns"])
        return event["returned_ns"] + ahead - behind >= issue["expires_ns"] - EXPIRY_SLACK_NS

    def may_be_over(self, family, event):
        """Whether a grant's time may have passed by the database's clock, be it for a moment: what is
        over is removed, and does not come back with the time."""
        root = self.families.get(family)
        if root is None or root.get("session") is None:
            return False
        behind, ahead = self.ahead(root["user_since"][0] - HEARD_NS, event["returned_ns"])
        return ahead - behind >= GRANT_NS


def check(events):
    """The violations of a history, in the order in which they were seen."""
    history = History(list(events))
    found = []
    for event in history.events:
        rule = RULES.get(event["op"])
        if rule is not None:
            found += rule(history, event)
    found += list(one_successor(history))
    found += list(holds_after_healing(history))
    return sorted(found, key=lambda violation: violation.at)


def _dead_before(history, event, token=None):
    """The revocation that was acknowledged before this was invoked, if there is one."""
    ended = history.certain(event["family"], token)
    return ended if ended is not None and ended["returned_ns"] < event["invoked_ns"] else None


def _proof(history, event, *others):
    """The lines around a violation: where the token came from, and what else says so."""
    issue = history.issues.get(event.get("token"))
    return tuple(e for e in (issue, *others, event) if e is not None)


def introspection(history, event):
    """S1 and S4 of an introspection with a certain answer."""
    if event["outcome"] != "ok":
        return
    token, family = event["token"], event["family"]
    if event["active"]:
        ended = _dead_before(history, event, token)
        if ended is not None:
            late = (event["invoked_ns"] - ended["returned_ns"]) / 1e6
            yield Violation(
                "S1",
                f"{token} was active at {event['node']}, asked {late:.1f} ms after the revocation"
                f" of its {ended['scope']} was acknowledged",
                _proof(history, event, ended),
            )
        return
    cause = history.possible(family, token)
    if cause is not None and cause["invoked_ns"] <= event["returned_ns"]:
        return
    if history.may_have_expired(token, event) or history.may_be_over(family, event):
        return
    if any(e["invoked_ns"] <= event["returned_ns"] for e in history.presented.get(token, ())):
        return  # A refresh token that may have been replaced.
    yield Violation(
        "S4",
        f"{token} was inactive at {event['node']}, and nothing had ended it",
        _proof(history, event),
    )


def refresh(history, event):
    """S1 and S4 of a refresh."""
    family = event["family"]
    if event["outcome"] == "ok":
        ended = _dead_before(history, event)
        if ended is not None:
            late = (event["invoked_ns"] - ended["returned_ns"]) / 1e6
            yield Violation(
                "S1",
                f"{event['token']} was refreshed at {event['node']}, asked {late:.1f} ms after the"
                f" revocation of its {ended['scope']} was acknowledged",
                _proof(history, event, ended),
            )
    elif event["outcome"] == "fail" and event.get("error") == "invalid_grant":
        cause = history.possible(family)
        if history.may_be_over(family, event):
            return
        if cause is None or cause["invoked_ns"] > event["returned_ns"]:
            yield Violation(
                "S4",
                f"{event['token']} was refused at {event['node']}, and nothing had ended it",
                _proof(history, event),
            )


def issue(history, event):
    """S1 and S4 of a code's redemption, and of a client's own token."""
    scopes = [
        (scope, event[scope], *(event.get(scope + "_since") or (0, 0)))
        for scope in ("session", "user", "client")
        if event.get(scope) is not None
    ]
    if event["outcome"] == "ok":
        for scope, subject, _, latest in scopes:
            ended = history.scopes.get((scope, subject)) and history.scopes[
                scope, subject
            ].certain(latest)
            if ended and ended["returned_ns"] < event["invoked_ns"]:
                yield Violation(
                    "S1",
                    f"{event['node']} issued {event['access']} after the revocation of its {scope}"
                    " was acknowledged",
                    (ended, event),
                )
                return
    elif event["outcome"] == "fail" and event.get("error") == "invalid_grant":
        for scope, subject, earliest, _ in scopes:
            cause = history.scopes.get((scope, subject)) and history.scopes[
                scope, subject
            ].possible(earliest)
            if cause and cause["invoked_ns"] <= event["returned_ns"]:
                return
        # A code lives for a minute of the database's time, which a promotion may take forward.
        for leap in history.leaps if event.get("session") is not None else ():
            began = event["client_since"][0]
            if leap["invoked_ns"] <= event["returned_ns"] and leap["returned_ns"] >= began:
                return
        yield Violation(
            "S4", f"{event['node']} refused a fresh code, and nothing had ended it", (event,)
        )


def healing(history, event):
    """S5: ready, with certain answers, soon after the faults ended."""
    del history
    took = event["returned_ns"] - event["invoked_ns"]
    if event["outcome"] != "ok" or took > RECOVERY_NS:
        yield Violation(
            "S5",
            f"{event['node']} gave no certain answer for {took / 1e9:.1f} s after healing",
            (event,),
        )


RULES = {"introspect": introspection, "refresh": refresh, "issue": issue, "heal": healing}


def one_successor(history):
    """S3: all successful refreshes of one token gave the same successor."""
    for token, successors in history.successors.items():
        if len(successors) > 1:
            proof = sorted(successors.values(), key=lambda e: e["returned_ns"])
            yield Violation(
                "S3",
                f"{token} has {len(successors)} successors",
                tuple(e for e in (history.issues.get(token), *proof) if e is not None),
            )


def holds_after_healing(history):
    """S2: what was acknowledged until a healing was seen to hold at each node after it.

    A line `final` says that from here on this is asked; it covers what was acknowledged since the
    one before it.
    """
    finals = sorted(
        (e for e in history.events if e["op"] == "final"), key=lambda e: e["invoked_ns"]
    )
    starts = [final["invoked_ns"] for final in finals]
    if not finals:
        return
    expected = {}
    for token, made in history.access.items():
        ended = history.certain(made["family"], token)
        # What was issued while its end was under way was not known to be asked about.
        was_known = ended and made["returned_ns"] < ended["invoked_ns"]
        if was_known and ended["returned_ns"] < starts[-1]:
            expected.setdefault(_identity(ended), (token, ended))
    seen = defaultdict(set)
    for event in history.events:
        if event["op"] != "introspect" or event["outcome"] != "ok" or event["active"]:
            continue
        for ended in history.all_certain(event["family"], event["token"]):
            position = bisect_left(starts, ended["returned_ns"])
            if position < len(starts) and event["invoked_ns"] >= starts[position]:
                seen[_identity(ended)].add(event["node"])
    for identity, (token, ended) in expected.items():
        final = finals[bisect_left(starts, ended["returned_ns"])]
        missing = sorted(set(final["nodes"]) - seen[identity])
        if missing:
            yield Violation(
                "S2",
                f"after healing {', '.join(missing)} did not say that {token} is dead, by its"
                f" {ended['scope']}",
                (ended, final),
            )


def _identity(revocation):
    return revocation["scope"], revocation["subject"], revocation["returned_ns"]


def summary(events):
    """What a history counts: revocations, probes after them, and what was uncertain."""
    history = History(list(events))
    acknowledged, uncertain, probes = Counter(), Counter(), Counter()
    for event in history.events:
        op = event["op"]
        if op == "revoke":
            (acknowledged if event["outcome"] == "ok" else uncertain)[event["scope"]] += 1
        elif op in ("introspect", "refresh") and event["outcome"] != "unknown":
            token = event["token"] if op == "introspect" else None
            if _dead_before(history, event, token) is not None:
                probes[op] += 1
    operations = Counter(e["op"] for e in history.events)
    unknown = Counter(e["op"] for e in history.events if e.get("outcome") == "unknown")
    return {
        "operations": dict(operations),
        "uncertain_answers": dict(unknown),
        "revocations_acknowledged": dict(acknowledged),
        "revocations_not_acknowledged": dict(uncertain),
        "acknowledged": sum(acknowledged.values()),
        "probes_after_acknowledgement": sum(probes.values()),
        "replays": len(history.replays),
    }
