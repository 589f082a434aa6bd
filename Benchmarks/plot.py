"""The rates as horizontal bars, in an SVG with a ground of its own."""

from html import escape

BAR, STEP, LABEL, BARS, VALUE, MARGIN, HEAD = 18, 26, 270, 420, 80, 16, 44
LIMITS = ("nio", "hummingbird", "pgbench")
OURS, LIMIT, PEER, INK = "#2f6f8f", "#9aa5ad", "#c98a3a", "#1f2328"


def svg(results, jobs, connections=64):
    """The rates at one number of connections; pgbench has its own."""
    shown = [job for job in jobs if job.connections == connections or job.server.name == "pgbench"]
    rates = [results.median("rate", job.row) for job in shown]
    width = 2 * MARGIN + LABEL + BARS + VALUE
    height = HEAD + len(shown) * STEP + MARGIN
    title, left = f"Requests a second at {connections} connections", MARGIN + LABEL
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="13" fill="{INK}" role="img">',
        f"<title>{title}</title>",
        f'<rect width="{width}" height="{height}" rx="6" fill="#ffffff"/>',
        f'<text x="{MARGIN}" y="28" font-size="15" font-weight="bold">{title}</text>',
    ]
    for row, (job, rate) in enumerate(zip(shown, rates, strict=True)):
        top, bar = HEAD + row * STEP, max(1, rate / max(rates) * BARS)
        name = job.name if job.connections == connections else f"{job.name} (at {job.connections})"
        color = PEER if job.note else LIMIT if job.server.name in LIMITS else OURS
        lines += [
            f'<text x="{left - 8}" y="{top + 14}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{left}" y="{top}" width="{bar:.1f}" height="{BAR}" fill="{color}"/>',
            f'<text x="{left + bar + 6:.1f}" y="{top + 14}">{rate:,.0f}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"
