"""What HTTP itself allows and does not: sizes, slowness, smuggling, media types."""

import json
import socket
import threading
import time
from pathlib import Path
from urllib.parse import urlencode

import pytest

from rawhttp import Connection, post, statuses
from support import assert_error

GRANT = {"grant_type": "client_credentials"}
KIB = 1024


def authorization(client):
    return "Authorization: " + client.basic["Authorization"]


def padded(size):
    """A proper form of exactly so many bytes."""
    start = urlencode(GRANT) + "&padding="
    return start + "x" * (size - len(start))


@pytest.fixture
def ask(node, client):
    """Sends raw bytes and reads one response."""

    def send(data, timeout=10):
        with Connection(node) as connection:
            connection.send(data)
            return connection.response(timeout)

    return send


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def test_body_of_64_kib(node, client):
    answer = node.post("/token", padded(64 * KIB), client, headers=FORM)
    assert answer.status_code == 200


@pytest.mark.parametrize("size", [64 * KIB + 1, 70 * KIB, 1024 * KIB, 8192 * KIB])
def test_body_over_64_kib(node, client, size):
    answer = node.request("POST", "/token", data=padded(size), headers=FORM | client.basic)
    assert_error(answer, 413, "invalid_request")


@pytest.mark.parametrize("size", [64 * KIB, 64 * KIB + 1, 1024 * KIB])
def test_chunked_body(node, client, size):
    body = padded(size).encode()
    pieces = (body[start : start + 5000] for start in range(0, size, 5000))
    answer = node.request("POST", "/token", data=pieces, headers=FORM | client.basic)
    assert answer.status_code == (200 if size <= 64 * KIB else 413)


def test_413_by_length_alone(ask, client):
    """The length that is announced is enough; the body need not be sent."""
    head = post("/token", b"x" * (64 * KIB + 1), authorization(client))[: -(64 * KIB + 1)]
    status, _, body = ask(head)
    assert status == 413 and json.loads(body)["error"] == "invalid_request"


@pytest.mark.parametrize("length", [2**62, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**40 - 1, 10**400])
def test_no_memory_for_announced_bodies(node, client, length):
    data = post("/token", b"", authorization(client))
    data = data.replace(b"Content-Length: 0", f"Content-Length: {length}".encode())
    with Connection(node) as connection:
        connection.send(data)
        assert connection.response()[0] == 413


