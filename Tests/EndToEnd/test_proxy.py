"""The network that fails on demand: what it cut stays cut, or tests blame the server for it."""

import socket
import threading
import time

import pytest

from postgres import free_port
from proxy import Proxy


@pytest.fixture
def echo():
    """The port of a server that sends back what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                one, _ = listener.accept()
            except OSError:
                return
            with one:
                while data := one.recv(100):
                    one.sendall(data)

    serving = threading.Thread(target=serve)
    serving.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    serving.join()


def answers(connection):
    """Whether anything comes back."""
    try:
        connection.sendall(b"x")
        return connection.recv(1) == b"x"
    except ConnectionError:
        return False


@pytest.mark.parametrize("fault", ["cut", "sever"])
def test_a_connection_that_is_being_made_is_broken_too(echo, monkeypatch, fault):
    """The proxy has accepted it, and is on its way to the other side."""
    connect, on_the_way, goes_on = socket.create_connection, threading.Event(), threading.Event()

    def slowly(*arguments):
        made = connect(*arguments)
        on_the_way.set()
        assert goes_on.wait(10)
        return made

    monkeypatch.setattr(socket, "create_connection", slowly)
    proxy = Proxy(echo)
    with connect(("127.0.0.1", proxy.port), 10) as connection:
        assert on_the_way.wait(10)
        getattr(proxy, fault)()
        goes_on.set()
        assert not answers(connection)
    proxy.cut()


@pytest.mark.parametrize("fault", ["cut", "sever"])
def test_a_connection_is_broken_and_the_next_is_not(echo, fault):
    proxy = Proxy(echo)
    with socket.create_connection(("127.0.0.1", proxy.port), 10) as connection:
        assert answers(connection)
        getattr(proxy, fault)()
        assert not answers(connection)
    if fault == "cut":
        with pytest.raises(ConnectionError):
            socket.create_connection(("127.0.0.1", proxy.port), 10)
        proxy.mend()
    with socket.create_connection(("127.0.0.1", proxy.port), 10) as connection:
        assert answers(connection)
    proxy.cut()


def test_nobody_behind_it():
    """Nothing of what failed is kept."""
    proxy = Proxy(free_port())
    with socket.create_connection(("127.0.0.1", proxy.port), 10) as connection:
        assert not answers(connection)
    deadline = time.monotonic() + 10
    while proxy._sockets:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    proxy.cut()
