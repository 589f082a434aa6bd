"""HTTP over raw kept connections: little work per request, so that we are not the brake."""

import asyncio
import base64
import time
from collections import deque
from urllib.parse import quote_plus, urlencode


class Unanswered(Exception):
    """No answer, or none that can be read: whatever was asked for may have happened or not."""


class Answer:
    """A status, headers in lower case (the last of a name; all cookies), and a body."""

    __slots__ = ("body", "cookies", "headers", "status")

    def __init__(self, head):
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split(" ", 2)[1])
        self.headers, self.cookies, self.body = {}, [], b""
        for line in lines[1:]:
            name, _, value = line.partition(":")
            name, value = name.lower(), value.strip()
            self.headers[name] = value
            if name == "set-cookie":
                self.cookies.append(value)

    @property
    def text(self):
        return self.body.decode()


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self):
        self.transport = None
        self.waiter = None
        self.buffer = bytearray()
        self.answer = None
        self.is_open = True

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, exc):
        self.is_open = False
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_exception(Unanswered("the connection was closed"))

    def data_received(self, data):
        self.buffer += data
        if self.answer is None:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self.answer = Answer(bytes(self.buffer[:end]))
            del self.buffer[: end + 4]
        length = int(self.answer.headers.get("content-length", 0))
        if len(self.buffer) < length:
            return
        answer, self.answer = self.answer, None
        answer.body = bytes(self.buffer[:length])
        del self.buffer[:length]
        if answer.headers.get("connection", "").lower() == "close":
            self.close()
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(answer)

    async def send(self, request):
        self.waiter = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self.waiter

    def close(self):
        self.is_open = False
        self.transport.abort()


class Endpoint:
    """A listener and the idle connections to it."""

    def __init__(self, host, port, authority):
        self.host, self.port = host, port
        self.head = f"Host: {authority}\r\n"
        self.idle = deque()
        # When an answer last arrived, for whoever wants to know whether it is alive.
        self.answered_ns = 0

    async def request(self, method, target, form=None, headers="", timeout=20):
        """An answer, or Unanswered; nothing is ever sent twice."""
        body = b"" if form is None else urlencode(form).encode()
        head = f"{method} {target} HTTP/1.1\r\n{self.head}{headers}"
        if form is not None:
            head += "Content-Type: application/x-www-form-urlencoded\r\n"
            head += f"Content-Length: {len(body)}\r\n"
        connection = None
        try:
            async with asyncio.timeout(timeout):
                connection = await self._connection()
                answer = await connection.send(head.encode("latin-1") + b"\r\n" + body)
        except (OSError, TimeoutError, ValueError, IndexError) as error:
            self._drop(connection)
            raise Unanswered(repr(error)) from None
        except BaseException:
            self._drop(connection)
            raise
        self.answered_ns = time.monotonic_ns()
        if connection.is_open:
            self.idle.append(connection)
        return answer

    async def _connection(self):
        while self.idle:
            connection = self.idle.pop()
            if connection.is_open:
                return connection
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, self.host, self.port)
        return connection

    @staticmethod
    def _drop(connection):
        if connection is not None:
            connection.close()

    def close(self):
        while self.idle:
            self.idle.pop().close()


def basic(client_id, secret):
    """An Authorization header (RFC 6749 §2.3.1)."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return f"Authorization: Basic {base64.b64encode(pair.encode()).decode()}\r\n"
