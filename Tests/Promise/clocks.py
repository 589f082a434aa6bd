"""The clocks of servers: stepped and driven faster or slower through a preloaded library."""

import mmap
import shutil
import struct
import subprocess
import time
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")
BILLION = 1_000_000_000
LAYOUT = struct.Struct("=Qqqqqq")


def build(folder):
    """Compiles the library; None where there is no C compiler."""
    preload = folder / "clock.so"
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    subprocess.run(
        [compiler, "-O2", "-Wall", "-shared", "-fPIC", "-o", preload, SOURCE, "-ldl", "-lpthread"],
        check=True,
    )
    return preload


class Clock:
    """One server's clock."""

    def __init__(self, folder, name, preload):
        self.preload = preload
        self.path = folder / f"{name}.clock"
        self.path.write_bytes(bytes(LAYOUT.size))
        self.path.chmod(0o644)
        with self.path.open("r+b") as file:
            self.map = mmap.mmap(file.fileno(), LAYOUT.size)
        self.version = 0
        self.wall = self.anchor = self.skew = self.before = self.after = 0

    @property
    def environment(self):
        """What a process needs to have this clock."""
        if self.preload is None:
            return {}
        return {"LD_PRELOAD": str(self.preload), "DOORNAIL_CLOCK": str(self.path)}

    def step(self, seconds):
        """Sets the wall clock that many seconds off."""
        self.wall = int(seconds * BILLION)
        self._write()

    def leap(self, seconds):
        """Sets the wall clock that many seconds further off."""
        self.step(self.wall / BILLION + seconds)

    def run(self, rate):
        """Lets all clocks run at a rate from now on: 1.0 is right."""
        # Continuous: the old rate holds until the anchor, the new one after it.
        anchor = time.clock_gettime_ns(time.CLOCK_MONOTONIC) + 1_000_000
        self.skew += (anchor - self.anchor) * self.after // BILLION
        self.anchor, self.before, self.after = anchor, self.after, int((rate - 1) * BILLION)
        self._write()

    def _write(self):
        self.version += 2
        self.map[0:8] = struct.pack("=Q", self.version - 1)
        fields = (self.wall, self.anchor, self.skew, self.before, self.after)
        self.map[8:] = struct.pack("=qqqqq", *fields)
        self.map[0:8] = struct.pack("=Q", self.version)
