"""Several models, one after the other, until one answers: a configuration list at work."""

from __future__ import annotations

import threading
import time
import warnings
from typing import TYPE_CHECKING, Any

import openai

from dragoman.core.entries import Entry, read_entries
from dragoman.core.errors import MissingKey, PluginError, UnknownProvider
from dragoman.core.modelclients import code_provider
from dragoman.core.policy import DragomanWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from dragoman.core.attempt import Attempt
    from dragoman.core.provider import Provider
    from dragoman.core.routing import Router

#: What makes an entry useless on this machine, and says nothing about the others.
_UNUSABLE = (MissingKey, PluginError, UnknownProvider)


class Pace:
    """At most so many requests a second, over all threads and tasks of a client."""

    def __init__(self, per_second: float) -> None:
        self._gap = 1 / per_second
        self._next = 0.0
        self._lock = threading.Lock()

    def take(self) -> float:
        """Take the next turn, and return the seconds until it comes."""
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._gap
            return turn - now


class ConfigList:
    """The entries of one client, and the providers that they stand for.

    `fallbacks` says who else may answer for a name when its own entries have failed: names of entries, or models.
    """

    def __init__(self, config_list: Any, router: Router, fallbacks: Mapping[str, Sequence[str]] | None = None) -> None:
        self.entries = read_entries(config_list) if config_list is not None else []
        self._router = router
        self._others: list[Entry] = []
        self._fallbacks = {name: self._chain(name, others) for name, others in (fallbacks or {}).items()}
        self._providers: dict[int, tuple[Provider, str]] = {}
        self._paces = {entry.number: Pace(entry.rate) for entry in self.entries if entry.rate}
        self._lock = threading.Lock()

    @property
    def names(self) -> list[str]:
        """The names that are no models' own, in the entries' order."""
        return list(dict.fromkeys(entry.name for entry in self.entries if entry.name))

    @property
    def fallbacks(self) -> list[str]:
        """The names that others answer for too."""
        return [*self._fallbacks]

    def named(self, model: str | None) -> list[Entry]:
        """The entries that a request may use: all, unless it names a model; none, if no entry has that one."""
        if not model:
            return self.entries
        return self._fallbacks.get(model) or self._own(model)

    def _own(self, model: str) -> list[Entry]:
        return [entry for entry in self.entries if (entry.name or entry.model) == model]

    def _chain(self, name: str, others: Sequence[str]) -> list[Entry]:
        """The entries of a name and of those that answer for it, each once."""
        found: dict[int, Entry] = {}
        for one in (name, *others):
            model = self._router.aliases.get(one, one)
            entries = self._own(one) or self._own(model) or [self._plain(model)]
            found.update({entry.number: entry for entry in entries})
        return list(found.values())

    def _plain(self, model: str) -> Entry:
        """An entry for a model that has none; those that requests may use in general are not among its numbers."""
        for entry in self._others:
            if entry.model == model:
                return entry
        self._others.append(Entry(len(self.entries) + len(self._others), model, model))
        return self._others[-1]

    def pace(self, entry: Entry) -> float:
        """Return how many seconds an entry's next request has to wait for its turn."""
        pace = self._paces.get(entry.number)
        return pace.take() if pace is not None else 0.0

    def provider(self, entry: Entry) -> tuple[Provider, str]:
        """Return the entry's provider, made when first asked for, and what it calls the model."""
        if self._router.plugins.stand_in is not None:
            name, model = self._named(entry)
            return self._router.provider(name, entry.model), model
        with self._lock:
            if entry.number not in self._providers:
                self._providers[entry.number] = self._make(entry)
            return self._providers[entry.number]

    def made(self) -> list[Provider]:
        """The entries' providers that there are."""
        with self._lock:
            return [provider for provider, _ in self._providers.values()]

    def _make(self, entry: Entry) -> tuple[Provider, str]:
        if entry.model_client is not None:
            return code_provider(entry.model_client, entry.raw), entry.model
        name, model = self._named(entry)
        options = entry.options if entry.azure is None else _azure(entry)
        return self._router.fresh(name, options) if options else self._router.provider(name), model

    def _named(self, entry: Entry) -> tuple[str, str]:
        """Return the provider's name, and what it calls the model."""
        if entry.azure is not None:
            # A deployment's name has no dots.
            return "openai", entry.model.replace(".", "")
        if entry.provider:
            return entry.provider, entry.model.removeprefix(f"{entry.provider}/")
        if "base_url" in entry.options and not self._router.knows(entry.model.partition("/")[0]):
            # At a server of somebody's own, names may have slashes.
            return self._router.default_provider, entry.model
        return self._router.split(entry.model)


def _azure(entry: Entry) -> dict[str, Any]:
    given = dict(entry.azure or {})
    given.setdefault("azure_endpoint", entry.options.get("base_url"))
    given = {name: value for name, value in given.items() if value is not None}
    if "api_key" in entry.options:
        given["api_key"] = entry.options["api_key"]
    return {"client": openai.AzureOpenAI(**given), "async_client": openai.AsyncAzureOpenAI(**given)}


class Attempts:
    """One request and the entries that may answer it, tried in their order.

    `attempt` makes an entry's attempt; `said` tells of a failure what may be told.
    """

    def __init__(
        self, entries: Iterable[Entry], attempt: Callable[[Entry], Attempt], said: Callable[[BaseException], str]
    ) -> None:
        self._left = iter(entries)
        self._attempt = attempt
        self._said = said
        self._tried: Entry | None = None
        self._told: list[str] = []

    def next(self, failure: BaseException | None) -> Attempt | None:
        """Return the next attempt after a failure (None: the first); None if the failure is final.

        Raises what made the last entry useless, if that was no failure of a call.
        """
        unusable = None
        while failure is None or _passes_on(failure):
            entry = next(self._left, None)
            if entry is None:
                break
            if failure is not None:
                self._tell(failure, entry)
            self._tried = entry
            try:
                return self._attempt(entry)
            except _UNUSABLE as problem:
                failure = unusable = problem
        if failure is not None:
            for said in self._told:
                failure.add_note(f"before that, {said}")
        if unusable is not None:
            raise unusable
        return None

    def _tell(self, failure: BaseException, following: Entry) -> None:
        assert self._tried is not None  # noqa: S101 (something failed, so something was tried)
        said = f"{self._tried.place} failed: {self._said(failure)}"
        self._told.append(said)
        warnings.warn(f"{said}; going on with {following.place}.", DragomanWarning, stacklevel=2)


def _passes_on(failure: BaseException) -> bool:
    """Whether another model may do better: not where a filter spoke, and not where the caller is wrong."""
    if isinstance(failure, _UNUSABLE):
        return True
    return isinstance(failure, openai.APIError) and getattr(failure, "code", None) != "content_filter"
