"""What a run found, for people and as JSON."""

import json

from checker import summary
from traps import TRAPS

SHOWN = 5
# What is seen so long after a fault is still taken for its doing.
AFTERMATH_NS = 1_500_000_000


def quantile(values, part):
    """A quantile in milliseconds, None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[min(int(len(ordered) * part), len(ordered) - 1)] / 1e6, 2)


class Phase:
    """One phase, judged."""

    def __init__(self, runner, seconds, start_ns, violations):
        self.name, self.trap = runner.phase, runner.trap
        self.violations, self.start_ns = violations, start_ns
        self.injected = [e for e in runner.recorder.events if e["op"] == "fault"]
        self.facts = {"phase": self.name, "trap": self.trap, "seconds": round(seconds, 1)}
        self.facts |= summary(runner.recorder.events)
        self.facts["violations"] = len(violations)
        self.facts["faults"] = dict(runner.faults)
        self.facts["faults_injected"] = sum(runner.faults.values())
        self.facts["latency_ms"] = {
            kind: {"n": len(v), "p50": quantile(v, 0.5), "p99": quantile(v, 0.99)}
            for kind, v in runner.world.latencies.items()
        }
        logs = [node.log.read_text(errors="replace") for node in runner.installation.nodes.values()]
        # A debug build says in its log what it has planted.
        self.is_planted = bool(self.trap) and all(self.trap in log for log in logs)
        if self.trap:
            self.facts["planted"] = self.is_planted
            self.facts["found_after_seconds"] = self.found_after

    @property
    def kinds(self):
        """The violations by rule, operation and the fault that they fell into."""
        found = {}
        for violation in self.violations:
            during = [
                f["node"] for f in self.injected
                if f["invoked_ns"] <= violation.at <= f["returned_ns"] + AFTERMATH_NS
            ]  # fmt: skip
            key = violation.rule, violation.lines[-1]["op"], during[-1] if during else "no fault"
            found.setdefault(key, []).append(violation)
        return found

    @property
    def found_after(self):
        """Seconds until the first violation was seen."""
        if not self.violations:
            return None
        return round((self.violations[0].at - self.start_ns) / 1e9, 1)


class Report:
    """All phases."""

    def __init__(self, options):
        self.options = options
        self.phases, self.skipped = [], {}

    def skip(self, name, reason):
        self.skipped[name] = reason

    def add(self, phase):
        self.phases.append(phase)

    @property
    def violations(self):
        return [v for phase in self.phases for v in phase.violations]

    @property
    def is_good(self):
        """Without traps: nothing was violated. With traps: all were found but the rare ones."""
        if self.options.traps:
            return all(
                p.is_planted and (p.violations or TRAPS[p.trap].is_rare) for p in self.phases
            )
        return not self.violations

    @staticmethod
    def trap_line(phase):
        """How fast a planted bug was found."""
        if phase.violations:
            first = phase.violations[0]
            text = f"found after {phase.found_after} s: {first.rule}, {first.message}"
        else:
            rare = ", which is rare" if TRAPS[phase.trap].is_rare else ""
            text = f"NOT FOUND within {phase.facts['seconds']:.0f} s{rare}"
        unknown = "" if phase.is_planted else " (the nodes' logs do not name it: was it planted?)"
        return f"{phase.trap:24} {phase.name:8} {text}{unknown}"

    def as_json(self):
        return {
            "seed": self.options.seed,
            "traps": self.options.traps,
            "skipped": self.skipped,
            "phases": [p.facts for p in self.phases],
            "violations": [
                {"phase": p.name, "rule": v.rule, "message": v.message, "lines": v.lines}
                for p in self.phases
                for kind in p.kinds.values()
                for v in kind[:SHOWN]
            ],
        }

    def print(self):
        print(f"seed {self.options.seed}")
        for name, reason in self.skipped.items():
            print(f"{name}: SKIPPED, {reason}")
        if self.options.traps:
            if len(self.options.traps) == 1 and self.phases:
                self._print_phase(self.phases[0])
            return
        for phase in self.phases:
            self._print_phase(phase)
        total = len(self.violations)
        print("the promise held" if total == 0 else f"THE PROMISE WAS BROKEN: {total} violations")

    @staticmethod
    def _print_phase(phase):
        facts = phase.facts
        scopes = ", ".join(f"{k} {v}" for k, v in sorted(facts["revocations_acknowledged"].items()))
        faults = ", ".join(f"{k} {v}" for k, v in sorted(facts["faults"].items()))
        operations = sum(facts["operations"].values())
        print(f"{phase.name}: {facts['seconds']} s, {operations} operations")
        print(f"  acknowledged revocations {facts['acknowledged']} ({scopes})")
        print(f"  probes after them        {facts['probes_after_acknowledgement']}")
        print(f"  violations               {facts['violations']}")
        print(f"  faults injected          {facts['faults_injected']} ({faults})")
        for kind, latency in facts["latency_ms"].items():
            print(f"  {kind:10} ms          p50 {latency['p50']}, p99 {latency['p99']}")
        for (rule, op, fault), violations in phase.kinds.items():
            print(f"  {rule}: {len(violations)} by {op}, during {fault}; the first:")
            print(f"    {violations[0].message}")
            for line in violations[0].lines:
                print(f"      {json.dumps(line)}")
