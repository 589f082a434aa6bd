"""One measurement: the load, its answers, and what it cost the processes that served it."""

import contextlib
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

from postgres import descendants

LOAD = Path(__file__).with_name("load.lua")


def of_all(root, file, read):
    """The sum of what is read from a file of /proc of a process and of all below it."""
    total = 0
    for pid in descendants(root):
        with contextlib.suppress(OSError):
            total += read(Path(f"/proc/{pid}/{file}").read_text())
    return total


def cpu_seconds(root):
    """What these have used so far, and those that they have outlived."""
    ticks = of_all(root, "stat", lambda text: sum(map(int, text.rpartition(")")[2].split()[11:15])))
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_megabytes(root):
    pages = of_all(root, "statm", lambda text: int(text.split()[1]))
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def run(command, **arguments):
    """What a command prints; it must succeed."""
    command = list(map(str, command))
    done = subprocess.run(command, capture_output=True, text=True, check=False, **arguments)
    if done.returncode:
        sys.exit(f"bench: {command[0]} failed:\n{done.stdout[-1500:]}{done.stderr[-1500:]}")
    return done.stdout


def wrk(url, connections, seconds, operation, file, authorization, body):
    """Runs load.lua; any answer but a good one ends everything."""
    threads = min(2, connections)
    out = run(
        ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}", "--timeout", "10s"]
        + ["-s", LOAD, url, "--", operation, threads, file, authorization, body]
    )
    told = json.loads(out[out.rindex("{") :])
    if any(told[name] for name in ("refused", "socket_errors", "timeouts", "wrong")):
        sys.exit(f"bench: {operation} at {url}: not all answers were good: {told}")
    return told


def own_children():
    """The CPU of the commands that were run so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(job, postmaster, seconds):
    """The rate, the latencies and the cost of an operation; PostgreSQL's cost is told apart, and that
    of who reads the log, and of what makes the load."""
    server, operation = job.server, job.operation
    server.prepare(operation, seconds)
    roots = {"database_cpu": postmaster, "cpu": server.pid, "reader_cpu": job.reader}
    before = {figure: cpu_seconds(root) for figure, root in roots.items() if root}
    load_before = own_children()
    told = server.load(operation, job.connections, seconds)
    used = {figure: cpu_seconds(roots[figure]) - begin for figure, begin in before.items()}
    used["load_cpu"] = own_children() - load_before
    count = told["requests"]
    if not count:
        sys.exit(f"bench: {job.name}: no answer within {seconds} s")
    figures = {figure: told[figure] for figure in ("p50", "p99", "p99.9")}
    figures |= {figure: seconds / count * 1e6 for figure, seconds in used.items()}
    figures |= server.check(operation, count) or {}
    return {"rate": count / told["seconds"]} | figures
