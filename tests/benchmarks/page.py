"""Stored runs -> docs/performance.md and its charts. The same runs make the same files, byte for byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import chart
import gatewaytables
import growing
import report
from campaign import PEER_ROUNDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from report import Run

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).with_name("results")
PAGE = ROOT / "docs" / "performance.md"
CHARTS = {"calls": ROOT / "docs" / "performance.svg", "growth": ROOT / "docs" / "growth.svg"}

_HEAD = """\
# What a call costs

CPU of one call through `Client.chat.completions.create`, translation both ways included, as a ratio to the same call
with the vendor's own plain SDK in the same run: **below 1 is cheaper than not translating**. This page is made by
`python tests/benchmarks --write` of the stored run, and a test compares the two. To measure on your machine:

```console no-run reason="measures for minutes, and takes environments from PyPI"
$ nox -s bench                 # the vendors' SDKs and dragoman
$ nox -s bench -- --peers      # other translators, too
$ nox -s growth                # how costs grow
$ nox -s gateways              # the server, LiteLLM's proxy and Portkey's gateway
```

*must*: within what is promised; *aim*: as good as the best of anything; *miss*: neither. Figures are
`median [least..most]` over rounds of fresh processes that take turns, each kept on one processor; the provider is a
program on loopback, so TLS and the network are not in them. CPU is that of the whole client process. *tool stream*:
20 pieces of arguments, or of text before a whole call where the vendor sends calls whole; *332 KB request*: 200
messages and 40 tools. *direct* is `Client(sender="direct")`, *SDK* the default, which sends through the vendor's SDK;
asynchronously with aiohttp below it where that is installed (*SDK, aiohttp*), else with the SDK's own httpx.
"""
_GROWTH = """\
## How costs grow

CPU of one call against what may become large, and the exponent between the largest sizes: 1 is linear, 0 is flat, and
more than {limit:g} counts as a bug.
"""
_BATCH = """\
## Batches

A file of requests through `dragoman batch`, beside the same file through a loop written by hand: asyncio, {open}
requests at the same time, over the vendor's own SDK and over litellm's `acompletion`. *a core*: requests a second of
CPU, each program on one processor. To measure on your machine: `nox -s batch_bench`.
"""


def load(name: str) -> Run | None:
    """Return a stored run, or None."""
    place = RESULTS / f"{name}.json"
    found: Run | None = json.loads(place.read_text("utf-8")) if place.exists() else None
    return found


def store(name: str, run: Run) -> Path:
    """Write a run, a row a line, so that a change can be read."""
    RESULTS.mkdir(exist_ok=True)
    place = RESULTS / f"{name}.json"
    parts = [f"{json.dumps(key)}: {_lines(value)}" for key, value in run.items()]
    place.write_text("{\n" + ",\n".join(parts) + "\n}\n", "utf-8")
    return place


def _lines(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], list):
        return "[\n" + ",\n".join(json.dumps(row) for row in value) + "\n]"
    if isinstance(value, dict) and value:
        return "{\n" + ",\n".join(f"{json.dumps(key)}: {json.dumps(one)}" for key, one in value.items()) + "\n}"
    return json.dumps(value)


def _machine(run: Run) -> str:
    found = run["machine"]
    busy = f", load {found['load'][0]:g} at the start" if found.get("load") else ""
    quick = " **A quick run, too short for conclusions.**" if run.get("quick") else ""
    return (
        f"Measured {run['date']} on {found['processors']} processors {found['processor']}, {found['system']} "
        f"{found['release']}, Python {found['python']}{busy}.{quick}"
    )


def _calls(run: Run) -> Iterator[str]:
    yield _machine(run) + f" Rounds: {run['rounds']}."
    if run.get("calls"):
        yield "## Calls"
        yield "![ratios to the vendor's SDK](performance.svg)"
        yield report.calls_table(run)
        if peers := report.peers_table(run):
            yield "## Beside other translators"
            yield (
                f"Medians of the same ratio, for others of the first {PEER_ROUNDS} rounds; a dash: it does not have "
                "that, or it failed (see below)."
            )
            yield peers
    if run.get("startup"):
        yield "## Start-up"
        yield (
            "A `Client` is an `openai.OpenAI`, so openai has to be imported for it, and that alone may take longer "
            "than all of the vendor's SDK. So each first call is compared twice: with that of the vendor's SDK, and "
            "with what no `Client` can do without, which is the same with `import openai` after it (*sdk and openai*) "
            "or, where the vendor's SDK is left out, the first call of openai's own. What this means for the promises "
            "is in [decision 10](decisions/0010-which-promises-hold.md)."
        )
        yield report.startup_table(run)
    if run.get("footprint"):
        yield "## Installed"
        yield "As pip leaves it, compiled; *openai* is that package alone, without what it needs."
        yield report.footprint_table(run)
    if run.get("memory"):
        yield "## Memory"
        yield (
            "Traced memory that stayed over the second half of the calls (every second one streamed), and of the "
            "streams that were left after their first piece, half of them without being closed."
        )
        yield report.memory_table(run)
    if versions := run.get("versions"):
        yield "## Versions"
        yield "\n".join(
            f"- {name}: " + ", ".join(f"{key} {value}" for key, value in found.items())
            for name, found in sorted(versions.items())
        )
    notes = [f"- {where}: {why}" for where, why in sorted(run.get("notes", {}).items())]
    if notes:
        yield "## What was not measured"
        yield "\n".join(notes)


def _growth(run: Run) -> Iterator[str]:
    yield _GROWTH.format(limit=growing.TOO_STEEP).strip()
    yield _machine(run)
    yield "![growth](growth.svg)"
    yield from (f"### {title}\n\n{text}" for title, text in growing.tables(run))


def _gateways(run: Run) -> Iterator[str]:
    yield gatewaytables.HEAD.strip()
    yield _machine(run) + f" Rounds: {run['rounds']}."
    yield from gatewaytables.parts(run)


def _batch(run: Run) -> Iterator[str]:
    yield _BATCH.format(open=run["open"]).strip()
    yield _machine(run)
    yield report.batch_rates(run)
    yield report.batch_memory(run)
    kills = run["kills"]
    yield (
        f"Of runs that were killed (`kill -9`) at random moments, {kills['killed']} of them, one behind the other over "
        f"a file of {kills['lines']:,} lines, answers were lost: **{kills['lost']}**; written twice: "
        f"{kills['written twice']}; asked again: {kills['asked again']}, where {kills['in flight at most']} were in "
        "flight at most with each kill."
    )


_PARTS = {"batch": _batch, "calls": _calls, "growth": _growth, "gateways": _gateways}


def text_of(kind: str, run: Run) -> str:
    """Return one part of the page."""
    return "\n\n".join(_PARTS[kind](run)) + "\n"


def files() -> dict[Path, str]:
    """Return the page and its charts, as the stored runs have them."""
    calls, growth, gateways, batch = load("calls"), load("growth"), load("gateways"), load("batch")
    parts = [_HEAD.strip()]
    found: dict[Path, str] = {}
    if calls:
        parts.append(text_of("calls", calls).strip())
        found[CHARTS["calls"]] = chart.dots(calls)
    if growth:
        parts.append(text_of("growth", growth).strip())
        found[CHARTS["growth"]] = chart.curves(growth)
    if gateways:
        parts.append(text_of("gateways", gateways).strip())
    if batch:
        parts.append(text_of("batch", batch).strip())
    found[PAGE] = "\n\n".join(parts) + "\n"
    return found


def write() -> None:
    """Write the page and its charts."""
    for place, text in files().items():
        place.write_text(text, "utf-8")
