"""Measures how the cost of a call grows: with the history, the tools, the stream, the plugins, the streams at once."""

from __future__ import annotations

import asyncio
import datetime as dt
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import campaign
import growing
import loopback
import sides
import workload

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sides import Side

_HISTORY = [10, 30, 100, 300, 1_000, 3_000, 10_000]
_TOOLS = [1, 5, 20, 50, 100, 200, 500]
_STREAM = [10, 100, 1_000, 10_000, 100_000]
_PLUGINS = [1, 3, 10, 30, 100]
_STREAMS = [1, 10, 100, 500, 1_000, 2_000]
#: More of them than this, and a plain SDK may wait for ever for its pool.
_MOST_PLAIN = 100
#: More of them than this take minutes where a pool is quadratic.
_MOST_WITHOUT = 500
_PIECES = 100

_PLUGIN = """\
from dragoman.core import Provider, hookimpl


class Made(Provider):
    name = "made{number}"
    base_url = "http://127.0.0.1:1"


class Hooks:
    @hookimpl
    def before_call(self, call):
        call.context["made{number}"] = True


hooks = Hooks()
"""
#: In a fresh process, whose path has the plugins: CPU of finding them all, and of a call that passes all their hooks.
_WITH_PLUGINS = """\
import sys, time, warnings
warnings.simplefilter("ignore")
sys.path[:0] = [{here!r}, {folder!r}]
import sides, workload
from dragoman.core.plugins import Plugins, plugins
made = sides.dragoman("anthropic", {port})
asked = made.request(workload.chat("text"), workload.model("anthropic", "text"))
found = []
for _ in range(3):
    began = time.process_time()
    fresh = Plugins()
    fresh.providers()
    fresh.hooks
    found.append(time.process_time() - began)
assert sum(name.startswith("made") for name in fresh.providers()) == {count}
calls = []
for _ in range(60):
    began = time.process_time()
    made.call(asked)
    calls.append(time.process_time() - began)
assert len(plugins().hooks.before_call.get_hookimpls()) >= {count}
print(min(found) * 1e6, min(calls) * 1e6)
"""


def cheapest(once: Callable[[], object], seconds: float, least: int = 3) -> float:
    """Return the least CPU of a call, in microseconds, over so many seconds and at least so many calls."""
    found: list[float] = []
    end = time.perf_counter() + seconds
    while len(found) < least or (time.perf_counter() < end and len(found) < 1_000):
        began = time.process_time()
        once()
        found.append(time.process_time() - began)
    return round(min(found) * 1e6, 1)


