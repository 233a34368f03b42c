"""A stored run -> the page: tables in Markdown, each figure beside its budget."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

import budget
import startup
import workload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Run = dict[str, Any]
#: Rows as stored: [CPU, best wall, calls] of each round.
_CPU = 0
LABELS = {**{name: label for name, (_, _, label) in workload.SCENARIOS.items()}, "parallel": "64 at once, text"}


def rows_of(run: Run) -> dict[tuple[str, str, str], dict[str, list[list[float]]]]:
    """Return the rounds of each side, by vendor, scenario and mode."""
    found: dict[tuple[str, str, str], dict[str, list[list[float]]]] = {}
    for vendor, scenario, mode, side, rounds in run["calls"]:
        found.setdefault((vendor, scenario, mode), {})[side] = rounds
    return found


def ratios(rounds: list[list[float]], base: list[list[float]], column: int = _CPU) -> list[float]:
    """Return the ratio of each round to the same round of the vendor's SDK."""
    return [one[column] / other[column] for one, other in zip(rounds, base, strict=False)]


def spread(values: list[float]) -> str:
    """Return `median [least..most]`."""
    low, high = min(values), max(values)
    return f"{median(values):.2f} [{low:.2f}..{high:.2f}]" if len(values) > 1 else f"{values[0]:.2f}"


def table(head: list[str], rows: Iterable[list[str]]) -> str:
    """Return a table in Markdown; the first column is text, the others are figures."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _limits(limit: budget.Limit, unit: str = "") -> list[str]:
    return [f"{value:g}{unit}" if value is not None else "" for value in (limit.must, limit.aim)]


_SENDERS = {"dragoman": "SDK", "dragoman aiohttp": "SDK, aiohttp", "dragoman direct": "direct"}


def calls_table(run: Run) -> str:
    """Our rows: one for each sender that there is."""
    return table(
        ["provider, scenario", "mode", "sender", "ratio", "best wall", "µs of CPU", "must", "aim", ""],
        _our_rows(run),
    )


def _our_rows(run: Run) -> Iterator[list[str]]:
    for (vendor, scenario, mode), sides in rows_of(run).items():
        base = sides.get("sdk")
        for side, rounds in sides.items():
            if not side.startswith("dragoman") or base is None:
                continue
            limit = budget.limit(vendor, scenario, mode)
            values = ratios(rounds, base)
            sender = _SENDERS[side]
            wall = median(ratios(rounds, base, 1))
            cpu = f"{median(one[_CPU] for one in rounds):,.0f}"
            mark = limit.mark(median(values))
            shown = f"**{mark}**" if mark == "miss" else mark
            yield [
                f"{vendor}, {LABELS[scenario]}",
                mode,
                sender,
                spread(values),
                f"{wall:.2f}",
                cpu,
                *_limits(limit),
                shown,
            ]


def peers_table(run: Run) -> str:
    """Everybody's ratios to the vendor's SDK; empty if no peer was measured."""
    sides = list(dict.fromkeys(row[3] for row in run["calls"] if row[3] != "sdk"))
    if all(side.startswith("dragoman") for side in sides):
        return ""

    def lines() -> Iterator[list[str]]:
        for (vendor, scenario, mode), found in rows_of(run).items():
            cells = [
                f"{median(ratios(found[side], found['sdk'])):.2f}" if {side, "sdk"} <= found.keys() else "-"
                for side in sides
            ]
            yield [f"{vendor}, {LABELS[scenario]}", mode, *cells]

    return table(["provider, scenario", "mode", *sides], lines())


def startup_table(run: Run) -> str:
    """Imports over a bare interpreter, first calls over the vendor's SDK."""
    found = run["startup"]

    def over(label: str, base: str) -> list[float]:
        return [one[0] - other[0] for one, other in zip(found[label], found[base], strict=False)]

    def line(label: str, base: str, limit: budget.Limit) -> list[str]:
        values = over(label, base)
        mark = limit.mark(median(values))
        shown = f"{median(values):+.0f} [{min(values):+.0f}..{max(values):+.0f}]"
        return [
            label,
            base,
            shown,
            f"{median(one[0] for one in found[label]):.0f}",
            *_limits(limit),
            mark and f"**{mark}**" if mark == "miss" else mark,
        ]

    def lines() -> Iterator[list[str]]:
        for label in found:
            if label.startswith("import "):
                limit = budget.IMPORT if label == "import dragoman.core" else budget.Limit()
                yield line(label, "bare interpreter", limit)
            elif label.startswith("first call: ") and not label.endswith(", sdk"):
                yield from (line(label, base, limit) for base, limit in _first_calls(label) if base in found)

    return table(["", "over", "ms of CPU over it", "in all", "must", "aim", ""], lines())


