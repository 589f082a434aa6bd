"""The tables: what was measured, beside what it can at best be, and beside the aims."""

import os
import statistics

import pgbench
from jobs import AT, ELSEWHERE

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
NIO = {"tls": "nio-tls"}
LEASE = {"tls": "lease, TLS"}


class Results:
    """What was measured: the rounds of each row."""

    def __init__(self):
        self.rounds = {}

    def add(self, row, one):
        self.rounds.setdefault(row, []).append(one)

    def values(self, figure, row):
        return [one[figure] for one in self.rounds.get(row, []) if figure in one]

    def median(self, figure, row):
        """The median of a figure; None where it was not measured."""
        found = self.values(figure, row)
        return statistics.median(found) if found else None

    def ratio(self, figure, row, other):
        """How many times another row's figure this one's is: the median of the rounds' ratios, since
        what the machine did meanwhile, it did to both."""
        pairs = zip(self.values(figure, row), self.values(figure, other), strict=False)
        found = [above / below for above, below in pairs if below]
        return statistics.median(found) if found else None

    def of_nio(self, figure, row):
        """The same of the bare handler, asked the same in the same group."""
        group, _, operation, connections = row
        name = NIO.get(group, "nio")
        for at in ((group, name, operation, connections), (group, name, ELSEWHERE, connections),
                   ("shapes", name, ELSEWHERE, connections)):
            if at in self.rounds:
                return self.ratio(figure, row, at)
        return None

    def of_pgbench(self, figure, row):
        operation = "strict" if row[1] == "strict" else row[2]
        at = ("operations", "pgbench", operation, pgbench.CONNECTIONS)
        return self.ratio(figure, row, at) if row != at else None

    def spread(self, row):
        """From the slowest round to the fastest, as a part of the median."""
        rates = self.values("rate", row)
        return (max(rates) - min(rates)) / statistics.median(rates)


def cell(value, form):
    return "" if value is None else format(value, form)


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def shapes_table(results, plan):
    """Each shape: a node's rate and CPU and those of the bare handler, without and with TLS."""
    groups = [group for group in ("shapes", "tls") if any(j.group == group for j in plan.jobs)]
    rows = []
    for name in plan.names:
        cells = [name]
        for group in groups:
            row = (group, LEASE.get(group, "lease"), name, AT)
            cells += [
                cell(results.median("rate", row), ",.0f"), cell(results.of_nio("rate", row), ".2f"),
                cell(results.median("cpu", row), ".1f"), cell(results.of_nio("cpu", row), ".2f"),
                cell(results.median("p99", row), ",.0f"),
            ]
        rows.append(cells)
    head = ["shape"]
    for group in groups:
        over = "TLS: " if group == "tls" else ""
        head += [f"{over}requests/s", "of nio", f"{over}CPU us", "of nio", "p99 us"]
    return table(head, rows)


def figures_table(results, jobs):
    """Each row beside nio in the same group; what PostgreSQL does also beside pgbench."""
    rows = []
    for job in jobs:
        of_nio = results.of_nio("rate", job.row)
        figures = [
            (results.median("rate", job.row), ",.0f"), (results.spread(job.row), ".0%"),
            (of_nio, ".3f" if of_nio and of_nio < 0.1 else ".2f"),
            (None if job.note else results.of_pgbench("rate", job.row), ".2f"),
            (results.median("cpu", job.row), ",.1f"), (results.of_nio("cpu", job.row), ".2f"),
            (results.median("database_cpu", job.row), ",.1f"),
            (results.median("reader_cpu", job.row), ",.1f"),
            (results.median("load_cpu", job.row), ",.1f"),
            *((results.median(figure, job.row), ",.0f") for figure in ("p50", "p99", "p99.9")),
            (results.median("logged", job.row), ".0%"),
        ]
        cells = [cell(value, form) for value, form in figures]
        rows.append([job.name, job.operation, str(job.connections), *cells, job.note])
    head = ["", "", "connections", "requests/s", "spread", "of nio", "of pgbench", "CPU us", "of nio"]
    head += ["PostgreSQL's", "log reader's", "wrk's", "p50 us", "p99 us", "p99.9 us", "logged"]
    head += ["what is different"]
    empty = [at for at in range(len(head)) if not any(row[at] for row in rows)]
    keep = [at for at in range(len(head)) if at not in empty]
    return table([head[at] for at in keep], [[row[at] for at in keep] for row in rows])


