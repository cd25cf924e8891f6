#!/usr/bin/env python3
"""Draws docs/scaling/measured.tsv: one SVG file for each cost, beside this script.

    cargo bench -p auth-core --bench scaling > docs/scaling/measured.tsv
    python3 docs/scaling/plot.py

Both axes are logarithmic. The colours are legible on white and on black. The same numbers give the
same files.
"""

import csv
import math
from pathlib import Path

HERE = Path(__file__).parent

WIDTH, HEIGHT = 460, 280
LEFT, RIGHT, TOP, BOTTOM = 62, 128, 32, 44

GREY = "#808080"
BLUE, ORANGE, GREEN, RED = "#3b8bd4", "#d9822b", "#2f9e5b", "#d1495b"

SQLITE, POSTGRES, MEMORY = "SQLite", "PostgreSQL", "memory"


def both(what):
    return [(what, SQLITE, SQLITE, BLUE), (what, POSTGRES, POSTGRES, ORANGE)]


# File, title, name of the x axis, label of the y axis, lowest and highest value, and the lines: what was
# measured, in which database, how the line is called, its colour. A limit is a dashed line.
PLOTS = [
    ("prune-time", "Removing N expired sessions beside N live ones", "sessions", "seconds",
     0.01, 100, both("prune sessions"), None),
    ("prune-memory", "Peak growth of memory while N expired sessions are removed", "sessions", "MB",
     0.1, 1000, both("prune memory"), None),
    ("prune-wait", "Longest wait of a writer", "sessions", "ms", 1, 1000, [
        ("longest write while pruning", SQLITE, "SQLite, pruning", BLUE),
        ("longest write without pruning", SQLITE, "SQLite, alone", GREEN),
        ("longest write while pruning", POSTGRES, "PostgreSQL, pruning", ORANGE),
        ("longest write without pruning", POSTGRES, "PostgreSQL, alone", RED),
    ], 50),
    ("disk", "Disk per live session", "sessions", "bytes", 100, 1000, both("disk per session"), None),
    ("memory", "Memory per entry", "entries", "bytes", 10, 10_000, [
        ("memory per token", MEMORY, "verified token", BLUE),
        ("memory per revocation", MEMORY, "revocation", ORANGE),
    ], None),
    ("start-time", "From opening the store to accepting tokens", "sessions", "seconds", 0.001, 10, [
        ("start", SQLITE, "SQLite", BLUE),
        ("start with revocations", SQLITE, "… N revocations", GREEN),
        ("start", POSTGRES, "PostgreSQL", ORANGE),
        ("start with revocations", POSTGRES, "… N revocations", RED),
    ], None),
    ("start-memory", "Growth of memory at start with N live revocations", "revocations", "MB",
     1, 1000, [
        ("memory after start with revocations", SQLITE, "SQLite, after", BLUE),
        ("peak memory of start with revocations", SQLITE, "SQLite, peak", GREEN),
        ("memory after start with revocations", POSTGRES, "PostgreSQL, after", ORANGE),
        ("peak memory of start with revocations", POSTGRES, "PostgreSQL, peak", RED),
    ], None),
    ("refresh", "One refresh among N sessions (median)", "sessions", "ms", 0.01, 10,
     both("refresh"), None),
]


def read(path):
    points = {}
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            line = points.setdefault((row["what"], row["database"]), {})
            line[int(row["size"])] = float(row["value"])
    return points


def number(value):
    """As short as it can be said: 1000 is 1k."""
    for size, letter in [(1_000_000, "M"), (1_000, "k")]:
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def powers(low, high):
    return [10.0**power for power in range(round(math.log10(low)), round(math.log10(high)) + 1)]


def text(x, y, words, anchor, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{words}</text>'


def draw(title, x_name, y_name, low, high, lines, limit):
    sizes = sorted({size for _, points, _ in lines for size in points})
    first, last = min(sizes), max(sizes)
    span = math.log10(last / first) or 1.0

    def place(size, value):
        x = LEFT + (WIDTH - LEFT - RIGHT) * math.log10(size / first) / span
        value = min(max(value, low), high)
        share = math.log10(value / low) / math.log10(high / low)
        return x, HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" font-family="sans-serif" font-size="11" fill="{GREY}" role="img">',
        f"<title>{title}</title>",
        text(LEFT, 16, title, "start", ' font-size="12"'),
    ]
    for value in powers(low, high):
        y = place(first, value)[1]
        parts.append(f'<path d="M{LEFT} {y:.1f}H{right}" stroke="{GREY}" stroke-opacity="0.3"/>')
        parts.append(text(LEFT - 6, y + 4, number(value), "end"))
    for size in sizes:
        x = place(size, low)[0]
        parts.append(f'<path d="M{x:.1f} {bottom}v4" stroke="{GREY}"/>')
        parts.append(text(x, bottom + 16, number(size), "middle"))
    parts.append(f'<path d="M{LEFT} {TOP}V{bottom}H{right}" stroke="{GREY}" fill="none"/>')
    parts.append(text((LEFT + right) / 2, HEIGHT - 8, x_name, "middle"))
    middle = (TOP + bottom) / 2
    turn = f' transform="rotate(-90 14 {middle:.1f})"'
    parts.append(text(14, middle, y_name, "middle", turn))
    if limit is not None:
        y = place(first, limit)[1]
        parts.append(
            f'<path d="M{LEFT} {y:.1f}H{right}" stroke="{GREY}" stroke-dasharray="4 3"/>'
        )
        parts.append(text(LEFT + 4, y - 4, f"{number(limit)} {y_name}", "start"))
    ends = []
    for name, points, colour in lines:
        path = [place(size, points[size]) for size in sorted(points)]
        steps = "L".join(f"{x:.1f} {y:.1f}" for x, y in path)
        parts.append(f'<path d="M{steps}" stroke="{colour}" stroke-width="2" fill="none"/>')
        parts.extend(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in path)
        ends.append([path[-1][1], name, colour])
    # Names beside the ends of their lines, far enough from each other.
    ends.sort()
    for above, below in zip(ends, ends[1:]):
        below[0] = max(below[0], above[0] + 14)
    beyond = max(0.0, ends[-1][0] - bottom)
    for y, name, colour in ends:
        parts.append(text(right + 8, y + 4 - beyond, name, "start", f' fill="{colour}"'))
    return "\n".join(parts) + "\n</svg>\n"


def main():
    measured = read(HERE / "measured.tsv")
    for file, title, x_name, y_name, low, high, wanted, limit in PLOTS:
        lines = [
            (name, measured[what, database], colour)
            for what, database, name, colour in wanted
            if (what, database) in measured
        ]
        if lines:
            svg = draw(title, x_name, y_name, low, high, lines, limit)
            (HERE / f"{file}.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
