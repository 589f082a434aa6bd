"""Throughput and p99 over what grows, side by side, in an SVG with a ground of its own."""

import math
import statistics

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 420, 260, 62, 76, 44, 44
COLORS = {"lease": "#2f6f8f", "strict": "#c98a3a"}
FIGURES = {"rate": "Introspections a second", "p99": "p99, milliseconds"}
INK, LINE = "#1f2328", "#d0d7de"


def svg(results):
    """A row of charts for each thing that grows: its rounds, by mode and count."""
    width, height = len(FIGURES) * WIDTH, len(results) * HEIGHT
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
        f' width="{width}" height="{height}" font-family="sans-serif" font-size="12">',
        f"<title>Introspection over {' and '.join(results)}</title>",
        f'<rect width="{width}" height="{height}" rx="6" fill="#ffffff" stroke="{LINE}"/>',
    ]
    for row, (what, rounds) in enumerate(results.items()):
        for column, (figure, title) in enumerate(FIGURES.items()):
            medians = {
                key: statistics.median(one[figure] for one in measured)
                for key, measured in rounds.items()
            }
            lines.append(f'<g transform="translate({column * WIDTH} {row * HEIGHT})">')
            lines += chart(title, what, medians)
            lines.append("</g>")
    return "\n".join([*lines, "</svg>"]) + "\n"


def chart(title, what, medians):
    """One chart; the scale of counts is logarithmic, and nothing stands where one would."""
    counts = sorted({count for _, count in medians})
    decades = [math.log10(max(count, 1)) for count in counts]
    # The scale of values begins at nothing: a line that is flat has to look flat.
    unit = 10 ** math.floor(math.log10(max(medians.values()))) / 2
    highest = unit * math.ceil(max(medians.values()) / unit)
    right, low = WIDTH - RIGHT, HEIGHT - BOTTOM
    across = {
        count: LEFT + (decade - decades[0]) / (decades[-1] - decades[0]) * (right - LEFT)
        for count, decade in zip(counts, decades, strict=True)
    }

    def up(value):
        return low - value / highest * (low - TOP)

    yield text(LEFT, 24, title, "start", more=' font-size="14" font-weight="bold"')
    for value in (0, highest / 2, highest):
        yield f'<path d="M{LEFT} {up(value):.0f}H{right}" stroke="{LINE}"/>'
        yield text(LEFT - 6, up(value) + 4, f"{value:,g}", "end")
    for count in counts:
        yield text(across[count], low + 18, f"{count:,}")
    yield text((LEFT + right) / 2, HEIGHT - 8, what)
    for mode, color in COLORS.items():
        points = [(across[count], up(medians[mode, count])) for count in counts]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        yield f'<polyline points="{path}" fill="none" stroke="{color}"/>'
        for x, y in points:
            yield f'<circle cx="{x:.0f}" cy="{y:.0f}" r="3" fill="{color}"/>'
        yield text(points[-1][0] + 8, points[-1][1] + 4, mode, "start", color)


def text(x, y, words, anchor="middle", color=INK, more=""):
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="{color}"{more}>{words}</text>'
    )