class Growth:
    """Measures in this process, whose Python has core and the plugins."""

    def __init__(self, port: int, say: Callable[[str], None], *, quick: bool) -> None:
        self.port, self.say, self.seconds = port, say, 0.1 if quick else 0.6
        self.sides: dict[str, Side] = {
            # Thousands of connections are opened at once, by one thread.
            vendor: sides.dragoman(vendor, port, timeout=600)
            for vendor in workload.VENDORS
        }
        # Kept: an SDK's client that is dropped while a loop runs may close its old connections in place of new ones,
        # which then wait for ever.
        self.others: dict[str, Side] = {}
        self.runner = asyncio.Runner()

    def curve(self, title: str, sizes: list[int], cost: Callable[[str, int], float]) -> dict[str, Any]:
        """Return a cost of each provider at each size."""
        series = {}
        for vendor in self.sides:
            self.say(f"growth: {title}, {vendor}")
            series[vendor] = [cost(vendor, size) for size in sizes]
        return {"sizes": sizes, "series": series}

    def of_request(self, vendor: str, chat: workload.Chat) -> float:
        """Return the cost of a call with this conversation."""
        side = self.sides[vendor]
        asked = side.request(chat, workload.model(vendor, "text"))
        return cheapest(lambda: side.call(asked), self.seconds)

    def of_stream(self, vendor: str, length: int) -> float:
        """Return the cost of a stream of so many pieces."""
        side = self.sides[vendor]
        asked = side.request(workload.chat("text"), f"stream-{length}")

        def once() -> None:
            for _ in side.stream(asked):
                pass

        return cheapest(once, self.seconds, 2)

    def of_streams(self, vendor: str, count: int) -> float:
        """Return the cost of so many streams at once, each read to its end."""
        return self._at_once(self.sides[vendor], count)

    def of_plain_streams(self, vendor: str, count: int) -> float:
        """Return the cost of the same with the vendor's own SDK."""
        return self._at_once(self._other(f"{vendor}{growing.PLAIN}", vendor, sides.sdk), count, timeout=600)

    def of_streams_without_aiohttp(self, vendor: str, count: int) -> float:
        """Return the cost of the same where the SDK has to send with its own HTTP library."""
        side = self._other(f"{vendor}{growing.WITHOUT}", vendor, lambda *place: sides.dragoman(*place, timeout=600))
        # Nobody looks for it again once the first stream is open.
        kept, sys.modules["aiohttp"] = sys.modules.pop("aiohttp"), None  # type: ignore[assignment]  # that is how it is said
        try:
            return self._at_once(side, count)
        finally:
            sys.modules["aiohttp"] = kept

    def _other(self, name: str, vendor: str, make: Callable[[str, int], Side]) -> Side:
        if name not in self.others:
            self.others[name] = make(vendor, self.port)
        return self.others[name]

    def _at_once(self, side: Side, count: int, **options: Any) -> float:
        asked = {**side.request(workload.chat("text"), f"stream-{_PIECES}"), **options}
        assert side.async_stream is not None
        open_one: Callable[[Any], Awaitable[Any]] = side.async_stream

        async def one() -> None:
            async for _ in await open_one(asked):
                pass

        async def at_once() -> None:
            await asyncio.gather(*(one() for _ in range(count)))

        # Of many streams at once there is a mean already.
        return cheapest(lambda: self.runner.run(at_once()), self.seconds, 1)

    def streams(self, sizes: list[int]) -> dict[str, Any]:
        """Return the costs of streams at once; without aiohttp, which has pools of its own; and those of plain SDKs."""
        curve = self.curve("streams at once", sizes, self.of_streams)
        for vendor in ("anthropic", "together"):
            self.say(f"growth: streams at once, {vendor}, without aiohttp, and its plain SDK")
            costs = [self.of_streams_without_aiohttp(vendor, size) for size in sizes if size <= _MOST_WITHOUT]
            curve["series"][f"{vendor}{growing.WITHOUT}"] = costs
            costs = [self.of_plain_streams(vendor, size) for size in sizes if size <= _MOST_PLAIN]
            curve["series"][f"{vendor}{growing.PLAIN}"] = costs
        return curve

    def with_plugins(self, count: int) -> tuple[float, float]:
        """Return the costs of finding and loading so many plugins, and of a call through all their hooks."""
        with tempfile.TemporaryDirectory(prefix="dragoman-bench-") as folder:
            for number in range(count):
                _make_plugin(Path(folder), number)
            code = _WITH_PLUGINS.format(here=str(Path(__file__).parent), folder=folder, port=self.port, count=count)
            run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 (code of this file)
        found, call = run.stdout.split()
        return round(float(found), 1), round(float(call), 1)

    def of_plugins(self) -> dict[str, Any]:
        """Return both costs for each number of plugins."""
        self.say("growth: plugins")
        pairs = [self.with_plugins(count) for count in _PLUGINS]
        found, calls = zip(*pairs, strict=True)
        return {"sizes": _PLUGINS, "series": {"finding them": list(found), "a call through their hooks": list(calls)}}


def _make_plugin(folder: Path, number: int) -> None:
    """Write a distribution with a provider and hooks, as an installer leaves it."""
    (folder / f"made{number}.py").write_text(_PLUGIN.format(number=number), "utf-8")
    papers = folder / f"made{number}-1.0.dist-info"
    papers.mkdir()
    (papers / "METADATA").write_text(f"Metadata-Version: 2.1\nName: made{number}\nVersion: 1.0\n", "utf-8")
    offers = f"[dragoman.providers]\nmade{number} = made{number}:Made\n[dragoman]\nmade{number} = made{number}:hooks\n"
    (papers / "entry_points.txt").write_text(offers, "utf-8")


def _allow_files() -> None:
    with suppress(ImportError):
        import resource

        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def measure(say: Callable[[str], None], *, quick: bool) -> dict[str, Any]:
    """Measure everything that may grow; a quick run leaves out the largest sizes of some."""
    warnings.simplefilter("ignore")
    _allow_files()
    streams = _STREAM[:-1] if quick else _STREAM
    with loopback.provider([*streams, _PIECES]) as port:
        loopback.pin(-1)
        at = Growth(port, say, quick=quick)
        tools = {count: [workload.tool(number, options=5) for number in range(count)] for count in _TOOLS}
        histories = {length: workload.history(length) for length in _HISTORY}
        curves = {
            "messages in the history": at.curve(
                "history", _HISTORY, lambda vendor, size: at.of_request(vendor, workload.Chat(histories[size], []))
            ),
            "tools": at.curve(
                "tools",
                _TOOLS,
                lambda vendor, size: at.of_request(vendor, workload.Chat(workload.history(2), tools[size])),
            ),
            "pieces in the stream": at.curve("stream", streams, at.of_stream),
            "streams at once": at.streams(_STREAMS[:-2] if quick else _STREAMS),
            "plugins installed": at.of_plugins(),
        }
    return {
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": campaign.machine(),
        "quick": quick,
        "curves": curves,
    }
