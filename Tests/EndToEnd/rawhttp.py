"""HTTP byte by byte: what no well-behaved client sends, and what exactly comes back."""

import re
import socket
import time


class Connection:
    """A TCP connection to a node, on which the test writes and reads bytes itself."""

    def __init__(self, node, timeout=10):
        self.socket = socket.create_connection(("127.0.0.1", node.port), timeout)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def rest(self, timeout=10):
        """Everything until the server closes; and whether it did close in that time."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                break
            except ConnectionResetError:
                return self.buffer, True
            if not data:
                return self.buffer, True
            self.buffer += data
        return self.buffer, False

    def response(self, timeout=10):
        """One response: its status, its headers in lower case, its body."""
        self.socket.settimeout(timeout)
        while b"\r\n\r\n" not in self.buffer:
            self._more()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        status, headers = parse_head(head)
        if status < 200 or status == 204:
            return status, headers, b""
        length = int(headers.get("content-length", 0))
        while len(self.buffer) < length:
            self._more()
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return status, headers, body

    def _more(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError(f"the server closed after {self.buffer!r}")
        self.buffer += data


def parse_head(head):
    """The status and the headers of a response's head."""
    first, *lines = head.decode("latin-1").split("\r\n")
    status = int(re.fullmatch(r"HTTP/1\.[01] ([0-9]{3}) ?.*", first).group(1))
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return status, headers


def post(path, body, *headers, host="127.0.0.1"):
    """The bytes of a form request."""
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {host}",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def statuses(data):
    """The statuses of all responses in a stream of bytes."""
    return [int(s) for s in re.findall(rb"HTTP/1\.[01] ([0-9]{3})", data)]
