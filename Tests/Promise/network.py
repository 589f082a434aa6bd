"""A network of namespaces on one bridge, each pair of which can be cut in either direction.

A cut is a permanent entry with nobody's hardware address in the sender's neighbour table: what is
sent is lost without a word, established connections too, as when a switch drops it. Only iproute2
is needed.
"""

import subprocess

NOBODY = "02:00:00:00:00:ff"
PREFIX = "10.77.0."
CLIENT = PREFIX + "254"


def ip(*arguments):
    """Runs ip(8)."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


class Network:
    """The bridge, on which we are the client, and its hosts."""

    def __init__(self):
        self.addresses = {}
        self.cuts = set()
        ip("link", "add", "bridge", "type", "bridge")
        ip("addr", "add", f"{CLIENT}/24", "dev", "bridge")
        ip("link", "set", "bridge", "up")

    def host(self, name, number):
        """Adds a host; its address."""
        address = f"{PREFIX}{number}"
        ip("netns", "add", name)
        ip("link", "add", f"v-{name}", "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("link", "set", f"v-{name}", "master", "bridge", "up")
        ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", name, "link", "set", "lo", "up")
        self.addresses[name] = address
        return address

    def cut_one_way(self, sender, receiver):
        """Nothing from the one reaches the other."""
        if (sender, receiver) not in self.cuts:
            self.cuts.add((sender, receiver))
            address = self.addresses[receiver]
            ip("-n", sender, "neigh", "replace", address, "lladdr", NOBODY, "dev", "eth0",
               "nud", "permanent")  # fmt: skip

    def cut(self, one, other):
        """Nothing passes between two hosts."""
        self.cut_one_way(one, other)
        self.cut_one_way(other, one)

    def remove(self):
        """Takes it all down; the hosts' processes have ended."""
        for name in self.addresses:
            ip("link", "del", f"v-{name}")
            ip("netns", "del", name)
        ip("link", "del", "bridge")

    def mend(self):
        """Everything passes again."""
        for sender, receiver in self.cuts:
            ip("-n", sender, "neigh", "del", self.addresses[receiver], "dev", "eth0")
        self.cuts.clear()
