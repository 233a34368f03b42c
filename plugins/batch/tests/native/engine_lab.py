"""A run's queue without the run, and what runs the engine with it at a vendor."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from dragoman.batch import Request, Result, Settings
from dragoman.batch.native import NativeEngine
from dragoman.core import Provider
from dragoman.core.plugins import plugins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from vendor_lab import Vendor

#: What a test may last.
PATIENCE = 60


class Line:
    """A run's queue, without the run: requests in, results out."""

    def __init__(self, requests: Iterable[Request]) -> None:
        self.requests = list(requests)
        self.results: dict[str, Result] = {}
        self.stopping = False
        self.open: set[str] = set()

    async def take(self, most: int) -> list[Request]:
        await asyncio.sleep(0)
        if self.stopping:
            return []
        found, self.requests = self.requests[:most], self.requests[most:]
        self.open |= {request.custom_id for request in found}
        return found

    def done(self, result: Result) -> None:
        self.open.remove(result.custom_id)
        self.results[result.custom_id] = result

    def give_back(self, requests: Iterable[Request]) -> None:
        self.requests = [*requests, *self.requests]


class Run:
    """Runs the engine at a vendor, as often as a test wants."""

    def __init__(self, vendor: Vendor, folder: Path) -> None:
        self.vendor = vendor
        self.state = folder / "out.jsonl.native.json"
        self.pauses: list[float] = []
        #: Called at every pause.
        self.at_pause: Callable[[Line], object] = lambda line: None
        self.results: dict[str, Result] = {}
        self.asked: list[Request] = []

    def settings(self) -> Settings:
        provider = plugins().make(self.vendor.name, {"base_url": self.vendor.url, "api_key": "sk-secret-012345"})
        plain = Provider(name="plain", base_url=self.vendor.url, api_key="sk-other-012345")
        return Settings({"providers": [provider, plain]}, state=self.state)

    def ask(self, *words: str, **more: Any) -> None:
        model = f"{self.vendor.name}/{self.vendor.model}"
        for text in words:
            number = len(self.asked) + 1
            body = {"model": model, "messages": [{"role": "user", "content": text}], "max_tokens": 64, **more}
            self.asked.append(Request(f"id-{number}", body, line=number))

    def go(self, **options: Any) -> Line:
        """Run the engine with all requests that have no result yet."""
        line = Line(request for request in self.asked if request.custom_id not in self.results)

        async def pause(seconds: float) -> None:
            self.pauses.append(seconds)
            self.at_pause(line)
            await asyncio.sleep(0)

        engine = NativeEngine(pause=pause, clock=lambda: self.vendor.clock, **options)
        try:
            asyncio.run(asyncio.wait_for(engine.run(line, self.settings()), PATIENCE))
        finally:
            self.results |= line.results
        return line

    def said(self) -> dict[str, str]:
        """What came of each: the answer's text, or the code or message of its error."""
        return {name: words_of(result) for name, result in sorted(self.results.items())}


def words_of(result: Result) -> str:
    if result.error is not None:
        return f"{result.status} {result.error['message' if result.status else 'code']}"
    return str(result.body["choices"][0]["message"]["content"])
