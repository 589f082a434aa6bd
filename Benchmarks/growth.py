"""What grows, and what does not, as grants and revocations become many: the speed of introspection
and of revocation, the memory of a node, the database.

    .venv/bin/python Benchmarks/growth.py            some 20 minutes, and up to 25 GB below /tmp
    .venv/bin/python Benchmarks/growth.py --quick    a minute and a half, to see that it works

As root it gives PostgreSQL huge pages meanwhile, as docs/operating.md has it for millions of logins.
One machine has it all: PostgreSQL, nodes (DOORNAIL_BINARY, or the release build), and wrk with 64
connections. What is compared takes turns; figures are medians of the rounds.
"""

import argparse
import contextlib
import dataclasses
import itertools
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault("DOORNAIL_BINARY", str(ROOT / ".build/release/doornail"))
sys.path.insert(0, str(ROOT / "Tests/EndToEnd"))

import growth_data
from growth_charts import svg
from growth_place import MODES, Place, cached
from measure import memory_megabytes
from postgres import Cluster

BEGIN, END = "<!-- growth -->", "<!-- end of growth -->"
# Revocations that come at once: a node that is 20,000 behind would rather begin anew.
BATCH = 10_000
FIGURES = {"rate": ",.0f", "p99": ",.2f"}


@dataclasses.dataclass(frozen=True)
class Plan:
    """How large everything is, and how long it is measured."""

    grants: tuple = (10_000, 1_000_000, 10_000_000)
    # Over this many the revocations, the memory and the ends of users are measured.
    middle: int = 1_000_000
    tokens: int = 100_000
    revocations: tuple = (0, 10_000, 1_000_000)
    user_grants: tuple = (1, 1_000, 100_000)
    introspections: int = 10_000_000
    idle_seconds: int = 60
    # Rounds of this many seconds, after some to warm up in.
    rounds: int = 7
    seconds: int = 3
    run_in_seconds: int = 2
    ends: int = 3
    shared_buffers: str = "8GB"
    # Of 2 MB: the buffers, and a tenth more for what belongs to them.
    huge_pages: int = 4500


QUICK = Plan(
    grants=(10_000, 100_000), middle=100_000, tokens=10_000, revocations=(0, 1_000, 50_000),
    user_grants=(1, 100, 10_000), introspections=200_000, idle_seconds=3, rounds=3,
    seconds=1, run_in_seconds=0, shared_buffers="1GB", huge_pages=570,
)  # fmt: skip


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small numbers, a minute and a half")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help=f"puts all between its {BEGIN} and {END}"
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FILE.svg", help="draws throughput and p99"
    )
    return parser.parse_args()


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


# Introspection over something that grows.


def nodes_of(place, plan, revoked=0):
    """A node that remembers, and one that does not. Tokens are revoked while they run: a node that
    starts later need not know of them."""
    nodes = {mode: place.node(**settings) for mode, settings in MODES.items()}
    with place.connect() as connection:
        for first in range(1, revoked + 1, BATCH):
            growth_data.add_revocations(connection, first, min(first + BATCH - 1, revoked))
            place.wait_until_applied()
        growth_data.settle(connection, "revoked_tokens, revocations, revocation_clock")
    # What is not remembered is in PostgreSQL's memory then, wherever it was left when it was loaded.
    for node in nodes.values():
        place.fill(node, plan.tokens)
    return nodes


def turns(places, nodes, plan, around=contextlib.nullcontext):
    """All nodes in turn, some rounds; what was measured, by mode and size."""
    results = {(mode, count): [] for mode in MODES for count in places}
    for _, (count, place) in itertools.product(range(plan.rounds), places.items()):
        with around(place):
            for mode, node in nodes[count].items():
                if plan.run_in_seconds:
                    place.load(node, plan.run_in_seconds)
                told = place.load(node, plan.seconds)
                one = {"rate": told["requests"] / told["seconds"], "p99": told["p99"] / 1000}
                results[mode, count].append(one)
                say(f"{place.doornail.database}: {mode} {one['rate']:,.0f}/s, {one['p99']:.2f} ms")
    for place in places.values():
        place.doornail.stop()
    return results


def comparison(what, results, counts):
    """The sizes by mode, and the largest beside the smallest of the same round."""
    rows = []
    for mode in MODES:
        for count in counts:
            cells = []
            for figure, form in FIGURES.items():
                values = [one[figure] for one in results[mode, count]]
                middle = statistics.median(values)
                cells += [format(middle, form), f"{(max(values) - min(values)) / middle:.0%}"]
            rows.append([mode, f"{count:,}", *cells])
        # By round: what the machine did meanwhile, it did to both.
        pairs = list(zip(results[mode, counts[-1]], results[mode, counts[0]], strict=True))
        ratios = [statistics.median(most[figure] / fewest[figure] for most, fewest in pairs)
                  for figure in FIGURES]  # fmt: skip
        rows.append([mode, "most / fewest", f"{ratios[0]:.2f}", "", f"{ratios[1]:.2f}", ""])
    return table(["", what, "requests/s", "spread", "p99 ms", "spread"], rows)


