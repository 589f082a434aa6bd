"""The test on real processes: runs phases, injects faults, judges the history, and reports.

    python Tests/Promise/promise.py --help
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import clocks  # noqa: E402
import sandbox  # noqa: E402
from checker import SECOND, check  # noqa: E402
from database import free_port  # noqa: E402
from failover import STANDBY, make_good  # noqa: E402
from faults import CLOCKS, SHORT, SINGLE, Scene  # noqa: E402
from races import RACES  # noqa: E402
from traps import TRAPS  # noqa: E402
from installation import Single, Standby  # noqa: E402
from recorder import Recorder  # noqa: E402
from report import Phase, Report  # noqa: E402
from workload import Prober, Workload  # noqa: E402
from world import World, now  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
BINARY = ROOT / ".build/debug/doornail"


FAULTS = {"single": (*SINGLE, *RACES), "standby": STANDBY}
# Until then everything has returned, commands too (Installation.spawn).
SETTLED_NS = 45 * SECOND
DURATIONS = (0.1, 0.3, 0.5, 1, 1, 2, 2, 4, 7, 10)


class Runner:
    """One phase: an installation, a workload, faults one after another, a verdict."""

    def __init__(self, options, folder, library, phase, trap=None):
        self.options, self.phase, self.trap = options, phase, trap
        self.name = trap or phase
        self.folder = folder / self.name
        self.folder.mkdir(mode=0o755)
        self.rng = random.Random(f"{options.seed} {self.name}")
        environment = {"DOORNAIL_CACHE": options.cache} if options.cache else {}
        if trap:
            environment |= {"DOORNAIL_TRAP": trap} | TRAPS[trap].environment
        arguments = (self.folder, options.binary, library, environment)
        if phase == "standby":
            self.installation = Standby(*arguments)
        else:
            self.installation = Single(*arguments, free_port=free_port)
        self.recorder = Recorder(self.folder / "history.jsonl")
        self.world = World(self.installation, self.recorder)
        self.prober = Prober(self.world, self.rng)
        self.workload = Workload(self.world, self.prober, f"{options.seed} {self.name}")
        self.faults = Counter()

    async def run(self, seconds, faults):
        """Everything, until the processes have ended."""
        try:
            await self.installation.start(TRAPS[self.trap].script if self.trap else "")
            await self.world.populate(users=3, apps=2, machines=3)
            start = now()
            self.workload.start()
            scene = Scene(self.installation, self.world, self.prober, self.workload, self.rng)
            await asyncio.sleep(1)
            deadline = time.monotonic() + seconds - 1
            while time.monotonic() < deadline and not self._is_over():
                await self._inject(scene, faults, deadline)
            await self.workload.stop()
            await self.prober.heal()
            await asyncio.sleep(1.2)
            violations = check(self.recorder.events)
            return Phase(self, (now() - start) / 1e9, start, violations)
        finally:
            self.installation.stop()
            self.recorder.close()

    def _is_over(self):
        """With a trap planted, the first violation is all that is wanted."""
        # What explains an answer may not have returned yet; what is alive after its end is final.
        settled = now() - SETTLED_NS
        return self.trap is not None and any(
            violation.rule in ("S1", "S3") or violation.at < settled
            for violation in check(self.recorder.events)
        )

    async def _inject(self, scene, faults, deadline):
        # Each kind before any comes again.
        rarest = min(self.faults[f.__name__] for f in faults)
        fault = self.rng.choice([f for f in faults if self.faults[f.__name__] == rarest])
        longest = 2 if self.options.short else 4 if self.trap else 10
        longest = min(longest, max(deadline - time.monotonic(), 0.1))
        seconds = min(self.rng.choice(DURATIONS), longest)
        if self.options.verbose:
            print(f"{self.name}: {fault.__name__} for {seconds:.1f} s", flush=True)
        start = now()
        await fault(scene, seconds)
        await make_good(scene)
        self.faults[fault.__name__] += 1
        self.recorder.add("fault", start, "ok", node=fault.__name__)
        await self.prober.heal()
        self.workload.check()


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, help="of all phases together (280)")
    parser.add_argument("--seed", help="repeats the choices of a run")
    parser.add_argument("--phases", default="single,standby", help="single,standby")
    parser.add_argument("--binary", type=Path, default=BINARY)
    parser.add_argument("--faults", help="only these, separated by commas")
    parser.add_argument("--short", action="store_true", help="a few faults on one PostgreSQL")
    parser.add_argument("--cache", help="DOORNAIL_CACHE of the nodes: 0 or 512MB")
    parser.add_argument(
        "--trap", metavar="NAME", help="plants a bug that debug builds know: names, or all"
    )
    parser.add_argument("--keep", action="store_true", help="keeps the histories and logs")
    parser.add_argument("--json", type=Path, help="writes the report there too")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    options.seed = options.seed or str(random.SystemRandom().randrange(1_000_000))
    options.binary = options.binary.absolute()
    if not options.binary.exists():
        parser.error(f"{options.binary} does not exist: build it")
    options.traps = options.trap.split(",") if options.trap else []
    if options.traps == ["all"]:
        options.traps = list(TRAPS)
    if not set(options.traps) <= set(TRAPS):
        parser.error(f"there is no trap {options.trap}: {', '.join(TRAPS)}")
    options.phases = ["single"] if options.short else options.phases.split(",")
    unknown = set(options.phases) - set(FAULTS)
    if unknown:
        parser.error(f"there is no phase {', '.join(unknown)}")
    options.faults = options.faults and options.faults.split(",")
    return options


def plan(options):
    """What to run: (phase, trap, seconds, faults)."""
    if options.traps:
        for name in options.traps:
            trap = TRAPS[name]
            yield trap.phase, name, options.seconds or trap.seconds, trap.faults
        return
    seconds = (options.seconds or 280) / len(options.phases)
    for phase in options.phases:
        faults = SHORT if options.short else FAULTS[phase]
        if options.faults:
            faults = [f for f in FAULTS[phase] if f.__name__ in options.faults]
        if faults:
            yield phase, None, seconds, faults


def run_plan(options, folder, without_namespaces):
    """Runs one phase after another; the report."""
    library = clocks.build(folder)
    report = Report(options)
    if library is None:
        report.skip("clock steps and rates", "there is no C compiler (cc)")
    if without_namespaces:
        report.skip("standby", without_namespaces)
    elif shutil.which("ip") is None:
        without_namespaces = "there is no ip (iproute2)"
        report.skip("standby", without_namespaces)
    for phase, trap, seconds, faults in plan(options):
        if phase == "standby" and without_namespaces:
            continue
        if library is None:
            faults = [f for f in faults if f not in CLOCKS]
        runner = Runner(options, folder, library, phase, trap)
        found = asyncio.run(runner.run(seconds, faults))
        report.add(found)
        if trap:
            print(report.trap_line(found), flush=True)
    return report


def main():
    options = parse()
    # The path of a socket has at most 107 bytes, so it is short whatever TMPDIR says.
    folder = Path(tempfile.mkdtemp(prefix="dn-promise-", dir="/tmp"))
    folder.chmod(0o755)
    is_first = True
    try:
        code, reason = sandbox.enter()
        if code is not None:
            return code
        # In namespaces of our own we are another process; the first one removes the folder.
        is_first = reason is not None
        signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))
        report = run_plan(options, folder, reason)
        report.print()
        if options.json:
            options.json.write_text(json.dumps(report.as_json(), indent=2) + "\n")
        return 0 if report.is_good else 1
    except KeyboardInterrupt:
        return 130
    except Exception:
        traceback.print_exc()
        print("the test itself failed", file=sys.stderr)
        return 3
    finally:
        if is_first and options.keep:
            print(f"the histories and logs are in {folder}")
        elif is_first:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
