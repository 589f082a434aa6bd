"""What happens all the time while faults are injected: lives of tokens, their ends, and probes."""

import asyncio
import contextlib
import random
import time

from world import now

NODE_NAMES = ("n1", "n2", "n3")
# Probes that may wait at one node, such as a stopped one.
WAITING_PER_NODE = 120
# After a wide end so many of its tokens are probed at once; all of them after healing.
PROBED_AT_ONCE = 8
RECOVERY_SECONDS = 10


class Prober:
    """Asks again after every acknowledged end: at once, after a second, and after healing."""

    def __init__(self, world, rng):
        self.world, self.rng = world, rng
        self.waiting = dict.fromkeys(NODE_NAMES, 0)
        self.tasks = set()
        # A family and token for each end since the last verification.
        self.unverified = []
        self.waiters = []
        self.failure = None
        world.listeners.append(self.heard)

    def heard(self, event, targets):
        """An end was acknowledged a moment ago."""
        if not targets:
            return
        # Of what began last: what is older may have ended before, and would prove nothing.
        is_user = event["scope"] == "user"
        self.unverified.append(
            max(targets, key=lambda target: (target[0].session if is_user else target[0]).since[1])
        )
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(event)
        self.waiters.clear()
        chosen = self.rng.sample(targets, min(len(targets), PROBED_AT_ONCE))
        for family, token in chosen:
            for node in NODE_NAMES:
                self.probe(node, family, token, "at once")
                self.probe(node, family, token, "at once")
            if family.session is not None and event["scope"] != "token":
                self.spawn(self.refresh(family))
            self.spawn(self.later(family, token))

    async def next_acknowledgement(self, timeout=5):
        """Waits for the next acknowledged end; None if none comes."""
        waiter = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(waiter, timeout)

    def spawn(self, coroutine):
        task = asyncio.get_running_loop().create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task):
        self.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.failure = task.exception()

    def probe(self, node, family, token, why):
        """One question, which is not waited for."""
        if self.waiting[node] < WAITING_PER_NODE:
            self.spawn(self._probe(node, family, token, why))

    async def _probe(self, node, family, token, why):
        self.waiting[node] += 1
        try:
            await self.world.introspect(node, family, token, why)
        finally:
            self.waiting[node] -= 1

    async def later(self, family, token):
        await asyncio.sleep(1)
        for node in NODE_NAMES:
            self.probe(node, family, token, "after 1 s")
            self.probe(node, family, token, "after 1 s")

    async def refresh(self, family):
        """A dead family's refresh tokens, the present one and the one before it."""
        for token in (family.previous, family.refresh):
            if token is not None:
                await self.world.refresh(self.rng.choice(NODE_NAMES), family, token)

    async def heal(self):
        """All faults are over: waits for certain answers, then asks about all that has ended."""
        await asyncio.gather(*(self._recover(node) for node in NODE_NAMES))
        todo, self.unverified = self.unverified, []
        start = now()
        self.world.recorder.add("final", start, "ok", node="all", nodes=list(NODE_NAMES))
        limit = asyncio.Semaphore(12)

        async def verify(node, family, token):
            async with limit:
                for _ in range(20):
                    event = await self.world.introspect(node, family, token, "after healing")
                    if event["outcome"] == "ok":
                        return
                    await asyncio.sleep(0.2)

        await asyncio.gather(*(verify(n, f, t) for f, t in todo for n in NODE_NAMES))
        for family in list(self.world.families.values()):
            if family.ended_ns is not None and now() - family.ended_ns > 5_000_000_000:
                del self.world.families[family.name]

    async def _recover(self, node):
        """Until a node is ready and knows that what was issued now is alive."""
        start, limit = now(), time.monotonic() + 3 * RECOVERY_SECONDS
        outcome = "fail"
        while time.monotonic() < limit:
            if await self.world.nodes[node].wait_until_ready(1):
                family = await self.world.client_token(node, self.world.machines[0])
                if family is not None:
                    event = await self.world.introspect(node, family)
                    if event["outcome"] == "ok":
                        outcome = "ok"
                        break
            await asyncio.sleep(0.05)
        self.world.recorder.add("heal", start, outcome, node=node)


