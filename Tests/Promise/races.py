"""Moments at which a protocol of leases may be wrong, brought about on purpose: nodes that join,
polls that wait, fills that are late, nodes that were given up, wide ends of hot tokens."""

import asyncio
import json

from workload import NODE_NAMES

# A row that was not renewed for so long is deleted by those who end something.
GIVEN_UP_SECONDS = 3


async def calm(scene, seconds):
    """Nothing goes wrong: many ends at once, of tokens that every node knows."""
    for _ in range(max(2, int(seconds * 2))):
        hot = await scene.workload.prepare(12)
        await scene.workload.burst(hot, scene.others())
        await asyncio.sleep(0.05)


async def wide_ends(scene, seconds):
    """Users, logins and clients end while the tokens that hang on them are hot."""
    for scope in ("client", "user", "session") * max(1, int(seconds / 3)):
        live = [f for f in scene.world.families.values() if f.is_live]
        chosen = scene.rng.sample(live, min(len(live), 12))
        await asyncio.gather(*(scene.workload.heat(f, 2) for f in chosen))
        await scene.workload.end_wide(scene.rng, scope)


async def race_fills(scene, seconds):
    """A node is stopped while it reads tokens that it did not know, which end meanwhile."""
    name = scene.rng.choice(NODE_NAMES)
    node, others = scene.nodes[name], scene.others(name)
    for _ in range(max(4, int(seconds * 2))):
        made = await asyncio.gather(*(
            scene.world.client_token(others[0], scene.rng.choice(scene.world.machines))
            for _ in range(6)
        ))  # fmt: skip
        made = [f for f in made if f is not None]
        for family in made:
            scene.prober.probe(name, family, family.token, "first")
        await asyncio.sleep(scene.rng.random() * 0.012)
        node.stop()
        ending = asyncio.create_task(scene.workload.burst(made, others))
        await asyncio.sleep(scene.rng.choice((0.02, 0.1, 0.3)))
        node.go_on()
        await ending


async def lock_nodes(scene, seconds):
    """Somebody holds locks on the rows of nodes, so that a poll waits with an old snapshot."""
    del seconds
    hot = await scene.workload.prepare(18)
    for i in range(6):
        async with await scene.database.connect(autocommit=False) as connection:
            await connection.execute(
                "SELECT * FROM nodes" + ("" if i % 2 else " ORDER BY random() LIMIT 1")
                + " FOR UPDATE"
            )  # fmt: skip
            await asyncio.sleep(0.05)
            await scene.ends(hot[3 * i : 3 * i + 3])
            await asyncio.sleep(scene.rng.choice((0.28, 0.3, 0.4, 0.8)))
            await connection.rollback()
        await asyncio.sleep(0.15)


async def join_while_committing(scene, seconds):
    """A node starts, and learns tokens, while their ends wait for their commit."""
    del seconds
    name = scene.rng.choice(NODE_NAMES)
    node, hot = scene.nodes[name], await scene.workload.prepare(10)
    node.kill()
    await asyncio.sleep(0.2)
    async with await scene.database.connect(autocommit=False) as connection:
        node.start()
        # It becomes ready about then; the ends must not run into their deadline.
        await asyncio.sleep(scene.rng.random() * 0.3)
        await connection.execute("SELECT * FROM revocation_clock FOR UPDATE")
        await scene.ends(hot, *scene.others(name))
        await node.wait_until_ready(3.5)
        await asyncio.gather(*(scene.world.introspect(name, f) for f in hot * 2))
        async with await scene.database.connect(autocommit=False) as another:
            # Its next poll comes late, so that its lease is all that it has.
            await another.execute("SELECT * FROM nodes FOR UPDATE")
            await connection.rollback()
            await asyncio.sleep(0.4)
            await another.rollback()
    await node.wait_until_ready()


async def give_up_node(scene, seconds):
    """A stopped node's row is deleted by others. When the node goes on, its poll waits for
    somebody who inserts the same row and takes it back; meanwhile tokens end that it knows."""
    name = scene.rng.choice(NODE_NAMES)
    node, hot = scene.nodes[name], await scene.workload.prepare(16)
    query = "SELECT id::text, row_to_json(nodes)::text FROM nodes"
    before = dict(await scene.sql(query))
    node.stop()
    try:
        for i in range(8):
            await scene.ends(hot[i : i + 1], *scene.others(name))
            await asyncio.sleep(GIVEN_UP_SECONDS / 8 + min(seconds, 4) / 16)
        rows = dict(await scene.sql(query))
        gone = [json.loads(row) for id, row in before.items() if id not in rows]
        async with await scene.database.connect(autocommit=False) as connection:
            for row in gone[:1]:
                await connection.execute(
                    "INSERT INTO nodes SELECT * FROM json_populate_record(NULL::nodes, %s)",
                    (json.dumps(row),),
                )
            node.go_on()
            await asyncio.sleep(0.03)
            await scene.ends(hot[8:], *scene.others(name))
            await asyncio.sleep(0.06)
            await connection.rollback()
    finally:
        node.go_on()
    await asyncio.sleep(0.5)


RACES = (
    calm, wide_ends, race_fills, lock_nodes, join_while_committing, give_up_node,
)  # fmt: skip
