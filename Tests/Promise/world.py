"""What the client knows: users, clients, logins, tokens; and each operation on them, recorded."""

import asyncio
import base64
import hashlib
import json
import os
import time
from dataclasses import dataclass, field

from people import Browser
from wire import Unanswered, basic

SCOPE = "openid photos:read"
# A client holds at most ten live grants in one login; the oldest would end.
GRANTS_PER_SESSION = 8
REQUEST_SECONDS = 20
now = time.monotonic_ns


def cheap_hash(password):
    """A password's hash that costs next to nothing, in PHC form."""
    salt = os.urandom(16)
    hashed = hashlib.scrypt(password.encode(), salt=salt, n=1 << 8, r=8, p=1, dklen=32)
    texts = (base64.b64encode(part).decode().rstrip("=") for part in (salt, hashed))
    return "$scrypt$ln=8,r=8,p=1$" + "$".join(texts)


@dataclass
class Client:
    """A registered client."""

    id: str
    basic: str


@dataclass
class User:
    """A person."""

    name: str
    password: str


@dataclass
class Session:
    """A login in one browser."""

    name: str
    user: User
    browser: Browser
    since: tuple
    sid: str | None = None
    ended_ns: int | None = None
    grants: dict = field(default_factory=dict)


@dataclass(eq=False)
class Family:
    """Tokens that share a fate: a grant's, or one of a client's own."""

    name: str
    client: Client
    session: Session | None
    since: tuple
    access: list = field(default_factory=list)
    refresh: str | None = None
    # The refresh token before it, which may be answered again.
    previous: str | None = None
    # By when its end was acknowledged, and whether it may have ended without that.
    ended_ns: int | None = None
    is_doubtful: bool = False
    is_busy: bool = False

    @property
    def is_live(self):
        return self.ended_ns is None and not self.is_doubtful

    @property
    def token(self):
        return self.access[-1]


