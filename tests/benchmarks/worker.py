"""One side in a process of its own, which does as it is told: `python worker.py SIDE VENDOR PORT`.

Reads a task a line from standard input (JSON), answers each with a line. Needs the
standard library and the libraries that are measured, and nothing else.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.metadata
import json
import logging
import os
import sys
import time
import warnings
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import canned
import loopback
import peers
import workload

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sides import Side

#: Whose versions belong to a result, where they are installed.
_TOLD = (  # noqa: SIM905 (readable)
    "dragoman-core openai anthropic mistralai together ollama httpx httpx2 aiohttp pydantic msgspec "
    "litellm any-llm-sdk aisuite pydantic-ai-slim langchain-openai langchain-anthropic tensorzero"
).split()
_PARALLEL = 64

Result = dict[str, Any]


class Meter:
    """Says when to stop, and what a call took in microseconds: CPU of the whole process, and the best wall time."""

    def __init__(self, seconds: float, least: int) -> None:
        self._seconds, self._least = seconds, least
        self._count = -1
        self._best = float("inf")
        gc.collect()

    def goes_on(self) -> bool:
        """Whether to call once more; asked before each call."""
        now = time.perf_counter()
        if self._count < 0:
            self._count, self._began, self._cpu = 0, now, time.process_time()
        else:
            self._count += 1
            self._best = min(self._best, now - self._before)
        self._before = now
        return self._count < self._least or now - self._began < self._seconds

    def result(self, callers: int = 1) -> Result:
        """Return what was measured; of several callers at once, the wall time is the mean."""
        cpu, wall = time.process_time() - self._cpu, self._before - self._began
        # Each of the callers but the first was counted when it asked for the first time.
        count = self._count - (callers - 1)
        best = self._best if callers == 1 else wall / count
        return {"calls": count, "cpu": round(cpu / count * 1e6, 1), "best": round(best * 1e6, 1)}


class Worker:
    """A side that is set up, with one event loop for all its asynchronous calls."""

    def __init__(self, name: str, vendor: str, port: int) -> None:
        self.vendor = vendor
        self.side: Side = peers.make(name, vendor, port)
        self.runner = asyncio.Runner()
        self._requests: dict[tuple[str, str], Any] = {}

    def request(self, scenario: str, mode: str) -> Any:
        """Return a scenario's arguments, made once for each mode: some hold clients, which no two event loops share."""
        if (scenario, mode) not in self._requests:
            made = self.side.request(workload.chat(scenario), workload.model(self.vendor, scenario))
            self._requests[scenario, mode] = made
        return self._requests[scenario, mode]

    def once(self, scenario: str) -> Callable[[], object]:
        """Return a function that makes one call and throws the answer away."""
        side, request = self.side, self.request(scenario, "sync")
        if workload.SCENARIOS[scenario][1]:
            return lambda: deque(side.stream(request), maxlen=0)
        return lambda: side.call(request)

    def async_once(self, scenario: str) -> Callable[[], Awaitable[object]]:
        """Return `once` for the asynchronous side."""
        side, request = self.side, self.request(scenario, "async")
        assert side.async_stream is not None
        assert side.async_call is not None
        call, stream = side.async_call, side.async_stream

        async def piecewise() -> None:
            async for _ in await stream(request):
                pass

        return piecewise if workload.SCENARIOS[scenario][1] else lambda: call(request)

    def check(self, scenario: str, mode: str) -> None:
        """Make one call, and see that the whole answer arrived."""
        judge(scenario, self._said(scenario) if mode == "sync" else self.runner.run(self._async_said(scenario)))

    def _said(self, scenario: str) -> str:
        side, request = self.side, self.request(scenario, "sync")
        if workload.SCENARIOS[scenario][1]:
            return "".join(map(side.piece, side.stream(request)))
        return "".join(side.read(side.call(request)))

    async def _async_said(self, scenario: str) -> str:
        side, request = self.side, self.request(scenario, "async")
        assert side.async_stream is not None
        assert side.async_call is not None
        if workload.SCENARIOS[scenario][1]:
            return "".join([side.piece(piece) async for piece in await side.async_stream(request)])
        return "".join(side.read(await side.async_call(request)))

    def calls(self, scenario: str, mode: str, seconds: float, least: int) -> Result:
        """Call again and again for so many seconds, at least so many times."""
        meter = Meter(seconds, least)
        if mode == "sync":
            once = self.once(scenario)
            while meter.goes_on():
                once()
        else:
            self.runner.run(_repeat(meter, self.async_once(scenario)))
        return meter.result()

    def parallel(self, mode: str, seconds: float) -> Result:
        """64 callers at once, of the text scenario."""
        meter = Meter(seconds, _PARALLEL)
        if mode == "async":
            self.runner.run(_all_at_once(meter, self.async_once("text")))
            return meter.result(_PARALLEL)
        once = self.once("text")

        def caller() -> None:
            while meter.goes_on():
                once()

        with ThreadPoolExecutor(_PARALLEL) as pool:
            for waiting in [pool.submit(caller) for _ in range(_PARALLEL)]:
                waiting.result()
        return meter.result(_PARALLEL)

    def do(self, task: dict[str, Any]) -> Result:
        """Do one task: make a few calls before anything is measured, or measure."""
        scenario, mode = task["scenario"], task["mode"]
        if why := self.side.lacks.get(scenario):
            return {"lacks": why}
        if mode == "async" and self.side.async_call is None:
            return {"lacks": "no asynchronous calls"}
        seconds = task["seconds"]
        if task["run"] == "prepare":
            self.check("text" if scenario == "parallel" else scenario, mode)
        if scenario == "parallel":
            return self.parallel(mode, seconds)
        return self.calls(scenario, mode, seconds, task["least"])


def judge(scenario: str, said: str) -> None:
    """Raise `AssertionError` unless all that the provider said is in `said`."""
    if scenario in {"tool", "toolstream"}:
        assert json.loads(said[said.index("{") :]) == canned.ARGUMENTS, f"other arguments: {said!r}"
    else:
        assert said == "".join(canned.TEXT), f"another text: {said!r}"


async def _repeat(meter: Meter, once: Callable[[], Awaitable[object]]) -> None:
    while meter.goes_on():
        await once()


async def _all_at_once(meter: Meter, once: Callable[[], Awaitable[object]]) -> None:
    await asyncio.gather(*(_repeat(meter, once) for _ in range(_PARALLEL)))


def versions() -> dict[str, str]:
    """Return the versions of what is installed here, of what matters."""
    found = {}
    for name in _TOLD:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def main(name: str, vendor: str, port: str) -> None:
    """Set the side up and do what standard input says."""
    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)
    loopback.pin(-1)
    # Some libraries print; nothing but answers belongs on the pipe.
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    try:
        worker = Worker(name, vendor, int(port))
    except Exception as error:  # noqa: BLE001 (whatever keeps a side from working is told)
        print(json.dumps({"failed": f"{type(error).__name__}: {error}"[:300]}), file=out)
        return
    print(json.dumps({"versions": versions()}), file=out)
    for line in sys.stdin:
        try:
            answer = worker.do(json.loads(line))
        except Exception as error:  # noqa: BLE001 (as above)
            answer = {"failed": f"{type(error).__name__}: {error}"[:300]}
        print(json.dumps(answer), file=out)
    out.close()
    # Some libraries leave threads that never end.
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