def over_grants(places, plan):
    """What the first stage measured, and its report."""
    nodes = {count: nodes_of(place, plan) for count, place in places.items()}
    results = turns(places, nodes, plan)
    sizes = []
    for count, place in places.items():
        tables = ("sessions", "grants")
        each = [place.ask(f"pg_total_relation_size('{name}')")[0] / count for name in tables]
        sizes.append([f"{count:,}", *(f"{size:.0f}" for size in [*each, sum(each)])])
    return results, [
        f"Introspection over grants; {plan.tokens:,} tokens of grants that were drawn from all:",
        comparison("grants", results, plan.grants),
        "Bytes of the database for each live login (one session, one grant), with all indexes:",
        table(["logins", "session", "grant", "both"], sizes),
    ]


def over_revocations(places, plan):
    """What the second stage measured, and its report."""
    nodes = {count: nodes_of(place, plan, count) for count, place in places.items()}
    known = [f"{cached(nodes[count]['lease'], 'stamps'):,}" for count in places]
    results = turns(places, nodes, plan, Place.revoking)
    return results, [
        f"Introspection over recent revocations, at {plan.middle:,} grants, while ten more come a"
        f" second; of them the nodes knew {', '.join(known)} (`doornail_cache_stamps`):",
        comparison("revocations", results, plan.revocations),
    ]


# What else grows, or should not.


