"""What is measured: the rows of each group, and the servers that they need."""

import dataclasses
import subprocess

import pgbench
import shapes
from limits import built_in_swift, nginx
from logs import FileLog, PipeLog, journal
from peers import dot, glewlwyd
from servers import Installation

# Where shapes, logs and operations are measured, and what is measured elsewhere.
AT, ELSEWHERE = 64, "curl"
OPERATIONS = ("token", *pgbench.WRITES)
STRICT = ("curl", "spring", "lua-resty-openidc", shapes.MIXED)
LOGGED = ("curl", shapes.MIXED)
LIMITED = ("curl", shapes.MIXED)
GROUPS = ("shapes", "tls", "logs", "strict", "operations", "connections", "peers")
CALLERS, TOKENS = 100, 10_000


@dataclasses.dataclass
class Job:
    """Something to measure: a row of a table."""

    group: str
    name: str
    # A shape of /introspect, or another operation.
    operation: str
    connections: int
    server: object
    # What is different from Doornail.
    note: str = ""

    @property
    def row(self):
        """What its results are found under."""
        return self.group, self.name, self.operation, self.connections

    @property
    def reader(self):
        """The process that reads the log."""
        log = getattr(self.server, "log", None)
        return log.pid if log else None


class Plan:
    """The groups that are wanted, with one database for what is asked about tokens, and one for what
    gives and ends them."""

    def __init__(self, stack, cluster, folder, options):
        self.stack, self.cluster, self.folder, self.options = stack, cluster, folder, options
        self.why_no_journal = ""
        self.names = options.shapes or shapes.NAMES
        wanted = set(options.only)
        self.prepare(wanted)
        make = {
            "shapes": self.shapes_jobs, "tls": self.tls_jobs, "logs": self.logs_jobs,
            "strict": self.strict_jobs, "operations": self.operations_jobs,
            "connections": self.connections_jobs, "peers": self.peers_jobs,
        }  # fmt: skip
        self.jobs = [job for group in GROUPS if group in wanted for job in make[group]()]

    def prepare(self, wanted):
        """The node, its callers and tokens, what they send, and the bare handler."""
        self.asked = Installation(self.stack, self.cluster, "asked", self.folder)
        node = self.asked.start(FileLog(self.folder / "file.log"))
        server = self.asked.server(node, self.asked.client)
        server.mint("introspect", TOKENS)
        self.tokens = server.tokens("introspect")
        self.length = len(server.ask_about(self.tokens[0]).content)
        needed = self.needed(wanted)
        callers = self.asked.callers(CALLERS if {shapes.CALLERS, shapes.MIXED} & needed else 1)
        for name in needed:
            shapes.keep(self.folder / f"{name}.requests", name, callers, self.tokens)
        self.lease = self.asked.asked("lease", node, self.folder)
        self.nio = self.swift("nio")
        if wanted & {"strict", "connections"}:
            strict = self.asked.start(FileLog(self.folder / "strict.log"), DOORNAIL_CACHE="0")
            self.strict = self.asked.asked("strict", strict, self.folder)

    def needed(self, wanted):
        """The shapes that are sent."""
        needed = {ELSEWHERE}
        needed |= set(self.names if wanted & {"shapes", "tls"} else ())
        needed |= set(STRICT if "strict" in wanted else ())
        return needed | set(LOGGED if "logs" in wanted else ())

    def swift(self, name, *tls):
        return built_in_swift(self.stack, self.options.limit, name, self.length, self.folder, *tls)

    def pairs(self, group, names, *servers):
        """Each shape by each server, next to each other in time."""
        return [Job(group, server.name, name, AT, server) for name in names for server in servers]

    def shapes_jobs(self):
        limit = nginx(self.stack, self.length, self.folder)
        jobs = []
        for name in self.names:
            servers = (self.nio, self.lease, *([limit] if name in LIMITED else []))
            jobs += self.pairs("shapes", [name], *servers)
        return jobs

    def tls_jobs(self):
        key, certificate = self.folder / "key.pem", self.folder / "certificate.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
            + ["-nodes", "-keyout", key, "-out", certificate, "-subj", "/CN=127.0.0.1"],
            check=True, capture_output=True,
        )  # fmt: skip
        key.chmod(0o600)
        node = self.asked.start(
            FileLog(self.folder / "tls.log"),
            DOORNAIL_TLS_CERTIFICATE=str(certificate), DOORNAIL_TLS_KEY=str(key),
        )  # fmt: skip
        lease = self.asked.asked("lease, TLS", node, self.folder, "https")
        return self.pairs("tls", self.names, self.swift("nio-tls", certificate, key), lease)

    def logs_jobs(self):
        logs = [PipeLog(self.stack, self.folder / "pipe.log")]
        log, self.why_no_journal = journal(self.stack)
        logs += [log] if log else []
        nodes = [
            self.asked.asked(f"lease, log to {log.name}", self.asked.start(log), self.folder)
            for log in logs
        ]
        return self.pairs("logs", LOGGED, self.nio, *nodes)

    def strict_jobs(self):
        return self.pairs("strict", STRICT, self.nio, self.strict)

    def operations_jobs(self):
        """What gives and ends tokens, and PostgreSQL by itself; next to the bare handler."""
        given = Installation(self.stack, self.cluster, "given", self.folder)
        app = given.doornail.app("app", "--first-party")
        node = given.start(FileLog(self.folder / "given.log"))
        refresh_tokens = given.log_in(node, app, grants(self.options.rounds))
        limit = pgbench.Limit(given, node, app, refresh_tokens.pop())
        server = given.server(node, app)
        server.keep(refresh_tokens)
        jobs = self.pairs("operations", [ELSEWHERE], self.nio)
        for operation in OPERATIONS:
            jobs.append(Job("operations", "lease", operation, AT, server))
        for operation in pgbench.STATEMENTS:
            jobs.append(Job("operations", "pgbench", operation, pgbench.CONNECTIONS, limit))
        return jobs

    def connections_jobs(self):
        hummingbird = self.swift("hummingbird")
        jobs = []
        for connections in self.options.connections:
            for server in (self.nio, hummingbird, self.lease, self.strict):
                jobs.append(Job("connections", server.name, ELSEWHERE, connections, server))
        return jobs

    def peers_jobs(self):
        """The same operations of other servers."""
        jobs = []
        for peer in (glewlwyd, dot):
            count = grants(self.options.rounds)
            server = peer.start(self.stack, self.cluster, self.folder, count)
            server.begin(shapes.FEW_TOKENS)
            for operation, note in peer.NOTES.items():
                jobs.append(Job("peers", server.name, operation, AT, server, note))
        return jobs


def grants(rounds):
    """So many that two for each connection are left: a run loses one, and wrk's first look."""
    return 2 * AT + rounds * (AT + 1)
