"""What goes wrong with a primary, its synchronous standby and the network between all hosts."""

import asyncio
import contextlib
import signal
import time
from functools import partial

from faults import (
    drift_clock,
    kill_database,
    kill_node,
    lock_clock,
    step_clock,
    step_database_clock,
    stop_node,
    terminate_backends,
)
from races import lock_nodes, wide_ends
from workload import NODE_NAMES

# How far behind a standby's wall clock may be: less than its tokens live (2 h).
CLOCK_BEHIND = -3000
# Nodes find the new primary after their connections to the old one have timed out.
FIND_SECONDS = 15


async def make_good(scene):
    """Everything passes again, and a synchronous standby follows the primary."""
    installation = scene.installation
    if installation.network is None:
        return
    installation.network.mend()
    standby = installation.standby
    if standby.has_diverged:
        standby.kill()
        if standby.clock is not None:
            standby.clock.step(scene.rng.choice((0, 0, CLOCK_BEHIND)))
        await installation.add_standby(standby)
    else:
        await installation.primary.wait_for(
            "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'", 30
        )


async def promote(scene):
    """Promotes the standby. Where that takes the database's time forward it is written down: what lives
    for a minute is over then."""
    start, old = time.monotonic_ns(), scene.installation.primary
    new = await scene.installation.promote()
    if new.clock is not None and new.clock.wall > old.clock.wall:
        scene.world.recorder.add("leap", start, "ok", node=new.name)


async def _wait_for_others(scene, names):
    """Until each of these nodes issues tokens again."""
    deadline = time.monotonic() + FIND_SECONDS
    for name in names:
        while time.monotonic() < deadline:
            if await scene.world.client_token(name, scene.world.machines[0]) is not None:
                break
            await asyncio.sleep(0.1)


async def _grants(scene, count):
    """Live grants that were refreshed, so that an older refresh token may be presented again."""
    found = [f for f in scene.world.families.values() if f.session is not None and f.is_live]
    chosen = scene.rng.sample(found, min(len(found), count))
    for family in chosen:
        await scene.world.refresh(scene.rng.choice(scene.others()), family)
        await scene.workload.heat(family, 1)
    return [f for f in chosen if f.is_live]


async def fail_over(scene, seconds):
    """The primary is killed right after an acknowledgement, and the standby promoted."""
    hot = await scene.workload.prepare(12)
    ending = asyncio.ensure_future(scene.prober.next_acknowledgement())
    await scene.ends(hot[:6])
    await ending
    scene.database.kill()
    await asyncio.sleep(min(seconds, 1))
    await promote(scene)
    # Who runs a command finds the new primary sooner than the nodes, which may hold leases yet.
    await scene.workload.end_wide(scene.rng, "client")
    await scene.ends(hot[6:])
    await _wait_for_others(scene, NODE_NAMES)


async def split(scene, seconds):
    """The old primary is cut off with one node, which it goes on serving; the other nodes and the
    standby, now promoted, are on the other side."""
    network, old = scene.installation.network, scene.installation.primary
    new, alone = scene.installation.standby, scene.rng.choice(NODE_NAMES)
    others = [n for n in NODE_NAMES if n != alone]
    hot, grants = await scene.workload.prepare(24), await _grants(scene, 6)
    network.cut(old.name, new.name)
    network.cut(alone, new.name)
    for name in others:
        network.cut(name, old.name)
    try:
        await asyncio.sleep(scene.rng.choice((0, 0.1, 1)))
        await promote(scene)
        await _live_on(scene, others, alone, hot, grants)
        await asyncio.sleep(min(seconds, 5))
    finally:
        old.kill()


async def keep_connections(scene, seconds):
    """The standby is promoted, and the old primary takes no new connections; but one node keeps
    those that it has for its reads, while its lease is the new primary's."""
    network, old = scene.installation.network, scene.installation.primary
    new, alone = scene.installation.standby, scene.rng.choice(NODE_NAMES)
    others = [n for n in NODE_NAMES if n != alone]
    hot, grants = await scene.workload.prepare(24), await _grants(scene, 6)
    network.cut(old.name, new.name)
    try:
        await old.refuse_hosts()
        await promote(scene)
        await old.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'doornail'"
            " AND (client_addr <> %s::inet OR application_name = 'doornail lease')",
            network.addresses[alone],
        )  # fmt: skip
        await _live_on(scene, others, alone, hot, grants)
        await asyncio.sleep(min(seconds, 5))
    finally:
        old.kill()