def endurance(place, plan):
    """Memory, and what is written, over very many introspections."""
    head, rows = ["node", "introspections", "seconds", "MB before", "MB after"], []
    head += ["bytes of tables", "MB of WAL", "kB/s of WAL", "rows written"]
    jobs = {"idle": 0, "lease": plan.introspections, "strict": plan.introspections // 10}
    for name, count in jobs.items():
        node = place.node(**MODES.get(name, {}))
        if name == "lease":
            place.fill(node, plan.tokens)
        place.doornail.sql("CHECKPOINT")
        memory, asked = memory_megabytes(node.process.pid), 0
        size, wal, written = place.written()
        began = time.monotonic()
        if not count:
            time.sleep(plan.idle_seconds)
        while asked < count:
            asked += place.load(node, 2 * plan.seconds)["requests"]
        new_size, new_wal, now_written = place.written()
        seconds = time.monotonic() - began
        changes = {key: new - written.get(key, 0) for key, new in now_written.items()}
        rows.append([
            name, f"{asked:,}", f"{seconds:.0f}", f"{memory:.0f}",
            f"{memory_megabytes(node.process.pid):.0f}", f"{new_size - size:,}",
            f"{(new_wal - wal) / 1e6:.2f}", f"{(new_wal - wal) / seconds / 1e3:.1f}",
            ", ".join(f"{relation} {new:,}" for relation, new in changes.items() if new),
        ])  # fmt: skip
        say(" ".join(rows[-1]))
        place.doornail.stop()
    return [
        "Memory of a node, and what the database gained, over many introspections of"
        f" {plan.tokens:,} tokens, at {plan.middle:,} grants; an idle node for comparison. What is"
        " written is the lease's polls, by which a node renews its one row in `nodes`; and, at most"
        " once a minute, what PostgreSQL's autovacuum notes:",
        table(head, rows),
    ]


def remembered(place, plan):
    """The memory of a node that was asked about every grant, as it comes and with room for all."""
    file, rows = place.file.with_suffix(".all"), []
    place.draw(plan.middle, file)
    for cache in ("512MB", "4GB"):
        node = place.node(DOORNAIL_CACHE=cache)
        start = memory_megabytes(node.process.pid)
        entries = place.fill(node, plan.middle, file)
        end = memory_megabytes(node.process.pid)
        rows.append([cache, f"{entries:,}", f"{start:.0f}", f"{end:.0f}",
                     f"{(end - start) * 1e6 / entries:.0f}"])  # fmt: skip
        say(" ".join(rows[-1]))
        place.doornail.stop()
    return [
        f"Memory of a node that was asked about one token of each of {plan.middle:,} grants;"
        " `doornail_cache_entries` says how many it remembers:",
        table(["DOORNAIL_CACHE", "remembered", "MB at first", "MB then", "bytes each"], rows),
    ]


def ends(place, plan):
    """Ends users who have more and more grants, by the command line, and by its statement alone."""
    ways = ("command", "statement")
    people = plan.ends * len(ways)
    users = {count: iter(range(1, people + 1)) for count in plan.user_grants}
    times = {(way, count): [] for way in ways for count in plan.user_grants}
    node = place.node()
    with place.connect() as connection:
        for count in plan.user_grants:
            say(f"{place.doornail.database}: gives each of some users {count:,} grants")
            growth_data.add_logins(connection, place.APP, f"owner{count}", people, people * count)
        # The first end of all takes longer: a log that was just begun may be a new primary's.
        place.doornail.cli("revoke", "user", f"{growth_data.PERSON}-1")
        time.sleep(1)
        log = place.ask("last_number FROM revocation_clock")[0]
        for _, count, way in itertools.product(range(plan.ends), plan.user_grants, ways):
            user = f"owner{count}-{next(users[count])}"
            grants = growth_data.grants_of(connection, user)
            token = growth_data.Sealer(place.doornail.secret).access_token(grants[0])
            assert len(grants) == count and node.is_active(place.app, token)
            began = time.monotonic()
            if way == "command":
                place.doornail.cli("revoke", "user", user)
            else:
                growth_data.end_user(connection, user)
            times[way, count].append(1000 * (time.monotonic() - began))
            place.wait_until_applied()
            assert not node.is_active(place.app, token)
        entries = place.ask("last_number FROM revocation_clock")[0] - log
    place.doornail.stop()
    medians = {key: statistics.median(rounds) for key, rounds in times.items()}
    rows = [[f"{count:,}", *(f"{medians[way, count]:.1f}" for way in ways)]
            for count in plan.user_grants]  # fmt: skip
    first, last = plan.user_grants[0], plan.user_grants[-1]
    ratios = [f"{medians[way, last] / medians[way, first]:.2f}" for way in ways]
    return [
        "The end of a user: `doornail revoke user` as a process, with one node that has to hear of"
        " it; and its statement alone, with the commit. In the log each user took"
        f" {entries / people / len(users):g} entry:",
        table(["grants", "command ms", "statement ms"], [*rows, ["most / fewest", *ratios]]),
    ]


def huge_pages(stack, count):
    """Has the kernel keep so many pages of 2 MB until the end; whether it has them."""
    kept = Path("/proc/sys/vm/nr_hugepages")
    try:
        before = int(kept.read_text())
        stack.callback(kept.write_text, str(before))
        kept.write_text(str(before + count))
        return int(kept.read_text()) == before + count
    except OSError:
        return False


def run(stack, plan, folder):
    """All stages; what the first two measured, and the whole report."""
    has_huge_pages = huge_pages(stack, plan.huge_pages)
    cluster = Cluster(
        shared_buffers=plan.shared_buffers, max_wal_size="4GB", track_commit_timestamp="off",
        huge_pages="on" if has_huge_pages else "off",
    )  # fmt: skip
    stack.callback(cluster.remove)
    places = {}
    for count in plan.grants:
        say(f"puts {count:,} logins into a database")
        place = places[count] = Place(stack, cluster, folder, f"grants_{count}")
        with place.connect() as connection:
            growth_data.add_logins(connection, place.APP, growth_data.PERSON, count, count)
        place.draw(plan.tokens)
    grants, parts = over_grants(places, plan)
    middle = places[plan.middle]
    for place in places.values():
        if place is not middle:
            place.drop()
    copies = {count: Place(stack, cluster, folder, f"revocations_{count}", middle)
              for count in plan.revocations}  # fmt: skip
    revocations, more = over_revocations(copies, plan)
    parts += more
    for place in copies.values():
        place.drop()
    for stage in (endurance, remembered, ends):
        parts += stage(middle, plan)
    parts.append(
        f"{os.cpu_count()} cores, `shared_buffers` {plan.shared_buffers}"
        f" {'in' if has_huge_pages else 'without'} huge pages, medians of {plan.rounds}"
        f" rounds of {plan.seconds} s; the spread is from the lowest round to the highest, and of"
        " most / fewest it is the median of the ratios of each round."
    )
    return {"grants": grants, "recent revocations": revocations}, "\n\n".join(parts)


def replaced(path, report):
    """The text of a file with the report in its place, which has to be there."""
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"growth: {path} has no {BEGIN} with an {END}")
    return f"{before}{begin}\n{report}\n{end}{after}"


def main():
    options = arguments()
    if not shutil.which("wrk"):
        sys.exit("growth: wrk is needed (apt-get install wrk)")
    if not Path(os.environ["DOORNAIL_BINARY"]).is_file():
        sys.exit("growth: there is no release build; DOORNAIL_BINARY can name another")
    if options.markdown:
        replaced(options.markdown, "")
    # Like Ctrl-C: what was started is stopped, and what was made is removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    plan = QUICK if options.quick else Plan()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dn-growth-")))
        try:
            results, report = run(stack, plan, folder)
        except KeyboardInterrupt:
            sys.exit("growth: stopped")
    print(report)
    if options.markdown:
        options.markdown.write_text(replaced(options.markdown, report))
    if options.plot:
        options.plot.write_text(svg(results))


if __name__ == "__main__":
    main()
