"""One run: requests come from a source, an engine answers them, and each result is kept."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from dragoman.batch.desk import Desk
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

    async def go(self, source: Source, look: Callable[[], object], every: float) -> None:
        """Run to the end; `look` is called every so many seconds. Raises what made the engine or the input useless."""
        desk = self.desk = Desk(
            source,
            self._take,
            lane_of=self._names.provider_of,
            limits_of=self._limits_of,
            retries=self._options.max_retries,
            blocked=self._blocked,
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
        if self._options.max_cost is not None:
            self._check_cost(self._options.max_cost, desk)

    def _check_cost(self, most: Decimal, desk: Desk) -> None:
        """Stop where what is being asked will reach the cap, if it costs what the others did."""
        summary = self.summary
        if summary.unpriced:
            message = "nobody knows what the answers cost, so max_cost cannot be held: pip install dragoman-prices"
            desk.stop("cost", DragomanError(message))
            return
        mean = summary.cost / max(1, summary.answered)
        if summary.cost + mean * desk.open >= most:
            desk.stop("cost")


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
