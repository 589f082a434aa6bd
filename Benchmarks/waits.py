"""How long /revoke takes on three nodes, one after another: when all is well, and after one has died.

    .venv/bin/python Benchmarks/waits.py [--count 300] [--binary FILE]

The aims: under 20 ms at the median, and under D + 50 ms beside a dead node (D is the lease, 250 ms)
until its row is gone.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PARTS = (0.5, 0.99, 1)


def told(waits):
    """Quantiles in milliseconds."""
    ordered = sorted(waits)
    found = [ordered[min(int(len(ordered) * part), len(ordered) - 1)] for part in PARTS]
    return "p50 {:.1f} ms, p99 {:.1f} ms, longest {:.1f} ms".format(*(1e3 * one for one in found))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=300, help="revocations (300)")
    parser.add_argument("--binary", type=Path, default=ROOT / ".build/release/doornail")
    options = parser.parse_args()
    if not options.binary.exists():
        parser.error(f"{options.binary} does not exist: 'make build' makes it")
    os.environ["DOORNAIL_BINARY"] = str(options.binary.absolute())
    sys.path.insert(0, str(ROOT / "Tests/EndToEnd"))
    from postgres import Cluster
    from support import Doornail

    cluster = Cluster()
    doornail = Doornail(cluster, "bench", Path(tempfile.mkdtemp(prefix="dn-bench-")))
    try:
        client = doornail.client("bench", "--scope", "photos:read")
        nodes = [doornail.node(DOORNAIL_LOG_LEVEL="error") for _ in range(3)]

        def revoke(node):
            token = node.token(client)
            for one in nodes:
                assert one.is_active(client, token)
            began = time.monotonic()
            node.end(client, token)
            took = time.monotonic() - began
            for one in nodes:
                assert not one.is_active(client, token), "revoked and active"
            return took

        for _ in range(20):
            revoke(nodes[0])
        waits = [revoke(nodes[index % 3]) for index in range(options.count)]
        print(f"three nodes, {options.count} revocations: {told(waits)}")
        dead = nodes.pop()
        dead.kill()
        doornail.nodes.remove(dead)
        died, waits = time.monotonic(), []
        rows = 3
        while rows == 3 and time.monotonic() < died + 60:
            waits.append(revoke(nodes[len(waits) % 2]))
            ((rows,),) = doornail.sql("SELECT count(*) FROM nodes")
        gone = time.monotonic() - died
        print(f"beside a dead node, {len(waits)} revocations: {told(waits)}")
        print(f"its row was gone after {gone:.1f} s")
        waits = [revoke(nodes[index % 2]) for index in range(options.count)]
        print(f"two nodes, {options.count} revocations: {told(waits)}")
    finally:
        doornail.stop()
        cluster.remove()


if __name__ == "__main__":
    main()
