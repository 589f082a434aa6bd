"""Where the log of a server goes while it is measured, and how many lines arrived there."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from signal import SIGKILL, SIGTERM

from postgres import dies_with_us

JOURNALD = Path("/lib/systemd/systemd-journald")
NAMESPACE = "doornail-bench"
# What a line of the access log has, and no other line.
ACCESS = b'"status":'


class FileLog:
    """A file, and what each line of interest has."""

    name = "file"
    # Who reads it, if somebody does.
    pid = None

    def __init__(self, file, mark=ACCESS):
        self.file, self.mark = file, mark

    def open(self):
        """What the server writes to."""
        return self.file.open("ab")

    def clear(self):
        """Forgets what was written so far."""
        self.lines()
        if self.file.exists():
            os.truncate(self.file, 0)

    def size(self):
        return self.file.stat().st_size if self.file.exists() else 0

    def lines(self, seconds=5):
        """How many requests are logged, once no more lines come."""
        deadline, before = time.monotonic() + seconds, -1
        while before != (before := self.size()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return self.count()

    def count(self):
        if not self.file.exists():
            return 0
        with self.file.open("rb") as file:
            return sum(self.mark in line for line in file)


class PipeLog(FileLog):
    """A pipe, whose reader writes what it reads into a file: as little as a reader can do."""

    name = "pipe"

    def __init__(self, stack, file):
        super().__init__(file)
        reader, self.writer = os.pipe()
        stack.callback(os.close, self.writer)
        with file.open("ab") as out:
            cat = subprocess.Popen(["cat"], stdin=reader, stdout=out, start_new_session=True,
                                   preexec_fn=dies_with_us(SIGTERM))
        os.close(reader)
        self.pid = cat.pid
        stack.callback(cat.wait)
        stack.callback(cat.terminate)

    def open(self):
        return os.fdopen(os.dup(self.writer), "wb")


class JournalLog(FileLog):
    """A journald of our own, by the socket that systemd gives to services as standard error.

    It keeps every line: systemd's own journald would by default drop what a service logs beyond
    10,000 lines in 30 seconds, which costs the service as much.
    """

    name = "journald"

    def __init__(self, stack):
        self.socket = Path(f"/run/systemd/journal.{NAMESPACE}/stdout")
        journald = subprocess.Popen(
            [JOURNALD, NAMESPACE], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True, preexec_fn=dies_with_us(SIGKILL),
        )  # fmt: skip
        self.pid = journald.pid
        stack.callback(self.remove)
        stack.callback(journald.wait)
        stack.callback(journald.kill)
        deadline = time.monotonic() + 5
        while not self.socket.exists():
            if time.monotonic() > deadline or journald.poll() is not None:
                raise OSError("systemd-journald does not run here")
            time.sleep(0.05)
        self.since = time.time()

    @staticmethod
    def remove():
        """Removes what it kept."""
        for folder in (*Path("/run/log/journal").glob(f"*.{NAMESPACE}"),
                       *Path("/var/log/journal").glob(f"*.{NAMESPACE}"),
                       Path(f"/run/systemd/journal.{NAMESPACE}")):
            shutil.rmtree(folder, ignore_errors=True)

    def open(self):
        stream = socket.socket(socket.AF_UNIX)
        stream.connect(str(self.socket))
        stream.shutdown(socket.SHUT_RD)
        # As systemd does: sd_journal_stream_fd(3).
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
        # Name, unit, priority, whether lines have one, and whether they are passed on.
        stream.sendall(b"doornail\n\n6\n0\n0\n0\n0\n")
        return stream

    def clear(self):
        self.lines()
        self.since = time.time()

    def size(self):
        return sum(file.stat().st_blocks for folder in ("/run", "/var") for file in
                   Path(f"{folder}/log/journal").glob(f"*.{NAMESPACE}/*"))  # fmt: skip

    def count(self):
        command = ["journalctl", f"--namespace={NAMESPACE}", "-q", "-o", "cat",
                   f"--since=@{self.since:.6f}"]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.PIPE) as told:
            return sum(ACCESS in line for line in told.stdout)


def journal(stack):
    """A journald to log to, or None and why there is none."""
    if not JOURNALD.exists():
        return None, "systemd is not installed"
    if os.geteuid():
        return None, "only root can start a journald"
    with contextlib.suppress(OSError):
        return JournalLog(stack), ""
    return None, "systemd-journald does not run here"
