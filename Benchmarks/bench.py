"""What a node can do, beside what it can at best be: one run, one machine, servers taking turns.

    make bench                         some ten minutes; prints tables, and writes docs/benchmarks.md
    make bench ARGS="--rounds 5 --seconds 5"
    make bench-peers                   beside other servers, which it installs where missing

nio          a bare NIO HTTP/1.1 handler with a constant answer: the limit of any server
hummingbird  a route with that answer
lease        introspection of distinct tokens under a lease, by a caller that authenticates
             (named: no request has the X-Request-ID of the one before it; parsed: nor another
             field, so that no header can be known)
strict       the same with DOORNAIL_CACHE=0: each answer is read from PostgreSQL
token        access tokens by client_credentials
revoke       the end of distinct access tokens, each for the first time
rotate       refresh tokens, each used once
pgbench      PostgreSQL's limit: the statements of strict, revoke and rotate, one row at a time

wrk and PostgreSQL run on the same machine.
"""

import argparse
import contextlib
import dataclasses
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

import pgbench
import plot
import report
from measure import measure, memory_megabytes
from peers import dot, glewlwyd
from postgres import Cluster, program
from servers import Installation, constant

BUILT = ROOT / ".build/release"
# Where these are measured, as far as --connections has it.
DIFFERING_AT, PEERS_AT = [1, 64], [64]


@dataclasses.dataclass
class Job:
    """Something to measure: a row of the table."""

    name: str
    operation: str
    connections: int
    server: object
    # What is different from Doornail.
    note: str = ""

    @property
    def row(self):
        """What its results are found under."""
        return self.name, self.connections


def number(text):
    if not text.isdecimal() or not 1 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1")
    return int(text)


def numbers(text):
    return sorted({number(part) for part in text.split(",")})


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--seconds", type=number, default=3, help="each measurement takes (3)")
    add("--rounds", type=number, default=3, help="how often each is taken (3)")
    add("--tokens", type=number, default=3000, help="distinct tokens (3000)")
    add("--connections", type=numbers, default=[1, 16, 64, 256], metavar="N,...",
        help="1,16,64,256 by default; peers are measured at 64 alone")
    add("--binary", type=Path, default=BUILT / "doornail", help="a release build")
    add("--limit", type=Path, default=BUILT / "Limit", help="nio and hummingbird")
    add("--peers", action="store_true", help="measures Glewlwyd and django-oauth-toolkit, too")
    add("--markdown", type=Path, metavar="FILE",
        help=f"writes the tables between {report.BEGIN} and {report.END} there")
    add("--plot", type=Path, metavar="FILE", help="draws the rates at 64 connections as SVG")
    options = parser.parse_args()
    for file in (options.binary, options.limit):
        if not file.is_file():
            parser.error(f"{file} is not there ('make bench' builds it)")
    if options.markdown and not report.has_place(options.markdown):
        parser.error(f"{options.markdown} has no {report.BEGIN} ... {report.END}")
    if options.plot and not (options.plot.parent.is_dir() and 64 in options.connections):
        parser.error("--plot needs a folder that is there, and 64 among --connections")
    if not shutil.which("wrk"):
        sys.exit("bench: wrk is needed (apt-get install wrk)")
    try:
        program("pgbench")
    except RuntimeError:
        sys.exit("bench: PostgreSQL with pgbench is needed (apt-get install postgresql)")
    return options


def grants(connections, rounds):
    """So many that two for each connection are left: a run loses one, and wrk's first look."""
    return 2 * max(connections) + rounds * sum(each + 1 for each in connections)


def own_jobs(stack, cluster, folder, options):
    """Doornail's operations, and what they are beside."""
    node = Installation(stack, cluster, "lease", folder)
    refresh_tokens = node.grants(grants(options.connections, options.rounds))
    limit = pgbench.Limit(node, refresh_tokens.pop())
    lease = node.server()
    lease.keep(refresh_tokens)
    strict = Installation(stack, cluster, "strict", folder, DOORNAIL_CACHE="0").server()
    for server in (lease, strict):
        server.begin(options.tokens)
    length = len(lease.ask_about(lease.tokens("introspect")[0]).content)
    nio, hummingbird = (
        constant(stack, options.limit, name, length, lease) for name in ("nio", "hummingbird")
    )
    jobs = []
    for connections in options.connections:
        for server in (nio, hummingbird, lease, strict):
            jobs.append(Job(server.name, "introspect", connections, server))
        if connections in DIFFERING_AT:
            for how in ("named", "parsed"):
                jobs.append(Job(f"lease, {how}", f"introspect-{how}", connections, lease))
        for name in ("token", *pgbench.WRITES):
            jobs.append(Job(name, name, connections, lease))
    for name in pgbench.STATEMENTS:
        jobs.append(Job(f"pgbench, {name}", name, pgbench.CONNECTIONS, limit))
    return jobs


def peers_jobs(stack, cluster, folder, options):
    """The same operations of other servers."""
    jobs = []
    for peer in (glewlwyd, dot):
        server = peer.start(stack, cluster, folder, grants(PEERS_AT, options.rounds))
        server.begin(options.tokens)
        for connections in PEERS_AT:
            for operation, note in peer.NOTES.items():
                name = f"{server.name}, {operation}"
                jobs.append(Job(name, operation, connections, server, note))
    return [job for job in jobs if job.connections in options.connections]


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
        jobs = own_jobs(stack, cluster, folder, options)
        if options.peers:
            jobs += peers_jobs(stack, cluster, folder, options)
        for _ in range(options.rounds):
            for job in jobs:
                one = measure(job, cluster.process.pid, options.seconds)
                results.add(job.row, one)
                print(job.connections, job.name, json.dumps(one), file=sys.stderr, flush=True)
        pids = {job.server.name: job.server.pid for job in jobs if job.server.pid}
        memory = {name: memory_megabytes(pid) for name, pid in pids.items()}
    tables = report.text(results, jobs, memory, options)
    print(tables)
    if options.markdown:
        report.write(options.markdown, tables)
    if options.plot:
        options.plot.write_text(plot.svg(results, jobs))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("bench: stopped")
