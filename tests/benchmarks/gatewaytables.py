"""A stored run of the gateways -> its part of the page."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

import budget
import gateways
from report import Run, table

if TYPE_CHECKING:
    from collections.abc import Iterator

_LABELS = {
    "1": "requests, 1 connection",
    "16": "requests, 16 connections",
    "64": "requests, 64 connections",
    "16 streams": "streams of 200, 16 connections",
}
HEAD = """\
## Gateways

dragoman's server (one worker; with a key, its limits, limits of the models, metrics and its log), LiteLLM's proxy and
Portkey's gateway, each as one process on one processor, asked the same in OpenAI's API by a client in C that shares the
other processor with the provider. Fresh processes in every round, which take turns; medians over rounds, with the least
and the most. Every answer is checked: its status, and the last words of its text. *the provider itself*: the same
client, nothing in between. *all plugins*: of this repository. Start-up: until the first request is answered.
"""


def parts(run: Run) -> Iterator[str]:
    """Give the section's paragraphs and tables; the caller says what machine it was."""
    yield from (
        f"### {_LABELS[what]}, {vendor} upstream\n\n{_loads(run, what, vendor)}"
        for what in gateways.LOADS
        for vendor in gateways.VENDORS
        if any(row[1:3] == [vendor, what] for row in run["rows"])
    )
    yield "### Start-up and memory\n\n" + _starts(run)
    if run["versions"]:
        yield "\n".join(f"- {name}: {said}" for name, said in sorted(run["versions"].items()))
    if run["notes"]:
        yield "\n".join(f"- {name} was not measured: {why}" for name, why in sorted(run["notes"].items()))


def _loads(run: Run, what: str, vendor: str) -> str:
    found: dict[str, list[dict[str, float]]] = {}
    for name, one, load, _, values in run["rows"]:
        if (one, load) == (vendor, what):
            found.setdefault(name, []).append(values)
    return table(
        ["gateway", "per second", "p50 ms", "p99 ms", "ms of CPU each", "must", "aim", ""],
        (_row(name, what, rounds) for name, rounds in found.items()),
    )


def _row(name: str, what: str, rounds: list[dict[str, float]]) -> list[str]:
    rates = [one["rate"] for one in rounds]
    limit = budget.GATEWAY.get(what, budget.Limit()) if name.startswith("dragoman") else budget.Limit()
    # More is better here: the other way round than a cost.
    mark = budget.Limit(*(None if one is None else -one for one in (limit.must, limit.aim))).mark(-median(rates))
    cpu = median(one["cpu"] for one in rounds)
    return [
        name,
        _spread(rates),
        *(f"{median(one[key] for one in rounds):,.2f}" for key in ("p50", "p99")),
        f"{cpu:.2f}" if cpu else "",
        *(f"{one:,.0f}" if one is not None else "" for one in (limit.must, limit.aim)),
        f"**{mark}**" if mark == "miss" else mark,
    ]


def _starts(run: Run) -> str:
    found: dict[str, list[dict[str, float]]] = {}
    for name, _, values in run["starts"]:
        found.setdefault(name, []).append(values)
    return table(
        ["gateway", "seconds to the first answer", "MiB idle", "MiB after the load"],
        (
            [name, *(_spread([one[key] for one in rounds], 1) for key in ("seconds", "idle", "after"))]
            for name, rounds in found.items()
        ),
    )


def _spread(values: list[float], digits: int = 0) -> str:
    low, high, middle = (f"{value:,.{digits}f}" for value in (min(values), max(values), median(values)))
    return f"{middle} [{low}..{high}]" if len(values) > 1 else middle