def aims(results, jobs):
    """What the project wants: what, bound, wanted, measured, and where."""

    def worst(choose, figure, name, group):
        rows = [job.row for job in jobs if job.group == group and job.server.name == name]
        found = [(results.of_nio(figure, row), row[2]) for row in rows]
        return choose(found) if found else None

    for group, name in (("shapes", "lease"), ("tls", "lease, TLS"), ("logs", "lease, log to pipe"),
                        ("logs", "lease, log to journald"), ("strict", "strict")):
        rate = worst(min, "rate", name, group)
        if rate:
            yield f"{name}: rate, of nio", "at least", 0.35 if group == "strict" else 0.9, *rate
        if rate and group != "strict":
            yield f"{name}: CPU, of nio", "at most", 1.2, *worst(max, "cpu", name, group)
    for group in ("shapes", "tls"):
        name = LEASE.get(group, "lease")
        rows = [job.row for job in jobs if (job.group, job.name) == (group, name)]
        if rows:
            costs = sorted((results.median("cpu", row), row[2]) for row in rows)
            ratio, where = costs[-1][0] / costs[0][0], f"{costs[-1][1]}, of {costs[0][1]}"
            yield f"{name}: the slowest shape's CPU, of the fastest's", "at most", 1.2, ratio, where
    for operation, limit, wanted in (("token", "nio", 0.6), ("revoke", "pgbench", 2.5),
                                     ("rotate", "pgbench", 2.9)):
        row = ("operations", "lease", operation, AT)
        ratio = results.of_nio("rate", row) if limit == "nio" else results.of_pgbench("rate", row)
        if ratio:
            yield f"{operation}: rate, of {limit}", "at least", wanted, ratio, ""
    row = ("connections", "lease", ELSEWHERE, 1)
    if row in results.rounds:
        yield "one connection: p50, of nio", "at most", 1.5, results.of_nio("p50", row), ""


def aims_table(results, jobs):
    rows = []
    for what, bound, wanted, got, where in aims(results, jobs):
        is_reached = got >= wanted if bound == "at least" else got <= wanted
        reached = "reached" if is_reached else "**not reached**"
        rows.append([what, f"{bound} {wanted}", f"{got:.2f}", where, reached])
    return table(["at worst", "aim", "measured", "for", ""], rows) if rows else ""


def text(results, plan, memory, options):
    """All of it, as Markdown."""
    parts = []
    if any(job.group in ("shapes", "tls") for job in plan.jobs):
        parts += [shapes_table(results, plan)]
    limits = [job for job in plan.jobs if job.name == "nginx"]
    others = [job for job in plan.jobs if job.group not in ("shapes", "tls")]
    parts += [figures_table(results, limits + others)] if limits + others else []
    parts += [aims_table(results, plan.jobs)]
    told = ", ".join(f"{name} {megabytes:.0f} MB" for name, megabytes in memory.items())
    foot = (
        f"{os.cpu_count()} cores; rounds: {options.rounds}, of {options.seconds} s for each row; "
        "medians, and the spread is from the slowest round to the fastest; what is `of` something is "
        "the median of the rounds' ratios. CPU is per request: the server's, and beside it that of all "
        "of PostgreSQL, of who reads the log, and of wrk; logged is which part of the requests has a "
        f"line in the log. Resident memory at the end: {told}."
    )
    if plan.why_no_journal:
        foot += f" A log to journald was not measured: {plan.why_no_journal}."
    return "\n\n".join([*filter(None, parts), foot])


def has_place(file):
    """Whether a file says where the tables go."""
    return file.is_file() and BEGIN in file.read_text().rpartition(END)[0]


def write(file, tables):
    """Puts the tables into their place in a file; the rest of it stays."""
    before, _, rest = file.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    file.write_text(f"{before}{BEGIN}\n{tables}\n{END}{after}")