async def _live_on(scene, others, alone, hot, grants):
    """Under the new primary tokens end and are issued, of which one node's old one knows nothing."""
    await scene.ends(hot[:8], *others)
    await _wait_for_others(scene, others)
    # Those who are on the right side end what the lonely node knows to be alive.
    await scene.ends(hot[8:], *others)
    for family in grants:
        token, previous = family.refresh, family.previous
        await scene.world.end_grant(others[0], family)
        for presented in (previous, token):
            if presented is not None and family.ended_ns is not None:
                scene.prober.spawn(scene.world.refresh(alone, family, presented))
    # They issue what it cannot know.
    for i in range(8):
        client = scene.rng.choice(scene.world.machines)
        made = await scene.world.client_token(others[i % 2], client)
        if made is not None:
            scene.prober.probe(alone, made, made.token, "issued elsewhere")
    await _new_grants(scene, others, alone)
    await scene.workload.end_wide(scene.rng, "client")


async def _new_grants(scene, others, alone):
    """Grants that the lonely node's primary has no rows for are refreshed there."""
    session = await scene.world.log_in(others[0], scene.rng.choice(scene.world.users))
    for node in others:
        family = session and await scene.world.authorize(node, session, scene.world.apps[0])
        if family:
            scene.prober.probe(alone, family, family.token, "issued elsewhere")
            scene.prober.spawn(scene.world.refresh(alone, family))


async def cancel_waits(scene, seconds):
    """Commits wait for the standby, which cannot be reached; the waits are cancelled, so that they
    are committed at the primary alone; then they are asked for again. Sometimes the standby is
    promoted, which knows nothing of them."""
    network, old, new = scene.installation.network, scene.database, scene.installation.standby
    hot = await scene.workload.prepare(16)
    network.cut(old.name, new.name)
    # At first nodes still hold the leases from before; they are asked again meanwhile.
    for family in hot[:6]:
        scene.prober.spawn(scene.workload.insist(partial(_end, scene, family), scene.rng))
    for pause in (*[0.005] * 60, *[0.1] * 18):
        if pause == 0.1:
            await scene.ends([f for f in hot[6:] if f.ended_ns is None][:3])
        await asyncio.sleep(pause)
        await old.sql(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        )
    if scene.rng.random() < 0.7:
        old.kill()
        network.mend()
        await promote(scene)
        await _wait_for_others(scene, NODE_NAMES)
        for family in hot:
            for name in NODE_NAMES:
                scene.prober.probe(name, family, family.token, "after the failover")
    else:
        await asyncio.sleep(min(seconds, 2))


async def _end(scene, family, node):
    return await scene.world.end_token(node, family)


async def cut_databases(scene, seconds):
    """Nothing passes between the databases, in one direction or both."""
    network, pair = scene.installation.network, list(scene.installation.databases)
    hot = await scene.workload.prepare(12)
    scene.rng.shuffle(pair)
    if scene.rng.random() < 0.5:
        network.cut(*pair)
    else:
        network.cut_one_way(*pair)
    await scene.ends(hot)
    await asyncio.sleep(min(seconds, 6))


async def cut_node(scene, seconds):
    """Nothing passes between a node and the primary, in one direction or both."""
    name, network = scene.rng.choice(NODE_NAMES), scene.installation.network
    hot, primary = await scene.workload.prepare(16), scene.database.name
    kind = scene.rng.choice(("both", "to", "from"))
    if kind != "from":
        network.cut_one_way(name, primary)
    if kind != "to":
        network.cut_one_way(primary, name)
    await scene.ends(hot, *scene.others(name))
    await asyncio.sleep(min(seconds, 6))


async def blink_network(scene, seconds):
    """Cuts of tenths of a second, one way or the other, again and again."""
    del seconds
    network, hot = scene.installation.network, await scene.workload.prepare(24)
    for i in range(12):
        ends = [scene.rng.choice(NODE_NAMES), scene.database.name]
        scene.rng.shuffle(ends)
        network.cut_one_way(*ends)
        await scene.ends(hot[2 * i : 2 * i + 2])
        await asyncio.sleep(scene.rng.choice((0.1, 0.3, 0.5)))
        network.mend()
        await asyncio.sleep(0.05)


async def kill_standby(scene, seconds):
    """kill -9 of the standby: nothing can be acknowledged until it is back."""
    hot, standby = await scene.workload.prepare(12), scene.installation.standby
    standby.kill()
    await scene.ends(hot)
    await asyncio.sleep(min(seconds, 4))
    await standby.restart()


async def stop_standby(scene, seconds):
    """SIGSTOP of the standby."""
    hot, standby = await scene.workload.prepare(12), scene.installation.standby
    standby.signal_all(signal.SIGSTOP)
    try:
        await scene.ends(hot)
        await asyncio.sleep(min(seconds, 6))
    finally:
        with contextlib.suppress(ProcessLookupError):
            standby.signal_all(signal.SIGCONT)


STANDBY = (
    split, keep_connections, cancel_waits, fail_over, cut_databases, cut_node, blink_network, kill_standby,
    stop_standby, kill_node, stop_node, kill_database, terminate_backends, lock_clock, lock_nodes,
    wide_ends, step_clock, drift_clock, step_database_clock,
)  # fmt: skip