class World:
    """The operations. Whoever wants to hear of acknowledged ends, with the
    tokens that are dead by them, adds to `listeners`."""

    def __init__(self, installation, recorder):
        self.installation, self.recorder = installation, recorder
        self.nodes = installation.nodes
        self.users, self.apps, self.machines = [], [], []
        self.api = None
        self.families, self.sessions = {}, {}
        self.listeners = []
        self.latencies = {"revoke": [], "introspect": [], "refresh": []}

    async def populate(self, users, apps, machines):
        """Registers who takes part."""
        cli = self.installation.cli

        async def client(name, *flags):
            made = await cli("client", "create", "--id", name, "--name", name, *flags)
            return Client(name, basic(name, made["client_secret"]))

        self.api = await client("api", "--introspects", "any")
        app = ["--grant", "authorization_code,refresh_token", "--first-party", "--scope", SCOPE]
        app += ["--redirect-uri", "https://app.example/cb"]
        for i in range(apps):
            self.apps.append(await client(f"app{i}", *app))
        for i in range(machines):
            self.machines.append(await client(f"machine{i}", "--grant", "client_credentials"))
        for i in range(users):
            user = User(f"user{i}", f"a long password {i}")
            flags = ("--username", user.name, "--password-stdin")
            await cli("user", "create", *flags, stdin=user.password + "\n")
            # Hashes as strong as people's take the time that this test has for other things.
            await self.installation.primary.sql(
                "UPDATE users SET password_hash = %s WHERE username = %s",
                cheap_hash(user.password), user.name,
            )  # fmt: skip
            self.users.append(user)

    # Operations. Each returns its event, or None where nothing came of it.

    async def _ask(self, node, path, form, client, kind=None):
        start = now()
        answer = await self.nodes[node].endpoint.request(
            "POST", path, form, client.basic, REQUEST_SECONDS
        )
        if kind is not None:
            self.latencies[kind].append(now() - start)
        return answer

    async def introspect(self, node, family, token=None, why=None):
        """Asks a node about a token."""
        token = token or family.token
        prefix = "r" if token.startswith("dn_rt") else "a"
        fields = {"token": self.recorder.name(prefix, token), "family": family.name, "node": node}
        if why:
            fields["why"] = why
        start = now()
        try:
            answer = await self._ask(node, "/introspect", {"token": token}, self.api, "introspect")
        except Unanswered:
            return self.recorder.add("introspect", start, "unknown", active=None, **fields)
        if answer.status != 200:
            fields["status"] = answer.status
            return self.recorder.add("introspect", start, "unknown", active=None, **fields)
        active = json.loads(answer.body)["active"]
        event = self.recorder.add("introspect", start, "ok", active=active, **fields)
        if not active and prefix == "a" and family.is_live and len(family.access) == 1:
            family.is_doubtful = True
        return event

    async def client_token(self, node, client):
        """A token of a client's own; its family, or None."""
        start = now()
        fields = {"node": node, "client": client.id}
        name = self.recorder.new_name("f")
        try:
            answer = await self._ask(node, "/token", {"grant_type": "client_credentials"}, client)
        except Unanswered:
            self.recorder.add("issue", start, "unknown", family=name, **fields)
            return None
        body = json.loads(answer.body)
        if answer.status != 200:
            outcome = "unknown" if answer.status >= 500 else "fail"
            self.recorder.add("issue", start, outcome, family=name, **fields, error=body["error"])
            return None
        family = Family(name, client, None, (start, now()))
        family.access.append(body["access_token"])
        self.families[name] = family
        self.recorder.add(
            "issue", start, "ok", family=name, **fields, client_since=family.since,
            access=self.recorder.name("a", family.token),
            expires_ns=start + body["expires_in"] * 1_000_000_000,
        )  # fmt: skip
        return family

    async def log_in(self, node, user):
        """A new login in a new browser, or None."""
        start = now()
        browser = Browser(self.installation.environment["DOORNAIL_ISSUER"])
        try:
            await browser.log_in(self.nodes[node].endpoint, user.name, user.password)
        except Unanswered:
            return None
        session = Session(self.recorder.new_name("s"), user, browser, (start, now()))
        self.sessions[session.name] = session
        return session

    async def authorize(self, node, session, client, redeemer=None):
        """A grant of a client in a session; its family, or None."""
        given = session.grants.get(client.id, 0)
        if session.ended_ns is not None or given >= GRANTS_PER_SESSION:
            return None
        session.grants[client.id] = given + 1
        start = now()
        try:
            code = await session.browser.authorize(self.nodes[node].endpoint, client.id, SCOPE)
        except Unanswered:
            return None
        if code is None:
            # Logged out: by an end that we know of, or not.
            session.ended_ns = session.ended_ns or now()
            return None
        since, node = (start, now()), redeemer or node
        name = self.recorder.new_name("g")
        form = {
            "grant_type": "authorization_code",
            "code": code[0],
            "code_verifier": code[1],
            "redirect_uri": "https://app.example/cb",
        }
        fields = {
            "node": node, "family": name, "grant": name, "session": session.name,
            "user": session.user.name, "client": client.id,
            "user_since": session.since, "client_since": since,
        }  # fmt: skip
        start = now()
        try:
            answer = await self._ask(node, "/token", form, client)
        except Unanswered:
            self.recorder.add("issue", start, "unknown", **fields)
            return None
        body = json.loads(answer.body)
        if answer.status != 200:
            outcome = "unknown" if answer.status >= 500 else "fail"
            self.recorder.add("issue", start, outcome, **fields, error=body["error"])
            return None
        family = Family(name, client, session, since, [body["access_token"]], body["refresh_token"])
        self.families[name] = family
        if session.sid is None:
            payload = body["id_token"].split(".")[1]
            session.sid = json.loads(base64.urlsafe_b64decode(payload + "=="))["sid"]
        self.recorder.add(
            "issue", start, "ok", **fields,
            access=self.recorder.name("a", family.token),
            refresh=self.recorder.name("r", family.refresh),
            expires_ns=start + body["expires_in"] * 1_000_000_000,
        )  # fmt: skip
        return family

    async def refresh(self, node, family, token=None):
        """Presents a refresh token."""
        token = token or family.refresh
        fields = {
            "token": self.recorder.name("r", token), "family": family.name, "node": node
        }  # fmt: skip
        form = {"grant_type": "refresh_token", "refresh_token": token}
        start = now()
        try:
            answer = await self._ask(node, "/token", form, family.client, "refresh")
        except Unanswered:
            return self.recorder.add("refresh", start, "unknown", **fields)
        body = json.loads(answer.body)
        if answer.status != 200:
            outcome = "unknown" if answer.status >= 500 else "fail"
            if outcome == "fail":
                family.is_doubtful = True
            return self.recorder.add("refresh", start, outcome, **fields, error=body["error"])
        if token == family.refresh and body["refresh_token"] != token:
            family.previous, family.refresh = token, body["refresh_token"]
        family.access.append(body["access_token"])
        return self.recorder.add(
            "refresh", start, "ok", **fields,
            access=self.recorder.name("a", body["access_token"]),
            refresh=self.recorder.name("r", body["refresh_token"]),
            expires_ns=start + body["expires_in"] * 1_000_000_000,
        )  # fmt: skip

    # Ends.

    async def end_token(self, node, family, token=None):
        """Ends one access token by /revoke."""
        token = token or family.token
        subject = self.recorder.name("a", token)
        alone = [family] if family.session is None else []
        return await self._revoke(node, family, token, "token", subject, alone)

    async def end_grant(self, node, family):
        """Ends a grant by its refresh token."""
        return await self._revoke(node, family, family.refresh, "grant", family.name, [family])

    async def _revoke(self, node, family, token, scope, subject, families):
        start = now()
        try:
            answer = await self._ask(node, "/revoke", {"token": token}, family.client, "revoke")
            status = answer.status
        except Unanswered:
            status = None
        if status == 200:
            outcome = "ok"
        else:
            outcome = "fail" if status in (400, 401, 413, 429) else "unknown"
        return self._ended(start, outcome, scope, subject, node, families, [(family, token)])

    async def log_out(self, node, session):
        """Ends a login by /logout."""
        start = now()
        families = [f for f in self.families.values() if f.session is session]
        try:
            ended = await session.browser.log_out(self.nodes[node].endpoint)
        except Unanswered:
            ended = False
        outcome = "ok" if ended else "unknown"
        return self._ended(start, outcome, "session", session.name, node, families)

    async def end_by_command(self, scope, subject):
        """`doornail revoke session | user | client`."""
        start = now()
        if scope == "session":
            name, argument = subject.name, subject.sid
            families = [f for f in self.families.values() if f.session is subject]
        elif scope == "user":
            name = argument = subject.name
            families = [f for f in self.families.values() if f.session and f.session.user is subject
                        and f.session.since[1] < start]  # fmt: skip
        else:
            name = argument = subject.id
            families = [f for f in self.families.values() if f.client is subject
                        and f.since[1] < start]  # fmt: skip
        families = [f for f in families if f.ended_ns is None]
        code, _, _ = await self.installation.spawn("revoke", scope, argument)
        outcome = "ok" if code == 0 else "unknown"
        return self._ended(start, outcome, scope, name, "command", families)

    def _ended(self, start, outcome, scope, subject, node, families, targets=()):
        event = self.recorder.add("revoke", start, outcome, scope=scope, subject=subject, node=node)
        if outcome == "unknown":
            for family in families:
                family.is_doubtful = True
        elif outcome == "ok":
            if scope == "session":
                families += [f for f in self.families.values() if f.session is not None
                             and f.session.name == subject and f not in families]  # fmt: skip
                self.sessions[subject].ended_ns = event["returned_ns"]
            elif scope == "user":
                for session in self.sessions.values():
                    if session.user.name == subject and session.since[1] < start:
                        session.ended_ns = session.ended_ns or event["returned_ns"]
            for family in families:
                family.ended_ns = family.ended_ns or event["returned_ns"]
            if scope != "token":
                # The newest token of each, and the oldest, which nodes have known for longest.
                targets = [(f, t) for f in families for t in {f.access[0], f.access[-1]}]
            for listener in list(self.listeners):
                listener(event, targets)
        return event
