"""Introspection beside what it can at best be: one run on one machine, servers in turns, medians.

    make bench                         about four minutes; prints a table
    make bench ARGS="--rounds 5 --seconds 5 --markdown docs/benchmarks.md"

`nio` is a bare NIO HTTP/1.1 handler with a constant answer of the same length, the limit; `hummingbird`
a route with that answer; `lease` is introspection under a lease, `strict` with DOORNAIL_CACHE=0, each
with distinct tokens and a caller that authenticates. wrk runs on the same machine.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILT = ROOT / ".build/release"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--seconds", type=int, default=3, help="each measurement takes (3)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is taken (3)")
    parser.add_argument("--tokens", type=int, default=3000, help="distinct tokens (3000)")
    parser.add_argument("--connections", default="1,16,64,256", help="1,16,64,256 by default")
    parser.add_argument("--binary", type=Path, default=BUILT / "doornail", help="a release build")
    parser.add_argument("--limit", type=Path, default=BUILT / "Limit", help="what it is beside")
    parser.add_argument("--markdown", type=Path, help="writes the table there, too")
    return parser.parse_args()


SCRIPT = """
local requests, at = {}, 0
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
wrk.headers["Authorization"] = "%s"
function init()
    for token in io.lines("%s") do
        requests[#requests + 1] = wrk.format(nil, "/introspect", nil, "token=" .. token)
    end
    math.randomseed(os.time())
    at = math.random(#requests)
end
function request()
    at = at %% #requests + 1
    return requests[at]
end
"""


# A line of log for each request is a cost of its own, and not what is measured; no token expires.
QUIET = {"DOORNAIL_LOG_LEVEL": "notice", "DOORNAIL_ACCESS_TOKEN_TTL": "12h"}


def cpu_seconds(pid):
    """What a process and its threads have used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_megabytes(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024


def microseconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * {"us": 1, "ms": 1e3, "s": 1e6, "m": 6e7}[unit]


def measure(pid, port, script, connections, seconds):
    """One run of wrk; any answer but 200 is an error."""
    before = cpu_seconds(pid)
    threads = min(2, connections)
    out = subprocess.run(
        ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}", "--latency", "-s", script]
        + [f"http://127.0.0.1:{port}/introspect"],
        capture_output=True, text=True, check=True,
    ).stdout
    used = cpu_seconds(pid) - before
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(f"bench: not all answers were good:\n{out}")
    count = int(re.search(r"(\d+) requests in", out).group(1))
    return {
        "rate": float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)),
        "p50": microseconds(re.search(r"\n\s+50%\s+(\S+)", out).group(1)),
        "p99": microseconds(re.search(r"\n\s+99%\s+(\S+)", out).group(1)),
        "cpu": used / count * 1e6,
    }


def main():
    options = arguments()
    if not shutil.which("wrk"):
        sys.exit("bench: wrk is needed (apt-get install wrk)")
    os.environ["DOORNAIL_BINARY"] = str(options.binary.absolute())
    sys.path.insert(0, str(ROOT / "Tests/EndToEnd"))
    from postgres import Cluster
    from support import Doornail, free_port, in_parallel

    folder = Path(tempfile.mkdtemp(prefix="dn-bench-"))
    cluster = Cluster()
    constant = []
    try:
        doornail = Doornail(cluster, "bench", folder)
        client = doornail.client("bench", "--scope", "photos:read photos:write")
        nodes = {
            "lease": doornail.node(**QUIET),
            "strict": doornail.node(**QUIET, DOORNAIL_CACHE="0"),
        }
        tokens = in_parallel(
            8, lambda _: [nodes["lease"].token(client) for _ in range(options.tokens // 8)]
        )
        tokens = [token for some in tokens for token in some]
        # Bodies are checked by sample; wrk sees the status alone.
        for node in nodes.values():
            assert all(node.is_active(client, token) for token in tokens[::50])
        length = len(nodes["lease"].post("/introspect", {"token": tokens[0]}, client).content)
        (folder / "tokens").write_text("\n".join(tokens))
        script = folder / "introspect.lua"
        script.write_text(SCRIPT % (client.basic["Authorization"], folder / "tokens"))

        servers = {}
        for name in ("nio", "hummingbird"):
            port = free_port()
            process = subprocess.Popen([options.limit, name, str(port), str(length)])
            constant.append(process)
            servers[name] = (process.pid, port)
        servers |= {name: (node.process.pid, node.port) for name, node in nodes.items()}
        time.sleep(1)

        results = {}
        for connections in map(int, options.connections.split(",")):
            for _ in range(options.rounds):
                for name, (pid, port) in servers.items():
                    one = measure(pid, port, script, connections, options.seconds)
                    results.setdefault((connections, name), []).append(one)
                    print(connections, name, json.dumps(one), file=sys.stderr, flush=True)
        for node in nodes.values():
            assert all(node.is_active(client, token) for token in tokens[::50])
        report(results, servers, options)
    finally:
        for process in constant:
            process.kill()
        doornail.stop()
        cluster.remove()


def report(results, servers, options):
    lines = [
        "| connections | server | requests/s | spread | of nio | p50 us | p99 us | CPU us a request | of nio |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (connections, name), rounds in results.items():
        def median(key, which=name):
            return statistics.median(one[key] for one in results[connections, which])

        rates = [one["rate"] for one in rounds]
        spread = (max(rates) - min(rates)) / median("rate") * 100
        lines.append(
            f"| {connections} | {name} | {median('rate'):,.0f} | {spread:.0f}% "
            f"| {median('rate') / median('rate', 'nio'):.2f} | {median('p50'):,.0f} "
            f"| {median('p99'):,.0f} | {median('cpu'):.1f} "
            f"| {median('cpu') / median('cpu', 'nio'):.2f} |"
        )
    memory = ", ".join(f"{name} {memory_megabytes(pid):.0f} MB" for name, (pid, _) in servers.items())
    lines += ["", f"Resident memory at the end: {memory}."]
    print("\n".join(lines))
    if options.markdown:
        options.markdown.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
