"""What peers can make many of: connections, requests on one, answers that nobody reads."""

import contextlib
import os
import socket
import time
from pathlib import Path

import pytest
import requests
from rawhttp import Connection, post

MIB = 1024 * 1024
GET = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"


def memory(node, name="VmRSS"):
    """Resident memory of a node, or its highest, in bytes."""
    lines = Path(f"/proc/{node.process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) * 1024


def processor_seconds(node):
    """What a node has used of processors."""
    fields = Path(f"/proc/{node.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
        Path(f"/proc/{node.process.pid}/clear_refs").write_text("5")
        before = memory(node)
        sent = upload(peers, GET * (512 * 1024 // len(GET)))
        grown = memory(node, "VmHWM") - before
        # Their answers alone, as far as they are not read, are 64 KiB each.
        assert grown < 96 * MIB, f"{grown / MIB:.0f} MiB for {sent / MIB:.0f} MiB"
        with Connection(node) as other:
            other.send(GET)
            assert other.response()[0] == 200


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
    node = doornail.node(files=200, DOORNAIL_TRUSTED_PROXIES=proxies)
    assert node.token(client)  # This connection stays.
    with connections(node, 300):
        time.sleep(0.5)
        began, used = time.monotonic(), processor_seconds(node)
        for _ in range(10):
            answer = requests.get(node.admin + "/health/ready", timeout=5)
            assert answer.status_code == 200, answer.text
            assert node.token(client)
            time.sleep(0.2)
        # What the node does otherwise is far less; a core that spins is all of the time.
        assert processor_seconds(node) - used < 0.6 * (time.monotonic() - began)
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


def test_too_few_files_to_serve(doornail):
    node = doornail.node(ready=False, files=100)
    assert node.process.wait(20) == 1
    node.process = None
    assert "limit of open files is 100" in node.log_text()
    assert "ulimit -n" in node.log_text()


def test_the_number_of_connections_is_logged(node):
    line = next(line for line in node.log_text().splitlines() if '"serving"' in line)
    assert '"connections":' in line and '"connections_by_address":' in line
