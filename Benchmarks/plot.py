"""The rates as horizontal bars, in an SVG with a ground of its own."""

from html import escape

from jobs import AT, ELSEWHERE

BAR, STEP, LABEL, BARS, VALUE, MARGIN, HEAD = 18, 26, 290, 420, 120, 16, 44
OURS, LIMIT, PEER, INK = "#2f6f8f", "#9aa5ad", "#c98a3a", "#1f2328"


def rows(results, jobs):
    """Name, colour, rate and what is said of it."""
    for job in jobs:
        rate = results.median("rate", job.row)
        if job.group == "shapes" and job.name == "lease":
            ratio = results.of_nio("rate", job.row)
            yield job.operation, OURS, rate, f"{rate:,.0f} ({ratio:.2f} of nio)"
        elif job.group == "shapes" and job.operation == ELSEWHERE:
            yield job.name, LIMIT, rate, f"{rate:,.0f}"
        elif job.group == "operations" and job.name != "nio" or job.note:
            at = "" if job.connections == AT else f" (at {job.connections})"
            name = job.operation if job.name == "lease" else f"{job.name}, {job.operation}{at}"
            colour = PEER if job.note else OURS if job.name == "lease" else LIMIT
            yield name, colour, rate, f"{rate:,.0f}"


def svg(results, jobs):
    """The rates at 64 connections; pgbench has its own."""
    limits = ("nio", "nginx")
    shown = sorted(rows(results, jobs), key=lambda row: row[0] not in limits)
    most = max(rate for _, _, rate, _ in shown)
    width = 2 * MARGIN + LABEL + BARS + VALUE
    height = HEAD + len(shown) * STEP + MARGIN
    title, left = f"Requests a second at {AT} connections", MARGIN + LABEL
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="13" fill="{INK}" role="img">',
        f"<title>{title}</title>",
        f'<rect width="{width}" height="{height}" rx="6" fill="#ffffff"/>',
        f'<text x="{MARGIN}" y="28" font-size="15" font-weight="bold">{title}</text>',
    ]
    for row, (name, colour, rate, told) in enumerate(shown):
        top, bar = HEAD + row * STEP, max(1, rate / most * BARS)
        lines += [
            f'<text x="{left - 8}" y="{top + 14}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{left}" y="{top}" width="{bar:.1f}" height="{BAR}" fill="{colour}"/>',
            f'<text x="{left + bar + 6:.1f}" y="{top + 14}">{told}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"