class Workload:
    """Actors that go on until they are stopped."""

    def __init__(self, world, prober, seed, wide_seconds=3.0):
        self.world, self.prober, self.seed = world, prober, seed
        self.wide_seconds = wide_seconds
        self.tasks = []
        self.is_running = False

    def start(self, people=3, machines=2):
        """Lets the actors begin."""
        self.is_running = True
        actors = [self.person(i) for i in range(people)]
        actors += [self.machine(i) for i in range(machines)]
        actors += [self.keep_hot(), self.operator()]
        loop = asyncio.get_running_loop()
        self.tasks = [loop.create_task(actor) for actor in actors]

    async def stop(self):
        """Lets the actors finish what they are at: what they asked for has to be recorded."""
        self.is_running = False
        if self.tasks:
            _, late = await asyncio.wait(self.tasks, timeout=30)
            for task in late:
                task.cancel()
        for result in await asyncio.gather(*self.tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    def check(self):
        """Raises what an actor has failed with."""
        for task in self.tasks:
            if task.done() and not task.cancelled():
                task.result()
                raise RuntimeError("an actor ended")
        if self.prober.failure is not None:
            raise self.prober.failure

    async def heat(self, family, times=2, token=None):
        """Lets every node that is up know a token."""
        names = [n for n in NODE_NAMES if self.world.nodes[n].is_up] * times
        await asyncio.gather(*(self.world.introspect(n, family, token) for n in names))

    async def while_asked(self, work, family, rng, token=None):
        """Does something while all nodes are asked about a token again and again."""
        done = asyncio.Event()

        async def ask(node):
            while not done.is_set():
                start = time.monotonic()
                await self.world.introspect(node, family, token)
                # A slow server is left some room: what it has no time for proves nothing.
                await asyncio.sleep(rng.random() * (0.004 + 3 * (time.monotonic() - start)))

        askers = [asyncio.create_task(ask(n)) for n in NODE_NAMES if self.world.nodes[n].is_up]
        try:
            return await work
        finally:
            done.set()
            for asker in askers:
                asker.cancel()
            await asyncio.gather(*askers, return_exceptions=True)

    async def insist(self, end, rng, attempts=4):
        """Asks for an end until it is acknowledged, at any node, as callers do after a 503."""
        for attempt in range(attempts):
            event = await end(rng.choice(NODE_NAMES))
            if event["outcome"] == "ok" or event["outcome"] == "fail":
                return event
            await asyncio.sleep(0.05 * 4**attempt * rng.random())
        return None

    # Lives.

    async def machine(self, number):
        """A client's own tokens, one after another."""
        rng, world = random.Random(f"{self.seed} machine {number}"), self.world
        while self.is_running:
            client = rng.choice(world.machines)
            family = await world.client_token(rng.choice(NODE_NAMES), client)
            if family is None:
                await asyncio.sleep(0.05)
                continue

            async def end(node, family=family):
                return await world.end_token(node, family)

            if rng.random() < 0.6:
                # Known everywhere, and asked about until the end.
                await self.heat(family, rng.randint(1, 2))
                await self.while_asked(self.insist(end, rng), family, rng)
            else:
                # Known nowhere: the first questions race with the end.
                ending = asyncio.create_task(self.insist(end, rng))
                for _ in range(rng.randint(1, 4)):
                    await asyncio.sleep(rng.random() * 0.004)
                    for node in NODE_NAMES:
                        self.prober.probe(node, family, family.token, "first")
                await ending
            await asyncio.sleep(rng.random() * 0.04)

    async def person(self, number):
        """Logins with several grants each."""
        rng = random.Random(f"{self.seed} person {number}")
        user = self.world.users[number % len(self.world.users)]
        while self.is_running:
            session = await self.world.log_in(rng.choice(NODE_NAMES), user)
            if session is None:
                await asyncio.sleep(0.2)
                continue
            for _ in range(rng.randint(3, 12)):
                if session.ended_ns is not None or not self.is_running:
                    break
                node, redeemer = rng.choice(NODE_NAMES), rng.choice(NODE_NAMES)
                app = rng.choice(self.world.apps)
                family = await self.world.authorize(node, session, app, redeemer)
                if family is None:
                    await asyncio.sleep(0.1)
                    continue
                await self.heat(family, 1)
                await self.live(family, rng)
            await self.leave(session, rng)

    async def live(self, family, rng):
        """Refreshes of a grant, some at several nodes at once, and perhaps its end."""
        world = self.world
        for _ in range(rng.randint(0, 3)):
            if not family.is_live:
                return
            token = family.refresh
            nodes = rng.sample(NODE_NAMES, rng.choice((1, 1, 2, 3)))
            await asyncio.gather(*(world.refresh(n, family, token) for n in nodes))
        kind = rng.random()
        if kind < 0.35:
            await self.while_asked(
                self.insist(lambda n: world.end_grant(n, family), rng), family, rng
            )
        elif kind < 0.55:
            # The end of a grant races with its refresh.
            node, token = rng.choice(NODE_NAMES), family.refresh
            racing = asyncio.create_task(world.refresh(node, family, token))
            await asyncio.sleep(rng.random() * 0.003)
            await self.insist(lambda n: world.end_grant(n, family), rng)
            await racing
        elif kind < 0.75:
            token = rng.choice(family.access)
            await self.insist(lambda n: world.end_token(n, family, token), rng)
        # Else it lives on until its login, its user or its client ends.

    async def leave(self, session, rng):
        """The end of a login, while its grants are refreshed and asked about."""
        families = [f for f in self.world.families.values() if f.session is session and f.is_live]
        if session.ended_ns is None:
            chosen = rng.sample(families, min(len(families), 3))
            if chosen:
                await asyncio.gather(*(self.heat(f, 1) for f in chosen))
                racing = asyncio.create_task(
                    self.world.refresh(rng.choice(NODE_NAMES), chosen[0])
                )
                end = self.insist(lambda n: self.world.log_out(n, session), rng)
                await self.while_asked(end, chosen[0], rng)
                await racing
            else:
                await self.insist(lambda n: self.world.log_out(n, session), rng)
        session.ended_ns = session.ended_ns or now()

    async def keep_hot(self):
        """Asks all the time about what is alive, so that caches know it."""
        rng = random.Random(f"{self.seed} keeper")
        while self.is_running:
            start = time.monotonic()
            live = [f for f in self.world.families.values() if f.is_live]
            nodes = [n for n in NODE_NAMES if self.world.nodes[n].is_up]
            asked = [
                asyncio.create_task(self.world.introspect(rng.choice(nodes), f, why="hot"))
                for f in rng.sample(live, min(len(live), 3))
                if nodes
            ]
            if asked:
                await asyncio.wait(asked, timeout=1)
            await asyncio.sleep(0.02 + 2 * (time.monotonic() - start))

    async def operator(self):
        """Now and then somebody ends a user, a login or a client at the command line."""
        rng = random.Random(f"{self.seed} operator")
        while self.is_running:
            await asyncio.sleep(self.wide_seconds * (0.5 + rng.random()))
            if self.is_running:
                await self.end_wide(rng)

    async def end_wide(self, rng, scope=None):
        """One end by command, of a user, a login or a client with hot tokens."""
        world = self.world
        scope = scope or rng.choice(("user", "session", "client", "client"))
        if scope == "session":
            live = [s for s in world.sessions.values() if s.ended_ns is None and s.sid]
            if not live:
                return None
            subject = rng.choice(live)
        elif scope == "user":
            subject = rng.choice(world.users)
        else:
            subject = rng.choice(world.apps + world.machines)
        return await world.end_by_command(scope, subject)

    # What faults use.

    async def prepare(self, count):
        """Hot tokens of clients' own, to be ended when a fault wants it; and live grants."""
        rng = random.Random(f"{self.seed} {now()}")
        nodes = [n for n in NODE_NAMES if self.world.nodes[n].is_up]
        made = await asyncio.gather(*(
            self.world.client_token(rng.choice(nodes), rng.choice(self.world.machines))
            for _ in range(count)
        ))  # fmt: skip
        made = [f for f in made if f is not None]
        await asyncio.gather(*(self.heat(f, 2) for f in made))
        return made

    async def burst(self, families, nodes):
        """Ends many at once, at some nodes; the events."""
        return await asyncio.gather(*(
            self.world.end_token(nodes[i % len(nodes)], family)
            for i, family in enumerate(families)
        ))  # fmt: skip
