"""What peers can make many of: connections, requests on one, answers that nobody reads."""

import contextlib
import os
import resource
import socket
import time
from pathlib import Path

import pytest
import requests
from rawhttp import Connection, post

MIB = 1024 * 1024
GET = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"


def memory(node):
    """Resident memory of a node, in bytes."""
    lines = Path(f"/proc/{node.process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) * 1024


def assert_rests(node):
    """A node that is asked nothing uses little of a processor; one that tries in vain, all it gets."""

    def used():
        fields = Path(f"/proc/{node.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    began, before = time.monotonic(), used()
    time.sleep(3)
    assert used() - before < 0.1 * (time.monotonic() - began)


@contextlib.contextmanager
def connections(node, count):
    """So many connections, whatever becomes of them."""
    with contextlib.ExitStack() as stack:
        made = []
        for _ in range(count):
            with contextlib.suppress(OSError):
                one = socket.create_connection(("127.0.0.1", node.port), 5)
                made.append(stack.enter_context(one))
        yield made


def upload(peers, data, seconds=20):
    """Sends as much of `data` to each as it takes within some seconds; how much that was."""
    left = {peer: memoryview(data) for peer in peers}
    for peer in peers:
        peer.setblocking(False)
    deadline, sent, quiet = time.monotonic() + seconds, 0, 0
    while left and time.monotonic() < deadline and quiet < 20:
        before = sent
        for peer, rest in list(left.items()):
            try:
                count = peer.send(rest)
            except BlockingIOError:
                continue
            except OSError:
                del left[peer]
                continue
            sent += count
            left[peer] = rest[count:]
            if not left[peer]:
                del left[peer]
        quiet = quiet + 1 if sent == before else 0
        if quiet:
            time.sleep(0.1)
    return sent


def test_requests_behind_each_other_take_little_memory(doornail):
    """300 connections send small requests without end, and read no answer."""
    node = doornail.node()
    with connections(node, 300) as peers:
        assert len(peers) == 300
        time.sleep(1)
        before = memory(node)
        sent = upload(peers, GET * (512 * 1024 // len(GET)))
        for _ in range(20):
            # What is not read of answers is 64 KiB for each, once their sockets are full.
            grown = memory(node) - before
            assert grown < 48 * MIB, f"{grown / MIB:.0f} MiB for {sent / MIB:.0f} MiB"
            time.sleep(1)


def test_requests_behind_each_other_are_all_answered(node, client):
    """Nothing is dropped, and answers come in the order of their requests."""
    form = b"grant_type=client_credentials"
    basic = f"Authorization: {client.basic['Authorization']}"
    with Connection(node) as connection:
        connection.send(
            b"".join(
                post("/token", form, basic, f"X-Request-ID: n{number}")
                if number % 3
                else GET.replace(b"\r\n\r\n", f"\r\nX-Request-ID: n{number}\r\n\r\n".encode())
                for number in range(600)
            )
        )
        connection.socket.shutdown(socket.SHUT_WR)
        for number in range(600):
            status, headers, _ = connection.response()
            assert (status, headers["x-request-id"]) == (200, f"n{number}")
        assert connection.rest() == (b"", True)


@pytest.mark.parametrize("reason", ["all", "address"])
def test_silent_connections_with_few_files(doornail, client, reason):
    """Some files are kept for what a node needs itself, and no core spins for want of more."""
    proxies = "127.0.0.1" if reason == "all" else None
    # 200 on two processors, and three more for each other one.
    node = doornail.node(files=194 + 3 * os.cpu_count(), DOORNAIL_TRUSTED_PROXIES=proxies)
    assert node.token(client)  # This connection stays.
    with connections(node, 300):
        time.sleep(0.5)
        assert_rests(node)
        for _ in range(10):
            answer = requests.get(node.admin + "/health/ready", timeout=5)
            assert answer.status_code == 200, answer.text
            assert node.token(client)
        refused = [
            value
            for (name, labels), value in node.metrics().items()
            if name == "doornail_connections_refused_total" and ("reason", reason) in labels
        ]
        assert sum(refused) > 100
        doornail.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        deadline = time.monotonic() + 15
        while True:
            with contextlib.suppress(AssertionError):
                assert node.token(client)
                break
            assert time.monotonic() < deadline, "the node does not find the database again"
            time.sleep(0.1)
    lines = [line for line in node.log_text().splitlines() if "connections are refused" in line]
    assert len([line for line in lines if f'"reason":"{reason}"' in line]) in (1, 2, 3)
    node.wait_until_ready(10)


def test_no_files_at_all(doornail, client):
    """Should others take the files after all: a pause, and then it goes on."""
    node = doornail.node()
    assert node.token(client)
    pid = node.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    few = len(os.listdir(f"/proc/{pid}/fd")) + 5
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (few, before[1]))
    with connections(node, 20) as peers:
        assert len(peers) == 20
        for peer in peers:
            peer.sendall(GET)
        time.sleep(0.5)
        assert_rests(node)
        assert node.token(client)
        assert "no connection can be accepted" in node.log_text()
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        for peer in peers:
            peer.settimeout(20)
            assert peer.recv(12) == b"HTTP/1.1 200"


def test_too_few_files_to_serve(doornail):
    node = doornail.node(ready=False, files=100)
    assert node.process.wait(20) == 1
    node.process = None
    assert "limit of open files is 100" in node.log_text()
    assert "ulimit -n" in node.log_text()


def test_the_number_of_connections_is_logged(node):
    line = next(line for line in node.log_text().splitlines() if '"serving"' in line)
    assert '"connections":' in line and '"connections_by_address":' in line
