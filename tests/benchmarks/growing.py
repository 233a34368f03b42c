"""How fast costs grow: exponents and tables of what `growth` measured."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from report import table

if TYPE_CHECKING:
    from collections.abc import Iterator

#: An exponent above this is more than linear growth and noise.
TOO_STEEP = 1.15
#: How a vendor's own SDK is named, which is shown for comparison and is not ours to mend.
PLAIN = "'s plain SDK"
#: How a provider is named whose SDK sends with its own HTTP library.
WITHOUT = ", without aiohttp"
#: How many of the largest sizes the exponent is fitted on.
_UPPER = 3


def exponent(sizes: list[float], costs: list[float]) -> float:
    """Return the slope of log(cost) over log(size), by least squares, on the largest sizes."""
    points = [(math.log(size), math.log(cost)) for size, cost in zip(sizes, costs, strict=False)][-_UPPER:]
    middle = [sum(values) / len(points) for values in zip(*points, strict=True)]
    above = sum((x - middle[0]) * (y - middle[1]) for x, y in points)
    return float(above / sum((x - middle[0]) ** 2 for x, _ in points))


def steep(run: dict[str, Any]) -> list[str]:
    """Return what of ours grows faster than linearly."""
    return [
        f"{title}, {name}: {found:.2f}"
        for title, curve in run["curves"].items()
        for name, costs in curve["series"].items()
        if not name.endswith(PLAIN) and (found := exponent(curve["sizes"], costs)) > TOO_STEEP
    ]


def tables(run: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Return a table for each thing that grows: milliseconds of CPU."""
    for title, curve in run["curves"].items():
        sizes = curve["sizes"]
        rows = []
        for name, costs in curve["series"].items():
            found = exponent(sizes, costs)
            shown = f"**{found:.2f}**" if found > TOO_STEEP else f"{found:.2f}"
            cells = [f"{cost / 1e3:,.2f}" for cost in costs]
            rows.append([name, *cells, *("" for _ in sizes[len(cells) :]), shown])
        yield f"{title} (ms)", table(["", *(f"{size:,}" for size in sizes), "exponent"], rows)
