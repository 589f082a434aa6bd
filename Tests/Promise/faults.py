"""What goes wrong on one PostgreSQL. Each fault is undone before it returns.

A fault is a coroutine of (Scene, seconds); its class in the report is its name.
"""

import asyncio
import contextlib
import os
import signal
import time

import psycopg

from checker import SECOND
from workload import NODE_NAMES

HOUR = 3600
DAY = 24 * HOUR
# How far a database's clock leaps: a little; past the life of access tokens (2 h), and an hour more; past the
# day that ends are remembered; and past every login and grant.
LEAPS = (1, 65 * 60, 2.1 * HOUR, 3.1 * HOUR, 1.1 * DAY, 365 * DAY)
# The last that a node removes each time; it does so every 20 to 40 s.
LAST_REMOVAL = "housekeeping_throttles"
REMOVAL_SECONDS = 45


class Scene:
    """What a fault acts on."""

    def __init__(self, installation, world, prober, workload, rng):
        self.installation, self.world = installation, world
        self.prober, self.workload, self.rng = prober, workload, rng
        self.nodes = installation.nodes

    @property
    def database(self):
        return self.installation.primary

    def others(self, *names):
        """The nodes that are up, but for some."""
        return [n for n in NODE_NAMES if n not in names and self.nodes[n].is_up]

    async def sql(self, statement, *values):
        return await self.database.sql(statement, *values)

    async def backends(self, condition="true"):
        """Process ids of the nodes' connections."""
        rows = await self.sql(
            f"SELECT pid FROM pg_stat_activity WHERE usename = 'doornail' AND {condition}"
        )
        return [row[0] for row in rows]

    async def removal(self):
        """Waits until some node has removed whatever seems to be over by now."""
        nodes = list(self.nodes.values())
        before = [await node.executions(LAST_REMOVAL) for node in nodes]
        deadline = time.monotonic() + REMOVAL_SECONDS
        while time.monotonic() < deadline:
            for node, count in zip(nodes, before, strict=True):
                # The first one may have begun before.
                if await node.executions(LAST_REMOVAL) > count:
                    return
            await asyncio.sleep(0.25)

    async def ends(self, families, *nodes):
        """Ends hot tokens at some nodes in the background; their probes follow by themselves."""
        for i in range(0, len(families), 4):
            self.prober.spawn(self.workload.burst(families[i : i + 4], nodes or self.others()))
            await asyncio.sleep(0.01)


async def kill_node(scene, seconds):
    """kill -9 of a node right after it acknowledged an end, or at any moment; then a new start."""
    name = scene.rng.choice(NODE_NAMES)
    node, hot = scene.nodes[name], await scene.workload.prepare(12)
    if scene.rng.random() < 0.6:
        ending = scene.prober.next_acknowledgement()
        await scene.ends(hot[:4], name)
        await ending
    node.kill()
    await scene.ends(hot[4:], *scene.others(name))
    await asyncio.sleep(seconds)
    node.start()
    await node.wait_until_ready()


async def kill_database(scene, seconds):
    """kill -9 of all of PostgreSQL right after an acknowledgement; then recovery."""
    database, hot = scene.database, await scene.workload.prepare(8)
    ending = asyncio.ensure_future(scene.prober.next_acknowledgement())
    await scene.ends(hot)
    await ending
    database.kill()
    await asyncio.sleep(min(seconds, 3))
    await database.restart()


async def stop_node(scene, seconds):
    """SIGSTOP of a node that knows tokens, which end meanwhile; it is asked before it goes on."""
    name = scene.rng.choice(NODE_NAMES)
    node, hot = scene.nodes[name], await scene.workload.prepare(16)
    if scene.rng.random() < 0.5:
        await scene.workload.heat(hot[0], 1)
    node.stop()
    try:
        await scene.ends(hot, *scene.others(name))
        await asyncio.sleep(seconds)
    finally:
        node.go_on()


