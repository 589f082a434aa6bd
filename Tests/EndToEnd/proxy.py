"""A TCP proxy that can be cut, frozen and slowed down: a network that fails on demand."""

import contextlib
import socket
import threading
import time


def shut(one):
    """Ends a connection in both directions; whoever waits for it is woken."""
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


class Proxy:
    """Passes bytes between a port of its own and another one of 127.0.0.1."""

    def __init__(self, target):
        self.target = target
        self.delay = 0.0
        self._flowing = threading.Event()
        self._flowing.set()
        self._lock = threading.Lock()
        self._sockets = set()
        self._listener = None
        self.port = None
        self.mend()

    def mend(self):
        """Lets everything through again."""
        self._flowing.set()
        if self._listener is None:
            listener = socket.create_server(("127.0.0.1", self.port or 0))
            self.port = listener.getsockname()[1]
            self._listener = listener
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self):
        """Breaks all connections and refuses new ones."""
        with self._lock:
            listener, self._listener = self._listener, None
        if listener is not None:
            # Shutting it down wakes the thread that accepts; closing alone does not.
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.sever()

    def sever(self):
        """Breaks all connections, also those that are being made; new ones are accepted."""
        with self._lock:
            broken, self._sockets = self._sockets, set()
        for one in broken:
            shut(one)

    def freeze(self):
        """Keeps all connections and passes nothing on, as when a cable is pulled."""
        self._flowing.clear()

    def _accept(self, listener):
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                if self._listener is not listener:
                    near.close()
                    return
                self._sockets.add(near)
            threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near):
        with near, contextlib.suppress(OSError):
            with socket.create_connection(("127.0.0.1", self.target), 10) as far:
                far.settimeout(None)
                with self._lock:
                    # What was severed while the other side was reached stays so.
                    if near not in self._sockets:
                        return
                    self._sockets.add(far)
                back = threading.Thread(target=self._pass, args=(far, near), daemon=True)
                back.start()
                self._pass(near, far)
                # Closed by nobody sooner: its number could be another's while it is still read.
                back.join()
                with self._lock:
                    self._sockets.discard(far)
        with self._lock:
            self._sockets.discard(near)

    def _pass(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._flowing.wait()
                if self.delay:
                    time.sleep(self.delay)
                sink.sendall(data)
        shut(source)
        shut(sink)
