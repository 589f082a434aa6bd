"""Writes down what was asked and answered: one JSON line an operation, and no secret in it."""

import json
import time


class Recorder:
    """The history of one phase, in memory and in a file."""

    def __init__(self, path):
        self.events = []
        self.file = path.open("w")
        self.names = {}
        self.counts = {}

    def name(self, prefix, value):
        """The short name that stands for a token in the history; always the same one."""
        known = self.names.get(value)
        if known is None:
            self.counts[prefix] = number = self.counts.get(prefix, 0) + 1
            known = self.names[value] = f"{prefix}{number}"
        return known

    def new_name(self, prefix):
        """A name for what has no value of its own."""
        self.counts[prefix] = number = self.counts.get(prefix, 0) + 1
        return f"{prefix}{number}"

    def add(self, op, invoked_ns, outcome, **fields):
        """Adds an operation that has returned now."""
        event = {"op": op} | fields
        event |= {"invoked_ns": invoked_ns, "returned_ns": time.monotonic_ns(), "outcome": outcome}
        self.events.append(event)
        self.file.write(json.dumps(event) + "\n")
        return event

    def close(self):
        self.file.close()
