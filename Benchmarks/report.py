"""The tables: what was measured, beside what it can at best be, and beside the aims."""

import os
import statistics

import pgbench

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
# A figure of one row, beside that of another, and what the project wants.
AIMS = [
    ("rate", ("lease", 64), ("nio", 64), "at least", 0.9),
    ("cpu", ("lease", 64), ("nio", 64), "at most", 1.4),
    ("p50", ("lease", 1), ("nio", 1), "at most", 1.5),
    ("rate", ("strict", 64), ("nio", 64), "at least", 0.35),
    ("rate", ("token", 64), ("nio", 64), "at least", 0.5),
    ("rate", ("revoke", 64), ("pgbench, revoke", pgbench.CONNECTIONS), "at least", 2.0),
    ("rate", ("rotate", 64), ("pgbench, rotate", pgbench.CONNECTIONS), "at least", 2.0),
]


class Results:
    """What was measured: the rounds of each row, (name, connections)."""

    def __init__(self):
        self.rounds = {}

    def add(self, row, one):
        self.rounds.setdefault(row, []).append(one)

    def median(self, figure, row):
        """The median of a figure; None where it was not measured."""
        found = [one[figure] for one in self.rounds.get(row, []) if figure in one]
        return statistics.median(found) if found else None

    def ratio(self, figure, row, other):
        """How many times another row's figure this one's is."""
        above, below = self.median(figure, row), self.median(figure, other)
        return above / below if above and below else None

    def spread(self, row):
        """From the slowest round to the fastest, as a part of the median."""
        rates = [one["rate"] for one in self.rounds[row]]
        return (max(rates) - min(rates)) / self.median("rate", row)


def cell(value, form):
    return "" if value is None else format(value, form)


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def figures_table(results, jobs):
    """Each row beside nio at as many connections; what PostgreSQL does also beside pgbench."""
    rows = []
    for job in jobs:
        of_nio = results.ratio("rate", job.row, ("nio", job.connections))
        limit = ("" if job.note else f"pgbench, {job.name}", pgbench.CONNECTIONS)
        figures = [
            (results.median("rate", job.row), ",.0f"), (results.spread(job.row), ".0%"),
            (of_nio, ".3f" if of_nio and of_nio < 0.1 else ".2f"),
            (results.ratio("rate", job.row, limit), ".2f"),
            *((results.median(figure, job.row), ",.0f") for figure in ("p50", "p99", "p99.9")),
            *((results.median(figure, job.row), ",.1f") for figure in ("cpu", "database_cpu")),
        ]
        cells = [cell(value, form) for value, form in figures]
        rows.append([str(job.connections), job.name, *cells, job.note])
    head = ["connections", "", "requests/s", "spread", "of nio", "of pgbench", "p50 us", "p99 us"]
    head += ["p99.9 us", "CPU us", "PostgreSQL CPU us", "what is different"]
    if not any(job.note for job in jobs):
        head, rows = head[:-1], [row[:-1] for row in rows]
    return table(head, rows)


def aims_table(results):
    rows = []
    for figure, row, other, bound, wanted in AIMS:
        got = results.ratio(figure, row, other)
        if got is not None:
            is_reached = got >= wanted if bound == "at least" else got <= wanted
            what = f"{row[0]} at {row[1]} of {other[0]} at {other[1]}: {figure}"
            reached = "reached" if is_reached else "not reached"
            rows.append([what, f"{bound} {wanted}", f"{got:.2f}", reached])
    return table(["", "aim", "measured", ""], rows)


def text(results, jobs, memory, options):
    """All of it, as Markdown."""
    told = ", ".join(f"{name} {megabytes:.0f} MB" for name, megabytes in memory.items())
    foot = (
        f"{os.cpu_count()} cores; rounds: {options.rounds}, of {options.seconds} s for each row; "
        "medians, and the spread is from the slowest round to the fastest. CPU is per request: the "
        f"server's, and that of all of PostgreSQL. Resident memory at the end: {told}."
    )
    return "\n\n".join([figures_table(results, jobs), aims_table(results), foot])


def has_place(file):
    """Whether a file says where the tables go."""
    return file.is_file() and BEGIN in file.read_text().rpartition(END)[0]


def write(file, tables):
    """Puts the tables into their place in a file; the rest of it stays."""
    before, _, rest = file.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    file.write_text(f"{before}{BEGIN}\n{tables}\n{END}{after}")
