"""Charts as plain SVG, readable on light and on dark pages."""

from __future__ import annotations

import math
from html import escape
from statistics import median
from typing import TYPE_CHECKING

import report

if TYPE_CHECKING:
    from collections.abc import Iterable

    from report import Run

_STYLE = """\
<style>
text { font: 12px system-ui, sans-serif; fill: #333 } .small { font-size: 10px }
.grid { stroke: #ddd } .one { stroke: #888 }
.head { font-weight: 600 }
@media (prefers-color-scheme: dark) { text { fill: #ddd } .grid { stroke: #444 } .one { stroke: #999 } }
</style>"""
#: Of about the same contrast on white and on black.
_COLOURS = ("#e8590c", "#1c7ed6", "#868e96", "#ae3ec9", "#2f9e44", "#e03131", "#0c8599", "#b08800")
_WIDTH, _ROW, _LEFT, _TOP = 860, 18, 220, 56


def _svg(height: float, parts: Iterable[str], title: str) -> str:
    size = f'viewBox="0 0 {_WIDTH} {height:g}" width="{_WIDTH}" height="{height:g}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}">'
    return "\n".join([head, f"<title>{escape(title)}</title>", _STYLE, *parts, "</svg>", ""])


def _text(x: float, y: float, text: str, *, anchor: str = "start", kind: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def _legend(names: list[str], y: float) -> list[str]:
    parts, x = [], 10.0
    for number, name in enumerate(names):
        colour = _COLOURS[number % len(_COLOURS)]
        parts += [f'<circle cx="{x:.1f}" cy="{y - 4:.1f}" r="5" fill="{colour}"/>', _text(x + 9, y, name)]
        x += 26 + 7 * len(name)
    return parts


def dots(run: Run) -> str:
    """A row for each provider, scenario and mode; a dot for each side, by its ratio to the vendor's SDK (log scale)."""
    sides = list(dict.fromkeys(row[3] for row in run["calls"] if row[3] != "sdk"))
    rows: list[tuple[str, dict[str, float]]] = []
    for (vendor, scenario, mode), found in report.rows_of(run).items():
        values = {
            side: median(report.ratios(rounds, found["sdk"]))
            for side, rounds in found.items()
            if side != "sdk" and "sdk" in found
        }
        rows.append((f"{vendor}, {report.LABELS[scenario]}, {mode}", values))
    every = [value for _, values in rows for value in values.values()] or [1.0]
    low, high = math.floor(math.log10(min(every)) * 2) / 2, math.ceil(math.log10(max(1.0, *every)) * 2) / 2

    def place(value: float) -> float:
        return _LEFT + (math.log10(value) - low) / max(high - low, 0.5) * (_WIDTH - _LEFT - 20)

    bottom = _TOP + _ROW * len(rows)
    parts = _legend(sides, 18)
    ticks = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100]
    for tick in (tick for tick in ticks if low <= math.log10(tick) <= high):
        x = place(tick)
        parts += [_line(x, _TOP - 8, x, bottom, "one" if tick == 1 else "grid")]
        parts += [_text(x, _TOP - 14, f"{tick:g}", anchor="middle", kind="small")]
    for number, (label, values) in enumerate(rows):
        y = _TOP + _ROW * number + _ROW / 2
        parts.append(_text(_LEFT - 10, y + 4, label, anchor="end", kind="small"))
        for side in reversed(sides):
            if side in values:
                colour, own = _COLOURS[sides.index(side) % len(_COLOURS)], side.startswith("dragoman")
                spot = f'cx="{place(values[side]):.1f}" cy="{y:.1f}" r="{5 if own else 3.5}" fill="{colour}"'
                parts.append(f"<circle {spot}><title>{escape(f'{side}: {values[side]:.2f}')}</title></circle>")
    return _svg(bottom + 12, parts, "CPU of a call as a ratio to the vendor's own SDK, which is 1")


def curves(run: Run) -> str:
    """A panel for each thing that grows, with both scales logarithmic."""
    names = list(dict.fromkeys(name for curve in run["curves"].values() for name in curve["series"]))
    parts = _legend(names, 18)
    width, height = 410, 230
    for number, (title, curve) in enumerate(run["curves"].items()):
        left, top = 10 + number % 2 * (width + 20), 40 + number // 2 * (height + 30)
        parts += _panel(title, curve["sizes"], curve["series"], names, (left, top, width, height))
    rows = -(-len(run["curves"]) // 2)
    return _svg(40 + rows * (height + 30), parts, "CPU of a call against what grows")


def _panel(
    title: str, sizes: list[float], series: dict[str, list[float]], names: list[str], box: tuple[int, int, int, int]
) -> list[str]:
    left, top, width, height = box
    inner = (left + 58, top + 22, left + width - 8, top + height - 24)
    every = [cost for costs in series.values() for cost in costs]
    low, high = math.floor(math.log10(min(every))), math.ceil(math.log10(max(every)))
    first, last = math.log10(sizes[0]), math.log10(sizes[-1])

    def spot(size: float, cost: float) -> tuple[float, float]:
        x = inner[0] + (math.log10(size) - first) / (last - first) * (inner[2] - inner[0])
        return x, inner[3] - (math.log10(cost) - low) / max(high - low, 1) * (inner[3] - inner[1])

    parts = [_text(left + 4, top + 12, title, kind="head")]
    for power in range(low, high + 1):
        y = spot(sizes[0], 10**power)[1]
        parts += [_line(inner[0], y, inner[2], y, "grid")]
        parts += [_text(inner[0] - 6, y + 4, f"{10**power / 1e3:g} ms", anchor="end", kind="small")]
    for size in sizes:
        x = spot(size, 10**low)[0]
        parts += [
            _line(x, inner[1], x, inner[3], "grid"),
            _text(x, inner[3] + 14, f"{size:,}", anchor="middle", kind="small"),
        ]
    for name, costs in series.items():
        colour = _COLOURS[names.index(name) % len(_COLOURS)]
        points = " ".join("{:.1f},{:.1f}".format(*spot(*pair)) for pair in zip(sizes, costs, strict=False))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
    return parts