async def blink_node(scene, seconds):
    """Short stops of a node, again and again, so that they fall anywhere into its work."""
    name = scene.rng.choice(NODE_NAMES)
    node, hot = scene.nodes[name], await scene.workload.prepare(24)
    for i in range(min(int(seconds * 3) + 3, 24)):
        node.stop()
        await scene.ends(hot[i : i + 1], *scene.others(name))
        await asyncio.sleep(scene.rng.choice((0.1, 0.2, 0.3, 0.6)))
        node.go_on()
        await asyncio.sleep(scene.rng.random() * 0.1)


async def stop_backends(scene, seconds):
    """SIGSTOP of single PostgreSQL backends."""
    hot = await scene.workload.prepare(12)
    pids = await scene.backends()
    chosen = scene.rng.sample(pids, min(len(pids), scene.rng.choice((1, 3, 8))))
    for pid in chosen:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    try:
        await scene.ends(hot)
        await asyncio.sleep(min(seconds, 6))
    finally:
        for pid in chosen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


async def stop_database(scene, seconds):
    """SIGSTOP of all of PostgreSQL."""
    hot = await scene.workload.prepare(6)
    scene.database.signal_all(signal.SIGSTOP)
    try:
        await scene.ends(hot)
        await asyncio.sleep(min(seconds, 6))
    finally:
        scene.database.signal_all(signal.SIGCONT)


async def terminate_backends(scene, seconds):
    """pg_terminate_backend of the nodes' connections, in the middle of their statements."""
    hot = await scene.workload.prepare(16)
    for i in range(max(2, int(seconds * 3))):
        await scene.ends(hot[2 * i : 2 * i + 2])
        await asyncio.sleep(scene.rng.random() * 0.01)
        busy = "state <> 'idle'" if scene.rng.random() < 0.6 else "random() < 0.4"
        await scene.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE usename = 'doornail' AND {busy}"
        )
        await asyncio.sleep(0.2)


async def cancel_backends(scene, seconds):
    """pg_cancel_backend of whatever runs."""
    hot = await scene.workload.prepare(16)
    for i in range(max(12, int(seconds * 20))):
        await scene.ends(hot[i : i + 1])
        await scene.sql(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
            " WHERE usename = 'doornail' AND state <> 'idle'"
        )
        await asyncio.sleep(0.02)


async def lose_notify(scene, seconds):
    """The listeners' connections break again and again, so that notifications are lost."""
    hot = await scene.workload.prepare(12)
    for i in range(max(4, int(seconds * 5))):
        await scene.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'doornail'"
            " AND (application_name ILIKE '%lease%' OR application_name ILIKE '%listen%')"
        )
        await scene.ends(hot[i : i + 1])
        await asyncio.sleep(0.15)


async def pool_of_one(scene, seconds):
    """A node with a single pooled connection."""
    name = scene.rng.choice(NODE_NAMES)
    node = scene.nodes[name]
    node.kill()
    node.start(DOORNAIL_POOL="1")
    await node.wait_until_ready()
    hot = await scene.workload.prepare(16)
    await scene.ends(hot, name)
    await asyncio.sleep(seconds)
    node.kill()
    node.start()
    await node.wait_until_ready()


async def use_up_connections(scene, seconds):
    """All connections of PostgreSQL are in use; the nodes' own break and rarely come back."""
    hot, taken = await scene.workload.prepare(12), []
    over = asyncio.Event()

    async def take():
        while not over.is_set():
            try:
                taken.append(await scene.database.connect(user="doornail"))
            except psycopg.OperationalError:
                await asyncio.sleep(0.01)

    takers = [asyncio.create_task(take()) for _ in range(6)]
    try:
        for _ in range(max(2, int(min(seconds, 6)))):
            await asyncio.sleep(0.5)
            # The nodes come by TCP, and we by the socket.
            await scene.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = 'doornail' AND client_addr IS NOT NULL"
            )
            await scene.ends(hot[:4])
            hot = hot[4:]
            await asyncio.sleep(0.5)
    finally:
        over.set()
        await asyncio.gather(*takers)
        for connection in taken:
            await connection.close()