def _first_calls(label: str) -> Iterator[tuple[str, budget.Limit]]:
    """Return what a first call is compared with: the vendor's SDK, and what has to be imported for any `Client`."""
    head, _, side = label.rpartition(", ")
    vendor = head.removeprefix("first call: ")
    yield f"{head}, sdk", budget.Limit() if side == startup.BOTH else budget.FIRST_CALL
    if side == "dragoman" and vendor in startup.OTHER_SDKS:
        yield f"{head}, {startup.BOTH}", budget.FIRST_CALL
    elif side != startup.BOTH and vendor != "openai":
        yield "first call: openai, sdk", budget.FIRST_CALL


def footprint_table(run: Run) -> str:
    """What is installed."""
    found = run["footprint"]

    def lines() -> Iterator[list[str]]:
        for name, size in found.items():
            head, _, vendor = name.partition("-")
            base = found.get(f"sdk-{vendor}") if head == "dragoman" else None
            more = size["mib"] - base["mib"] if base else None
            limit = budget.FOOTPRINT if base else budget.Limit()
            mark = limit.mark(more) if more is not None else ""
            over = f"{more:+.1f}" if more is not None else ""
            openai = f"{size['openai']:.1f}" if base and "openai" in size and vendor != "openai" else ""
            yield [name, f"{size['distributions']:.0f}", f"{size['mib']:.1f}", over, openai, _limits(limit)[0], mark]

    head = ["environment", "distributions", "MiB", "over the SDK alone", "of it openai", "must", ""]
    return table(head, lines())


def memory_table(run: Run) -> str:
    """What stays in memory."""

    def lines() -> Iterator[list[str]]:
        for label, found in run["memory"].items():
            if "failed" in found:
                yield [label, found["failed"], *[""] * 5]
                continue
            stays = [found[what]["second"] / 1024 for what in ("calls", "abandoned")]
            kib = found.get("held", {}).get("kib")
            marks = [budget.STAYS.mark(value) for value in stays]
            marks += [budget.OPEN_STREAM.mark(kib)] if kib is not None else []
            times = f"{found['calls']['times']:,} / {found['abandoned']['times']:,}"
            worst = "" if label.endswith("sdk") else "miss" if "miss" in marks else "must"
            shown = [f"{value:+.1f}" for value in stays]
            yield [label, times, *shown, str(found["connections"]), f"{kib:.1f}" if kib is not None else "-", worst]

    head = [
        "",
        "calls / abandoned streams",
        "KiB stay: calls",
        "KiB stay: streams",
        "connections left",
        "KiB per open stream",
        "",
    ]
    return table(head, lines())


def batch_rates(run: Run) -> str:
    """Requests a second of each side, and how many times as many ours are."""
    ours = {vendor: core for vendor, side, _, core, _ in run["rates"] if side == "dragoman"}
    names = {"dragoman": "dragoman batch", "sdk": "the vendor's SDK, by hand", "litellm": "litellm, by hand"}
    rows = (
        [f"{vendor}: {names[side]}", f"{count:,}", f"{core:,}", f"{wall:,}", f"{ours[vendor] / core:.1f}"]
        for vendor, side, count, core, wall in run["rates"]
    )
    return table(["", "requests", "a second, a core", "a second", "dragoman is faster by"], rows)


def batch_memory(run: Run) -> str:
    """Memory by the length of the file."""
    rows = ([f"{lines:,}", f"{mib:,.0f}", f"{rate:,}"] for lines, mib, rate in run["memory"])
    return table(["lines of the file", "MiB at most", "requests a second"], rows)
