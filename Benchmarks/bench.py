"""What a node can do as it comes, with its access log, beside what it can at best be: one run, one
machine, servers taking turns.

    make bench                         some 20 minutes; prints tables, and writes docs/benchmarks.md
    make bench ARGS="--rounds 5 --seconds 5"
    make bench-peers                   beside other servers, which it installs
    Benchmarks/bench.py --only shapes --rounds 1 --binary FILE          two minutes
    Benchmarks/bench.py --only shapes --shapes curl,spring --rounds 1   some seconds

shapes       introspection under a lease at 64 connections, as clients really ask (shapes/*.http) and in
             shapes made by lot, beside a bare NIO HTTP/1.1 handler that answers a constant, asked the
             same; and beside nginx, which answers the same with its access log
tls          the same over TLS, beside the bare handler over TLS
logs         the same where the log goes to a pipe, or to journald, rather than to a file
strict       the same with DOORNAIL_CACHE=0: each answer is read from PostgreSQL
operations   token: access tokens by client_credentials; revoke: the end of distinct access tokens, each
             for the first time; rotate: refresh tokens, each used once; and PostgreSQL's limit by
             pgbench: the statements of strict, revoke and rotate, one row at a time
connections  one shape at other numbers of connections, and a route of Hummingbird with a constant answer
peers        Glewlwyd and django-oauth-toolkit

wrk and PostgreSQL run on the same machine.
"""

import argparse
import contextlib
import json
import shutil
import signal
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "Tests/EndToEnd"))
try:
    import support
except ModuleNotFoundError as error:
    sys.exit(f"bench: {error}: 'make install-deps', then .venv/bin/python {sys.argv[0]}")

import plot
import report
import shapes
from jobs import AT, GROUPS, Plan
from measure import measure, memory_megabytes
from postgres import Cluster, program

BUILT = ROOT / ".build/release"


def number(text):
    if not text.isdecimal() or not 1 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1")
    return int(text)


def numbers(text):
    return sorted({number(part) for part in text.split(",")})


def some_of(known):
    """Reads names with commas between them."""

    def read(text):
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return names

    return read


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--seconds", type=number, default=2, help="each measurement takes (2)")
    add("--rounds", type=number, default=3, help="how often each is taken (3)")
    add("--only", type=some_of(GROUPS), metavar="GROUP,...", help="all but peers by default",
        default=[group for group in GROUPS if group != "peers"])
    add("--shapes", type=some_of(shapes.NAMES), metavar="SHAPE,...", help="all by default")
    add("--connections", type=numbers, default=[1, 16, 64, 256], metavar="N,...",
        help=f"1,16,64,256 by default; all but `connections` is measured at {AT} alone")
    add("--binary", type=Path, default=BUILT / "doornail", help="a release build")
    add("--limit", type=Path, default=BUILT / "Limit", help="nio and hummingbird")
    add("--peers", action="store_true", help="measures the peers, too")
    add("--markdown", type=Path, metavar="FILE",
        help=f"writes the tables between {report.BEGIN} and {report.END} there")
    add("--plot", type=Path, metavar="FILE", help="draws the rates at 64 connections as SVG")
    options = parser.parse_args()
    options.only += ["peers"] if options.peers else []
    for file in (options.binary, options.limit):
        if not file.is_file():
            parser.error(f"{file} is not there ('make bench' builds it)")
    if options.markdown and not report.has_place(options.markdown):
        parser.error(f"{options.markdown} has no {report.BEGIN} ... {report.END}")
    if options.plot and not (options.plot.parent.is_dir() and "shapes" in options.only):
        parser.error("--plot needs a folder that is there, and the shapes")
    if not shutil.which("wrk"):
        sys.exit("bench: wrk is needed (apt-get install wrk)")
    try:
        program("pgbench")
    except RuntimeError:
        sys.exit("bench: PostgreSQL with pgbench is needed (apt-get install postgresql)")
    return options


def main():
    options = arguments()
    support.BINARY = options.binary.absolute()
    # SIGTERM is an end in order, as Ctrl-C is.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    results = report.Results()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dn-bench-")))
        cluster = Cluster()
        stack.callback(cluster.remove)
        plan = Plan(stack, cluster, folder, options)
        for _ in range(options.rounds):
            for job in plan.jobs:
                one = measure(job, cluster.process.pid, options.seconds)
                results.add(job.row, one)
                print(*job.row, json.dumps(one), file=sys.stderr, flush=True)
        pids = {job.server.name: job.server.pid for job in plan.jobs if job.server.pid}
        memory = {name: memory_megabytes(pid) for name, pid in pids.items()}
    tables = report.text(results, plan, memory, options)
    print(tables)
    if options.markdown:
        report.write(options.markdown, tables)
    if options.plot:
        options.plot.write_text(plot.svg(results, plan.jobs))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("bench: stopped")