async def lock_clock(scene, seconds):
    """Somebody holds the lock that every revocation needs at its commit."""
    hot = await scene.workload.prepare(12)
    async with await scene.database.connect(autocommit=False) as connection:
        await connection.execute("SELECT * FROM revocation_clock FOR UPDATE")
        await scene.ends(hot)
        await asyncio.sleep(min(seconds, 7))
        await connection.rollback()


async def lock_timeout(scene, seconds):
    """Statements of the role give up on locks, which are held."""
    await scene.sql("ALTER ROLE doornail SET lock_timeout = '30ms'")
    try:
        await scene.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'doornail'"
        )
        await asyncio.sleep(0.5)
        hot = await scene.workload.prepare(12)
        for i in range(3):
            async with await scene.database.connect(autocommit=False) as connection:
                await connection.execute("SELECT * FROM revocation_clock FOR UPDATE")
                await scene.ends(hot[4 * i : 4 * i + 4])
                await asyncio.sleep(min(seconds / 3, 1))
                await connection.rollback()
            await asyncio.sleep(0.1)
    finally:
        await scene.sql("ALTER ROLE doornail RESET lock_timeout")
        await scene.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'doornail'"
        )


async def step_clock(scene, seconds):
    """A node's wall clock jumps by an hour, while it is stopped too, and back again."""
    name = scene.rng.choice(NODE_NAMES)
    node, hot = scene.nodes[name], await scene.workload.prepare(16)
    node.stop()
    try:
        node.clock.step(scene.rng.choice((-3600, -3600, -60, 3600)))
        await scene.ends(hot[:8], *scene.others(name))
        await asyncio.sleep(min(seconds, 4))
    finally:
        node.go_on()
    await scene.ends(hot[8:])
    await asyncio.sleep(min(seconds, 2))
    node.clock.step(0)


async def drift_clock(scene, seconds):
    """The nodes' clocks run at rates 5% off in both directions."""
    nodes = list(scene.nodes.values())
    rates = [0.9525, 1.0475, scene.rng.choice((0.9525, 1.0, 1.0475))]
    scene.rng.shuffle(rates)
    for node, rate in zip(nodes, rates, strict=True):
        node.clock.run(rate)
    for _ in range(3):
        hot = await scene.workload.prepare(9)
        stopped = scene.rng.choice(nodes)
        stopped.stop()
        await scene.ends(hot, *scene.others(stopped.name))
        await asyncio.sleep(0.2 + scene.rng.random() * 0.2)
        stopped.go_on()
        await asyncio.sleep(min(seconds, 3) / 3)
    for node in nodes:
        node.clock.run(1.0)


def leap(scene, seconds, ahead):
    """The wall clocks of all databases leap together, and are so far ahead then."""
    start = time.monotonic_ns()
    for database in scene.installation.databases.values():
        database.clock.leap(seconds)
    scene.world.recorder.add("leap", start, "ok", node="databases", ahead=int(ahead * SECOND))


async def step_database_clock(scene, seconds):
    """The database's wall clock leaps, forwards or back, until nodes have removed what seems to be
    over by it, and is put right again. What ended before and meanwhile is dead at all times."""
    ahead = scene.rng.choice((1, 1, -1)) * scene.rng.choice(LEAPS)
    hot = await scene.workload.prepare(24)
    await scene.workload.burst(hot[:12], scene.others())
    leap(scene, ahead, ahead)
    try:
        await scene.ends(hot[12:])
        if ahead > HOUR:
            await scene.removal()
        else:
            await asyncio.sleep(min(seconds, 5))
    finally:
        leap(scene, -ahead, 0)
    await asyncio.sleep(0.5)
    for family in hot:
        for name in NODE_NAMES:
            scene.prober.probe(name, family, family.token, "after the leap")


CLOCKS = (step_clock, drift_clock, step_database_clock)
SHORT = (kill_node, kill_database, stop_node, terminate_backends, lock_clock)
SINGLE = (
    *SHORT, blink_node, stop_backends, stop_database, cancel_backends, lose_notify, pool_of_one,
    use_up_connections, lock_timeout, *CLOCKS,
)  # fmt: skip
