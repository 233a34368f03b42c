"""One run: requests come from a source, an engine answers them, and each result is kept."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from dragoman.batch.desk import AHEAD, Desk
from dragoman.batch.outputs import OutputError
from dragoman.core import DragomanError, make_dispatcher

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from dragoman.batch.desk import Source
    from dragoman.batch.engines import Engine, Settings
    from dragoman.batch.limits import Limits
    from dragoman.batch.options import Options
    from dragoman.batch.records import Request, Result
    from dragoman.batch.summary import Summary

#: Models whose provider is remembered.
_MODELS = 4096
#: Requests that are asked at once before anybody knows what one costs.
_UNKNOWN = 8


class Run:
    """Runs once. `keep` is given each final result; what it raises as `OutputError` ends the run in order."""

    def __init__(  # noqa: PLR0913 (what a run is made of)
        self,
        engine: Engine,
        settings: Settings,
        options: Options,
        keep: Callable[[Result], None],
        summary: Summary,
        *,
        blocked: Callable[[], bool] = lambda: False,
    ) -> None:
        self._engine = engine
        self._settings = replace(settings, timeout=options.timeout)
        self._options = options
        self._keep = keep
        self._blocked = blocked
        self._names = Names(settings)
        self.summary = summary
        self.desk: Desk | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def paced(self) -> bool:
        """Whether what is being asked is answered in seconds."""
        return self._engine.paced

    async def go(self, source: Source, look: Callable[[], object], every: float) -> None:
        """Run to the end; `look` is called every so many seconds. Raises what made the engine or the input useless."""
        desk = self.desk = Desk(
            source,
            self._take,
            lane_of=self._names.provider_of if self._engine.paced else lambda _: "",
            limits_of=self._limits_of,
            retries=self._options.max_retries,
            room=self._room,
        )
        task = self._task = asyncio.get_running_loop().create_task(self._engine.run(desk, self._settings))
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=every)
                look()
            with suppress(asyncio.CancelledError):
                task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await desk.close()
            self._close(desk)

    def interrupt(self) -> bool:
        """End in order; the second time, at once, and what is being asked is given up. Returns whether it is that."""
        if self.desk is None or self._task is None:
            return True
        if not self.desk.stopping:
            self.desk.stop("interrupt")
            return False
        self._task.cancel()
        return True

    def _close(self, desk: Desk) -> None:
        summary = self.summary
        summary.retries, summary.stopped, summary.first_left = desk.retried, desk.stopped, desk.first_left
        summary.failure = desk.failure
        if desk.unfinished and not desk.stopped:
            summary.stopped = "engine"
        summary.end()

    def _limits_of(self, provider: str) -> Limits | None:
        return self._options.limits_of(provider) if self._engine.paced else None

    def _take(self, result: Result) -> None:
        summary, desk = self.summary, self.desk
        assert desk is not None  # noqa: S101 (it calls this)
        try:
            self._keep(result)
        except OutputError as failure:
            summary.lost += 1
            desk.leave(result.line)
            desk.stop("output", failure)
            return
        summary.count(result)
        most = self._options.max_cost
        if most is not None and summary.unpriced:
            message = "nobody knows what the answers cost, so max_cost cannot be held: pip install dragoman-prices"
            desk.stop("cost", DragomanError(message))
        elif most is not None and (summary.cost >= most or (self._affordable(most) < 1 and not desk.open)):
            desk.stop("cost")

    def _room(self, most: int) -> int:
        """Return how many may start: none while nobody takes results, or more than the cost cap leaves."""
        if self._blocked():
            return 0
        cap = self._options.max_cost
        return most if cap is None else min(most, self._affordable(cap))

    def _affordable(self, cap: Decimal) -> int:
        """Return how many more may be asked, if each costs what the others did."""
        summary, desk = self.summary, self.desk
        assert desk is not None  # noqa: S101 (it asks)
        if not summary.cost:
            return _UNKNOWN - desk.open if summary.answered < _UNKNOWN else AHEAD
        return int((cap - summary.cost) * summary.answered / summary.cost) - desk.open


class Names:
    """Which provider a request goes to, by its model's name."""

    def __init__(self, settings: Settings) -> None:
        self._dispatcher = make_dispatcher(**{"default_provider": "openai", **settings.client})
        self._known: dict[str, str] = {}

    def provider_of(self, request: Request) -> str:
        """Return its name; of a name of the configuration's list, that name."""
        model = request.model
        found = self._known.get(model)
        if found is None:
            found = self._find(model)
            if len(self._known) < _MODELS:
                self._known[model] = found
        return found

    def _find(self, model: str) -> str:
        config = self._dispatcher.config
        model = self._dispatcher.router.aliases.get(model, model)
        if config is not None and config.named(model):
            return model
        try:
            return self._dispatcher.router.split(model)[0]
        except DragomanError:
            return ""
