"""One run: requests come from a source, an engine answers them, and each result is kept."""

from __future__ import annotations

import asyncio
import difflib
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from dragoman.batch.desk import AHEAD, Desk
from dragoman.batch.outputs import OutputError
from dragoman.core import DragomanError, make_dispatcher, price_of_usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
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
#: Code and type where the model's provider is not here, nor will it be for the next request; no provider says it so.
_NO_PROVIDER = ("model_not_found", "invalid_request_error")
_UNPRICED = (
    "so max_cost cannot be held: dragoman-prices knows the vendors' prices, and an entry of the configuration "
    "can have a price"
)


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
        self._names.check(options.limits)
        #: Models that are known to have a price, where one must.
        self._priced: set[str] = set()
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
            lane_of=self._lane_of,
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

    def _lane_of(self, request: Request) -> str:
        """Return the name of the lane. Raises `DragomanError` where a cost cap could not be held."""
        model = request.model
        if self._options.max_cost is not None and model not in self._priced:
            if not self._names.may_be_priced(request):
                assert self.desk is not None  # noqa: S101 (it asks)
                self.desk.leave(request.line)
                message = f"no price is known for the model {model!r}, {_UNPRICED}"
                raise DragomanError(message)
            if len(self._priced) < _MODELS:
                self._priced.add(model)
        return self._names.provider_of(request) if self._engine.paced else ""

    def _take(self, result: Result) -> None:
        summary, desk = self.summary, self.desk
        assert desk is not None  # noqa: S101 (it calls this)
        error = result.error or {}
        if not result.status and (error.get("code"), error.get("type")) == _NO_PROVIDER:
            desk.leave(result.line)
            desk.stop("input", DragomanError(error["message"]))
            return
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
            message = f"nobody knows what the answer to {result.custom_id} cost, {_UNPRICED}"
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

    def check(self, limited: Iterable[str]) -> None:
        """Raise `DragomanError` for limits of a name that no request can go to."""
        config, router = self._dispatcher.config, self._dispatcher.router
        listed = [entry.name or entry.model for entry in config.entries] if config is not None else []
        chained = config.fallbacks if config is not None else ()
        known = {"", *router.names(), *router.plugins.known(), *listed, *chained}
        for name in sorted(set(limited) - known):
            close = difflib.get_close_matches(name, known, 1)
            advice = f"did you mean {close[0]}?" if close else f"known are {', '.join(sorted(known - {''}))}"
            message = f"there are limits for {name!r}, which is neither a provider nor a model of the list; {advice}"
            raise DragomanError(message)

    def may_be_priced(self, request: Request) -> bool:
        """Whether somebody knows what an answer costs; of several models for one name, what one of theirs does."""
        config, router = self._dispatcher.config, self._dispatcher.router
        model = router.aliases.get(request.model, request.model)
        entries = config.named(model) if config is not None else []
        try:
            if entries and config is not None:
                named = ((entry, *config.provider(entry)) for entry in entries)
                return any(entry.price is not None or _price(provider.name, own) for entry, provider, own in named)
            return _price(*router.split(model))
        except DragomanError:
            # Whoever asks says what is wrong.
            return True

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


def _price(provider: str, model: str) -> bool:
    return price_of_usage(provider, model, {"prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1}) is not None
