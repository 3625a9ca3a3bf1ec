"""The picture of the architecture as SVG: the data's way on top, below it who imports whom, read from the source.

Takes the folder of the package; returns text. The ways of the data are said here, in ``WAY``; everything else is looked up.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

from import_graph import floors, graph, needed

WAY = (
    ("bytes", "sources"),
    ("LabelledImages", "activations"),
    ("Activations", "search"),
    ("Stumps", "voting"),
    ("Votes", "early_exit"),
    ("exit layer", "run"),
    ("Run", "plots"),
)
"""What flows, and the part that it flows into; the last one gives the figure."""
WIDTH, MARGIN, STEP, HEIGHT, GAP = 1120, 20, 64, 30, 16
TOP = 150
LETTER = 7.6
"""Pixels of a letter, roughly."""
INK, FAINT, PAPER, BOX, ON_WAY = "#1d2733", "#9aa5b1", "#ffffff", "#f1f4f7", "#ded7f5"


def draw(package: Path) -> str:
    """Return the picture; the same source gives the same text."""
    edges = graph(package)
    rows = floors(edges)[::-1]
    if missing := [part for _, part in WAY if part not in edges]:
        raise ValueError(f"The data's way leads through {missing[0]!r}, which there is not.")
    place = _places(rows, edges)
    height = TOP + STEP * len(rows) + MARGIN
    body = [_way(), *(_arrow(place[a], place[b]) for a, b in sorted(needed(edges))), *(_box(part, *place[part]) for part in place)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="system-ui, sans-serif" font-size="13">\n'
        "<title>The data's way from bytes to figure, and who imports whom in sn_viz</title>\n"
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="{PAPER}"/>\n' + "\n".join(body) + "\n</svg>\n"
    )


def _places(rows: list[list[str]], edges: dict[str, set[str]]) -> dict[str, tuple[float, float, float]]:
    """Return (left, top, width) of every box; in a row, each stands near those that import it."""
    place: dict[str, tuple[float, float, float]] = {}
    for number, row in enumerate(rows):
        middle = {}
        for part in row:
            above = [place[other][0] + place[other][2] / 2 for other in place if part in edges[other]]
            middle[part] = sum(above) / len(above) if above else WIDTH / 2
        widths = {part: LETTER * len(part) + 2 * GAP for part in row}
        spare = WIDTH - 2 * MARGIN - sum(widths.values())
        between = min(110.0, spare / max(1, len(row)))
        left = (WIDTH - sum(widths.values()) - between * (len(row) - 1)) / 2
        for part in sorted(row, key=lambda name: (middle[name], name)):
            place[part] = (left, TOP + STEP * number, widths[part])
            left += widths[part] + between
    return place


def _box(part: str, left: float, top: float, width: float) -> str:
    fill = ON_WAY if part in {name for _, name in WAY} else BOX
    return (
        f'<rect x="{left:.0f}" y="{top:.0f}" width="{width:.0f}" height="{HEIGHT}" rx="6" fill="{fill}" stroke="{FAINT}"/>'
        f'<text x="{left + width / 2:.0f}" y="{top + 20:.0f}" text-anchor="middle" fill="{INK}">{escape(part)}</text>'
    )


def _arrow(above: tuple[float, float, float], below: tuple[float, float, float]) -> str:
    x1, y1 = above[0] + above[2] / 2, above[1] + HEIGHT
    x2, y2 = below[0] + below[2] / 2, below[1]
    bend = (y2 - y1) / 2
    return (
        f'<path d="M{x1:.0f} {y1:.0f} C{x1:.0f} {y1 + bend:.0f} {x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2:.0f}" '
        f'fill="none" stroke="{FAINT}"/><circle cx="{x2:.0f}" cy="{y2:.0f}" r="2.5" fill="{FAINT}"/>'
    )


def _way() -> str:
    """Return the strip on top: what flows on the arrows, the parts in boxes."""
    step = (WIDTH - 2 * MARGIN - 40) / len(WAY)
    drawn = [f'<text x="{MARGIN}" y="30" fill="{INK}" font-weight="600">The data’s way (pipeline.py reads like this)</text>']
    for number, (value, part) in enumerate(WAY):
        start = MARGIN + step * number
        width = LETTER * len(part) + 14
        left = start + step - width
        drawn.append(f'<text x="{start + 3:.0f}" y="58" fill="{INK}" font-size="12">{escape(value)}</text>')
        head = f"M{left - 8:.0f} 76 L{left - 1:.0f} 80 L{left - 8:.0f} 84 Z"
        drawn.append(f'<path d="M{start + 2:.0f} 80 H{left - 2:.0f}" stroke="{INK}"/><path d="{head}" fill="{INK}"/>')
        drawn.append(_box(part, left, 65, width))
    end = MARGIN + step * len(WAY)
    drawn.append(f'<text x="{end + 3:.0f}" y="85" fill="{INK}" font-size="12">figure</text>')
    drawn.append(
        f'<text x="{MARGIN}" y="{TOP - 18}" fill="{INK}" font-weight="600">Who may import whom: only what stands lower</text>'
    )
    return "\n".join(drawn)
