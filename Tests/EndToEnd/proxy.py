"""A TCP proxy that can be cut, frozen and slowed down: a network that fails on demand."""

import contextlib
import socket
import threading
import time


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
        if self._listener is not None:
            # Shutting it down wakes the thread that accepts; closing alone does not.
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.sever()

    def sever(self):
        """Breaks all connections; new ones are accepted."""
        with self._lock:
            broken, self._sockets = self._sockets, set()
        for one in broken:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def freeze(self):
        """Keeps all connections and passes nothing on, as when a cable is pulled."""
        self._flowing.clear()

    def _accept(self, listener):
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near):
        try:
            far = socket.create_connection(("127.0.0.1", self.target), 10)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        with self._lock:
            self._sockets |= {near, far}
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def _pass(self, source, sink):
        try:
            while data := source.recv(65536):
                self._flowing.wait()
                if self.delay:
                    time.sleep(self.delay)
                sink.sendall(data)
        except OSError:
            pass
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
            with self._lock:
                self._sockets.discard(one)
