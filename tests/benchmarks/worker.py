"""One side in a process of its own, which does as it is told: `python worker.py SIDE VENDOR PORT`.

Reads a task a line from standard input (JSON), answers each with a line: `{"run": NAME, ...}`. See `TASKS`. Needs the
standard library and the libraries that are measured, and nothing else.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.metadata
import itertools
import json
import logging
import os
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import canned
import loopback
import peers
import sides
import workload

if TYPE_CHECKING:
    from collections.abc import Callable

    from sides import Side

#: Whose versions belong to a result, where they are installed.
_TOLD = (
    "dragoman-core openai anthropic mistralai together ollama httpx httpx2 aiohttp pydantic msgspec "
    "litellm any-llm-sdk aisuite pydantic-ai-slim langchain-openai langchain-anthropic tensorzero"
).split()
_PARALLEL = 64


class Worker:
    """A side that is set up, with one event loop for all its asynchronous calls."""

    def __init__(self, name: str, vendor: str, port: int) -> None:
        self.vendor = vendor
        self.side: Side = peers.make(name, vendor, port)
        self._runner = asyncio.Runner()
        self._requests: dict[str, Any] = {}

    def request(self, scenario: str) -> Any:
        """Return a scenario's arguments, made once."""
        if scenario not in self._requests:
            made = self.side.request(workload.chat(scenario), workload.model(self.vendor, scenario))
            self._requests[scenario] = made
        return self._requests[scenario]

    def once(self, scenario: str, mode: str) -> Callable[[], None]:
        """Return a function that makes one call and throws the answer away."""
        side, request, streamed = self.side, self.request(scenario), workload.SCENARIOS[scenario][1]
        if mode == "sync":
            return (lambda: _drain(side.stream(request))) if streamed else (lambda: side.call(request))
        run = self._runner.run

        async def whole() -> None:
            assert side.async_call is not None
            await side.async_call(request)

        async def piecewise() -> None:
            assert side.async_stream is not None
            async for _ in await side.async_stream(request):
                pass

        return lambda: run(piecewise() if streamed else whole())

    def check(self, scenario: str, mode: str) -> None:
        """Make one call, and see that the whole answer arrived."""
        side, request = self.side, self.request(scenario)
        told = "".join(canned.TEXT)
        if not workload.SCENARIOS[scenario][1]:
            assert side.async_call is not None or mode == "sync"
            answer = side.call(request) if mode == "sync" else self._runner.run(_awaited(side.async_call(request)))  # type: ignore[misc]  # checked above
            text, arguments = side.read(answer)
            if scenario == "tool":
                assert json.loads(arguments) == canned.ARGUMENTS, f"other arguments: {arguments!r}"
            else:
                assert text == told, f"another text: {text!r}"
            return
        said = "".join(map(side.piece, side.stream(request) if mode == "sync" else self._runner.run(self._collect(request))))
        if scenario == "toolstream":
            assert json.loads(said[said.index("{") :]) == canned.ARGUMENTS, f"other arguments: {said!r}"
        else:
            assert said == told, f"another text: {said!r}"

    async def _collect(self, request: Any) -> list[Any]:
        assert self.side.async_stream is not None
        return [piece async for piece in await self.side.async_stream(request)]

    def calls(self, scenario: str, mode: str, seconds: float, least: int) -> dict[str, Any]:
        """Call again and again for so many seconds; CPU of the whole process, in microseconds per call, and the best wall."""
        once = self.once(scenario, mode)
        best, count = float("inf"), 0
        gc.collect()
        began, cpu = time.perf_counter(), time.process_time()
        before = began
        while count < least or before - began < seconds:
            once()
            count, after = count + 1, time.perf_counter()
            best, before = min(best, after - before), after
        spent = time.process_time() - cpu
        return {"calls": count, "cpu": round(spent / count * 1e6, 1), "best": round(best * 1e6, 1)}

    def parallel(self, mode: str, seconds: float) -> dict[str, Any]:
        """64 callers at once, of the text scenario: CPU per call, and answers per second."""
        request, side = self.request("text"), self.side
        end, done = 0.0, itertools.count()

        def caller() -> None:
            while time.perf_counter() < end:
                side.call(request)
                next(done)

        async def async_callers() -> None:
            async def one() -> None:
                while time.perf_counter() < end:
                    assert side.async_call is not None
                    await side.async_call(request)
                    next(done)

            await asyncio.gather(*(one() for _ in range(_PARALLEL)))

        def go(pool: ThreadPoolExecutor, lasting: float) -> tuple[float, float]:
            nonlocal end
            began, cpu = time.perf_counter(), time.process_time()
            end = began + lasting
            if mode == "sync":
                for waiting in [pool.submit(caller) for _ in range(_PARALLEL)]:
                    waiting.result()
            else:
                self._runner.run(async_callers())
            return time.process_time() - cpu, time.perf_counter() - began

        with ThreadPoolExecutor(_PARALLEL) as pool:
            go(pool, seconds / 2)
            done = itertools.count()
            cpu, wall = go(pool, seconds)
        count = next(done)
        return {"calls": count, "cpu": round(cpu / count * 1e6, 1), "best": round(wall / count * 1e6, 1)}

    def do(self, task: dict[str, Any]) -> dict[str, Any]:
        """Do one task."""
        scenario, mode = task["scenario"], task["mode"]
        if why := self.side.lacks.get(scenario):
            return {"lacks": why}
        if mode == "async" and self.side.async_call is None:
            return {"lacks": "no asynchronous calls"}
        if task["run"] == "check":
            if scenario == "parallel":
                return {}
            self.check(scenario, mode)
            once = self.once(scenario, mode)
            for _ in range(task["times"]):
                once()
            return {}
        if scenario == "parallel":
            return self.parallel(mode, task["seconds"])
        return self.calls(scenario, mode, task["seconds"], task["least"])


async def _awaited(waiting: Any) -> Any:
    return await waiting


def _drain(pieces: Any) -> None:
    for _ in pieces:
        pass


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
