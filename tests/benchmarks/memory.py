"""What stays in memory: `python memory.py SIDE VENDOR PORT CALLS STREAMS OPEN`, a side in a process of its own.

With OPEN streams nothing else is measured.

Prints a line of JSON: growth of the traced memory over CALLS calls (half of them streamed) and over STREAMS streams
that are left after their first piece, in bytes; connections left open; and the resident memory of each of OPEN streams
that are read in part and held, in KiB.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import tracemalloc
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import peers
import workload

if TYPE_CHECKING:
    from collections.abc import Callable

    from sides import Side

_TOOL = "toolstream"


def traced(repeat: Callable[[int], None], warm: int, times: int) -> dict[str, Any]:
    """Return how far the traced memory grew over the first half and over the second, after a start of its own.

    What fills up once (pools, caches) grows in the first half; a leak grows in both alike.
    """
    repeat(warm)
    gc.collect()
    tracemalloc.start(1)
    try:
        repeat(warm)
        sizes = []
        for part in (0, times // 2, times - times // 2):
            repeat(part)
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return {"times": times, "first": sizes[1] - sizes[0], "second": sizes[2] - sizes[1], "peak": peak}


def open_files() -> int:
    """Return how many file descriptors are open; 0 where the system does not tell."""
    place = Path("/proc/self/fd")
    return len(list(place.iterdir())) if place.exists() else 0


def resident() -> int:
    """Return the resident memory in bytes; 0 where the system does not tell."""
    place = Path("/proc/self/smaps_rollup")
    if not place.exists():
        return 0
    line = next(line for line in place.read_text("utf-8").splitlines() if line.startswith("Rss:"))
    return int(line.split()[1]) * 1024


def requests(side: Side, vendor: str) -> dict[str, Any]:
    """Make the requests: of calls, of streams, and of a stream that never ends."""
    made = {name: side.request(workload.chat(name), workload.model(vendor, name)) for name in ("text", _TOOL)}
    made["held"] = side.request(workload.chat("text"), workload.MODELS[vendor]["held"])
    return made


def calls(side: Side, asked: dict[str, Any]) -> Callable[[int], None]:
    """Return a function that makes so many calls, every second one streamed."""

    def repeat(times: int) -> None:
        for number in range(times):
            if number % 2:
                for _ in side.stream(asked[_TOOL]):
                    pass
            else:
                side.call(asked["text"])

    return repeat


def abandoned(side: Side, asked: dict[str, Any]) -> Callable[[int], None]:
    """Return a function that opens so many streams and reads a piece of each; every second is closed, or dropped."""

    def repeat(times: int) -> None:
        for number in range(times):
            stream: Any = side.stream(asked["held"])
            next(iter(stream))
            if number % 2 and hasattr(stream, "close"):
                stream.close()

    return repeat


async def held(side: Side, asked: dict[str, Any], count: int) -> dict[str, Any]:
    """Hold streams open, all at once, each read in part."""
    assert side.async_stream is not None
    first = await side.async_stream(asked["held"])
    await anext(aiter(first))
    gc.collect()
    before = resident()
    streams = []
    for _ in range(count):
        stream = aiter(await side.async_stream(asked["held"]))
        await anext(stream)
        streams.append(stream)
    gc.collect()
    return {"open": count, "kib": round((resident() - before) / 1024 / count, 1)}


def main(name: str, vendor: str, port: str, *counts: str) -> None:
    """Measure a side and print what was found."""
    warnings.simplefilter("ignore")
    times, left, opened = map(int, counts)
    side = peers.make(name, vendor, int(port))
    asked = requests(side, vendor)
    if opened:
        asyncio.run(_finish(side, asked, opened))
    result: dict[str, Any] = {"calls": traced(calls(side, asked), min(200, times), times)}
    before = open_files()
    result["abandoned"] = traced(abandoned(side, asked), min(20, left), left)
    gc.collect()
    result["connections"] = open_files() - before
    print(json.dumps(result), flush=True)  # noqa: T201 (whoever started us reads it)


async def _finish(side: Side, asked: dict[str, Any], opened: int) -> None:
    result = {} if side.async_stream is None else {"held": await held(side, asked, opened)}
    print(json.dumps(result), flush=True)  # noqa: T201 (as above)
    # Hundreds of open streams would be unwound one by one.
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