@pytest.mark.parametrize(
    "first",
    [
        "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: y\r\n\r\n",
        "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n",
        "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "no HTTP\r\n\r\n",
    ],
)
def test_nothing_is_kept_after_the_last_request(node, first):
    """What follows a request that ends the connection, or would be another protocol, is dropped."""

    def memory(name):
        lines = Path(f"/proc/{node.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(name)).split()[1]) * KIB

    Path(f"/proc/{node.process.pid}/clear_refs").write_text("5")
    before = memory("VmRSS")
    sent, block = 0, b"x" * (256 * KIB)
    with Connection(node) as connection:
        connection.send(first.encode())
        try:
            while sent < 512 * KIB * KIB:
                sent += connection.socket.send(block)
        except (ConnectionError, TimeoutError):
            pass
    assert memory("VmHWM") - before < 64 * KIB * KIB
    with Connection(node) as connection:
        connection.send(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.response()[0] == 200


def test_200_parameters(node, client):
    fill = "".join(f"&p{index}=x" for index in range(199))
    answer = node.post("/token", urlencode(GRANT) + fill, client, headers=FORM)
    assert answer.status_code == 200
    answer = node.post("/token", urlencode(GRANT) + fill + "&one=more", client, headers=FORM)
    assert_error(answer, 400, "invalid_request")


def test_header_block_of_16_kib(ask, client):
    data = post("/token", urlencode(GRANT).encode(), authorization(client), "X-Fill: @")
    size = len(data) - len(urlencode(GRANT))
    assert ask(data.replace(b"@", b"x" * (15 * KIB + 512 - size)))[0] == 200
    for much in (16 * KIB + 512, 64 * KIB):
        status, headers, body = ask(data.replace(b"@", b"x" * (much - size)))
        assert status == 431 and json.loads(body)["error"] == "invalid_request"
        assert headers["connection"].lower() == "close"


def test_many_small_headers(node, ask):
    lines = "".join(f"X-{index}: y\r\n" for index in range(3000))
    with Connection(node) as connection:
        connection.send(f"GET /health/live HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
        assert connection.response()[0] == 431


def test_long_target(node):
    with Connection(node) as connection:
        connection.send(f"GET /{'x' * 20000} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert connection.response()[0] in (414, 431)


@pytest.mark.parametrize(
    "media",
    [
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded;charset=UTF-8",
        "application/x-www-form-urlencoded; charset=utf-8",
        "APPLICATION/X-WWW-FORM-URLENCODED",
        'application/x-www-form-urlencoded ; charset="UTF-8"',
    ],
)
def test_forms_are_accepted(node, client, media):
    headers = {"Content-Type": media}
    assert node.post("/token", urlencode(GRANT), client, headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke"])
@pytest.mark.parametrize(
    "media",
    [
        None,
        "",
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencodedx",
        "application/x-www-form",
        "a/b;application/x-www-form-urlencoded",
    ],
)
def test_other_media_types(node, client, media, path):
    headers = {} if media is None else {"Content-Type": media}
    answer = node.request(
        "POST", path, data=urlencode(GRANT).encode(), headers=headers | client.basic
    )
    assert_error(answer, 415, "invalid_request")


def test_pipelined_requests(node, client):
    one = post("/token", urlencode(GRANT).encode(), authorization(client))
    with Connection(node) as connection:
        connection.send(one + b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n" + one)
        found = [connection.response() for _ in range(3)]
    assert [status for status, _, _ in found] == [200, 200, 200]
    assert json.loads(found[1][2]) == {"status": "live"}


def test_http_1_0(node):
    with Connection(node) as connection:
        connection.send(b"GET /health/live HTTP/1.0\r\n\r\n")
        data, closed = connection.rest(5)
    assert statuses(data) == [200] and closed


def test_expect_100_continue(node, client):
    body = urlencode(GRANT).encode()
    data = post("/token", body, authorization(client), "Expect: 100-continue")
    with Connection(node) as connection:
        connection.send(data[: -len(body)])
        assert connection.response()[0] == 100
        connection.send(body)
        assert connection.response()[0] == 200


def test_expect_100_continue_for_too_much(node, client):
    data = post("/token", b"x" * 70000, authorization(client), "Expect: 100-continue")[:-70000]
    with Connection(node) as connection:
        connection.send(data)
        status, _, _ = connection.response()
        if status == 100:
            connection.send(b"x" * 70000)
            status, _, _ = connection.response()
    assert status == 413


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5, 6",
        "Content-Length: +5",
        "Content-Length: -1",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity, chunked, chunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Content-Length : 5",
        "Content-Length: 5\r\n X-Folded: y",
        "X-Null: a\x00b",
        "X Space: y",
        ": nothing",
        "Content-Length: 5\rX: y",
    ],
)
def test_smuggling(node, client, head):
    """Where two readers could see two requests, the answer is one 400 and the end."""
    hidden = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    chunked = b"0\r\n\r\n" if "chunked" in head.lower() else b"a=bcd"
    head = "\r\n".join(
        [
            "POST /introspect HTTP/1.1",
            "Host: x",
            authorization(client),
            "Content-Type: application/x-www-form-urlencoded",
            head,
        ]
    )
    with Connection(node) as connection:
        connection.send(head.encode("latin-1") + b"\r\n\r\n" + chunked + hidden)
        data, closed = connection.rest(5)
    assert closed, data
    found = statuses(data)
    assert len(found) <= 1 and set(found) <= {400, 501}, data


@pytest.mark.parametrize(
    "chunk",
    [
        b"zz\r\nabc\r\n",
        b"-1\r\nx\r\n",
        b"5\r\nabcdefgh\r\n",
        b"f" * 20 + b"\r\n",
        b" 5\r\nabcde\r\n0\r\n\r\n",
    ],
)
def test_bad_chunks(node, client, chunk):
    lines = [
        "POST /introspect HTTP/1.1",
        "Host: x",
        authorization(client),
        "Content-Type: application/x-www-form-urlencoded",
        "Transfer-Encoding: chunked",
        "",
        "",
    ]
    with Connection(node) as connection:
        connection.send("\r\n".join(lines).encode() + chunk)
        data, closed = connection.rest(5)
    assert closed and set(statuses(data)) <= {400, 413}, data


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n\x00\x01\x02",
        b"GET\r\n\r\n",
        b"GET /health/live\r\n\r\n",
        b"GET /health/live HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"G\xe9T / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nbroken\r\n\r\n",
    ],
)
def test_what_is_no_http(node, data):
    with Connection(node) as connection:
        connection.send(data)
        answer, closed = connection.rest(15)
    assert closed and set(statuses(answer)) <= {400, 404, 405, 408, 505}, answer


@pytest.mark.parametrize("host", ["", "Host: a\r\nHost: b\r\n"])
def test_host_is_there_once(node, host):
    """RFC 9112 §3.2: a request without a Host, or with two, is answered with 400."""
    with Connection(node) as connection:
        connection.send(f"GET /health/live HTTP/1.1\r\n{host}\r\n".encode())
        assert connection.response()[0] == 400


def test_hostile_targets(node):
    for target in (
        "*",
        "http://evil.example.com/health/live",
        "//evil/health/live",
        "/%",
        "/%zz",
        "/%00",
        "/%ff",
        "/../../etc/passwd",
        "/;/token",
        "/\\token",
    ):
        with Connection(node) as connection:
            connection.send(
                f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
            )
            data, closed = connection.rest(5)
        found = statuses(data)
        assert closed and len(found) == 1 and found[0] in (200, 400, 404), (target, data)
        if found == [200]:
            assert target.startswith("http://"), target


def test_client_that_goes_away(node, client):
    """A hundred clients that leave before the answer harm nobody."""
    data = post("/token", urlencode(GRANT).encode(), authorization(client))
    for index in range(100):
        connection = Connection(node)
        connection.send(data if index % 2 else data[:-5])
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.socket.close()
    assert node.token(client)
    assert node.request("GET", "/health/ready").status_code == 200


class Slow:
    """Slow clients, all at once: each is written to a byte a second until the server closes."""

    CASES = {
        "nothing": (b"", b""),
        "header": (b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"x" * 60),
        "body": (None, b"x" * 60),
        "half a body": (None, b""),
        "half a header": (b"GET /health/live HTTP/1.1\r\nHost", b""),
    }

    def __init__(self, node, client):
        self.closed_after = {}
        self.answers = {}
        self.threads = []
        body_start = post("/token", b"x" * 1000, authorization(client))[:-990]
        for name, (start, rest) in self.CASES.items():
            start = body_start if start is None else start
            self.threads.append(
                threading.Thread(target=self._run, args=(node, name, start, rest), daemon=True)
            )
            self.threads[-1].start()

    def _run(self, node, name, start, rest):
        connection = Connection(node)
        began = time.monotonic()
        data, closed = b"", False
        try:
            connection.send(start)
            for byte in rest:
                data, closed = connection.rest(1)
                if closed or time.monotonic() - began > 25:
                    break
                connection.send(bytes([byte]))
            if not closed:
                data, closed = connection.rest(max(0.1, 25 - (time.monotonic() - began)))
        except OSError:
            closed = True
        self.answers[name] = data
        self.closed_after[name] = time.monotonic() - began if closed else None


def test_slow_clients_are_cut_off(node, client):
    """10 s for the header, 15 s for the body, however steadily bytes drip in."""
    slow = Slow(node, client)
    time.sleep(1)
    assert node.token(client), "others are served meanwhile"
    for thread in slow.threads:
        thread.join(40)
    bounds = {
        "nothing": (5, 13),
        "header": (5, 13),
        "half a header": (5, 13),
        "body": (10, 18),
        "half a body": (10, 18),
    }
    for name, (least, most) in bounds.items():
        after = slow.closed_after[name]
        assert after is not None and least <= after <= most, f"{name}: closed after {after}"
        assert set(statuses(slow.answers[name])) <= {408}, slow.answers[name]
