"""How much memory a node takes while peers make as many of everything as it lets them.

    .venv/bin/python Benchmarks/worst.py [--connections 8000] [--seconds 90] [--binary FILE]

Of the connections a quarter each send half a body of 64 KiB, half a header of 16 KiB, nothing, and
requests without end whose answers they do not read; what the node closes is opened again. The cache is
filled, passwords are examined, and nobody reads the log. docs/limits.md has the figures.
"""

import argparse
import contextlib
import os
import resource
import selectors
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from signal import SIGKILL
from subprocess import DEVNULL, Popen

ROOT = Path(__file__).resolve().parents[1]
MIB = 1024 * 1024
GET = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
HEADER = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"
DEAF = "read no answers"
KINDS = {
    "send half a body": b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n"
    + b"x" * 65535,
    "send half a header": HEADER + b"".join(b"X-%02d: %s\r\n" % (n, b"x" * 158) for n in range(90)),
    "say nothing": b"",
    # Last, since their requests keep the node busy.
    DEAF: GET * (MIB // len(GET)),
}


def memory(pid):
    """Resident memory of a process, in MiB, and the most that it had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = {line.split(":")[0]: line.split() for line in lines}
    return tuple(int(found[name][1]) / 1024 for name in ("VmRSS", "VmHWM"))


class Attack:
    """Connections of each kind, opened again as they are closed."""

    def __init__(self, port):
        self.port = port
        self.selector = selectors.DefaultSelector()

    def open(self, kind):
        """Begins a connection."""
        peer = socket.socket()
        peer.setblocking(False)
        if kind == DEAF:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect_ex(("127.0.0.1", self.port))
        self.selector.register(peer, selectors.EVENT_WRITE, (kind, memoryview(KINDS[kind])))

    def again(self, peer, kind):
        """A connection of the same kind, for one that is closed."""
        self.selector.unregister(peer)
        peer.close()
        self.open(kind)

    def go_on(self, seconds):
        """Sends for some seconds all that is taken."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for key, events in self.selector.select(0.5):
                peer, (kind, left) = key.fileobj, key.data
                try:
                    if events & selectors.EVENT_READ and not peer.recv(65536):
                        raise ConnectionError
                    if events & selectors.EVENT_WRITE:
                        left = left[peer.send(left) :] if left else left
                except BlockingIOError:
                    continue
                except OSError:
                    self.again(peer, kind)
                    continue
                wanted = selectors.EVENT_WRITE if left or kind == DEAF else selectors.EVENT_READ
                if kind == DEAF and not left:
                    left = memoryview(KINDS[kind])
                self.selector.modify(peer, wanted, (kind, left))

    def close(self):
        """Ends them all."""
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()


def fill(node, client, count):
    """Lets the node remember so many answers."""

    def work(_):
        for _ in range(count // 8):
            node.introspect(client, node.token(client))

    from support import in_parallel

    in_parallel(8, work)


def log_in(node, person, over):
    """Wrong passwords, each in a browser of its own."""
    from browser import Browser

    while not over.is_set():
        with contextlib.suppress(Exception):
            Browser(node).login(person.name, "wrong password")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=8000, help="in all (8000)")
    parser.add_argument("--seconds", type=int, default=90, help="for which they are there (90)")
    parser.add_argument("--cache", default="16MB", help="DOORNAIL_CACHE (16MB)")
    parser.add_argument("--tokens", type=int, default=20_000, help="to be remembered (20000)")
    parser.add_argument("--binary", type=Path, default=ROOT / ".build/release/doornail")
    options = parser.parse_args()
    if not options.binary.exists():
        parser.error(f"{options.binary} does not exist: 'make build' makes it")
    os.environ["DOORNAIL_BINARY"] = str(options.binary.absolute())
    sys.path.insert(0, str(ROOT / "Tests/EndToEnd"))
    from postgres import Cluster, dies_with_us
    from support import Doornail, Node

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    cluster = Cluster()
    doornail = Doornail(cluster, "worst", Path(tempfile.mkdtemp(prefix="dn-worst-")))
    node, process = None, None
    try:
        client = doornail.client("worst")
        person = doornail.user("ada")
        node = Node(
            doornail, "", {"DOORNAIL_TRUSTED_PROXIES": "127.0.0.1", "DOORNAIL_CACHE": options.cache}
        )
        # Nobody reads what it writes.
        reader, writer = os.pipe()
        process = node.process = Popen(
            node.command, env=node.environment, cwd=doornail.folder, stdin=DEVNULL, stdout=writer,
            stderr=writer, preexec_fn=dies_with_us(SIGKILL),
        )  # fmt: skip
        os.close(writer)
        node.log.write_text("")
        node.wait_until_ready()

        def tell(what):
            now, high = memory(process.pid)
            print(f"{what}: {now:.0f} MiB, at most {high:.0f} MiB", flush=True)

        tell("at rest")
        fill(node, client, options.tokens)
        tell(f"{options.tokens} answers remembered, of a cache of {options.cache}")
        over = threading.Event()
        guesses = [
            threading.Thread(target=log_in, args=(node, person, over), daemon=True)
            for _ in range(32)
        ]
        for thread in guesses:
            thread.start()
        time.sleep(3)
        tell("and passwords examined")
        attack = Attack(node.port)
        for kind in KINDS:
            for _ in range(options.connections // len(KINDS)):
                attack.open(kind)
            for _ in range(3):
                attack.go_on(options.seconds / len(KINDS) / 3)
                tell(f"and {options.connections // len(KINDS)} connections that {kind}")
        over.set()
        attack.close()
        time.sleep(20)
        tell("20 s after they went away")
    finally:
        if process:
            process.kill()
            process.wait()
            os.close(reader)
        cluster.remove()


if __name__ == "__main__":
    main()
