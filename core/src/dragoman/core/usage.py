"""What a client's calls used and cost, by model: in the providers' own counts, never an estimate."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from dragoman.core.provider import Call

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core.provider import Json

#: Asking for a price may load a price list: it is done when somebody wants to know, or when so many calls wait.
_WAITING = 1000
#: What the prompt's tokens and the completion's are called in chats, and in other endpoints.
_PROMPT, _COMPLETION = ("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens")
#: How the names of endpoints end that only count what a request would have.
_COUNTING = ("/count_tokens", "/input_tokens")


@dataclass(slots=True)
class ModelUsage:
    """The sum over calls of one model. `cost`: US dollars; None as soon as one call's price or usage is unknown."""

    calls: int = 0
    #: Calls that ended without the provider saying what they used.
    uncounted: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: Decimal | None = Decimal(0)

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens

    def add(self, usage: Json | None) -> None:
        """Count one call; usage without numbers is as good as none."""
        self.calls += 1
        counts = counts_of(usage)
        if counts is None:
            self.uncounted += 1
            return
        self.prompt_tokens += counts[0]
        self.completion_tokens += counts[1]

    def pay(self, cost: Decimal | None) -> None:
        """Add what one call cost."""
        self.cost = None if self.cost is None or cost is None else self.cost + cost


@dataclass(slots=True)
class UsageSummary:
    """`actual`: what providers were asked; `total`: the answers of hooks (a cache's) too. By `provider/model`."""

    actual: dict[str, ModelUsage] = field(default_factory=dict)
    total: dict[str, ModelUsage] = field(default_factory=dict)

    @property
    def cost(self) -> Decimal | None:
        """What the asked providers cost in all, in US dollars; None if that is not known of every call."""
        costs = [usage.cost for usage in self.actual.values()]
        known = [cost for cost in costs if cost is not None]
        return sum(known, Decimal(0)) if len(known) == len(costs) else None


class UsageMeter:
    """Counts the ended calls of one client, from any thread.

    `price_of` asks the hooks for a call's price, and `may_know` says whether any of them knows prices.
    """

    def __init__(self, price_of: Callable[[Call], Decimal | None], may_know: Callable[[], bool]) -> None:
        self._price_of = price_of
        self._may_know = may_know
        self._summary = UsageSummary()
        #: Calls without their contents, whose price nobody has asked for yet.
        self._unpriced: list[Call] = []
        # Its own thread may enter it again: while prices are looked up, Python may collect a stream, which ends a call.
        self._lock = threading.RLock()

    def count(self, call: Call) -> None:
        """Count a call of a model that has ended, unless nothing came of it."""
        if not call.model or call.method != "POST" or call.endpoint.endswith(_COUNTING):
            return
        usage = _named(call.usage)
        if call.outcome != "complete" and usage is None:
            return
        with self._lock:
            sums = self._concerned(call)
            for one in sums:
                one.add(usage)
            if usage is not None and call.price is None and self._may_know():
                self._remember(call, usage)
                return
            cost = None if usage is None or call.price is None else _cost(usage, call.price)
            for one in sums:
                one.pay(cost)

    def summary(self) -> UsageSummary:
        """Return the sums so far: a copy, which stays as it is."""
        with self._lock:
            self._pay()
            actual = {name: replace(usage) for name, usage in self._summary.actual.items()}
            return UsageSummary(actual, {name: replace(usage) for name, usage in self._summary.total.items()})

    def clear(self) -> None:
        """Begin anew."""
        with self._lock:
            self._summary = UsageSummary()
            self._unpriced.clear()

    def _concerned(self, call: Call) -> list[ModelUsage]:
        name = f"{call.provider}/{call.model}"
        parts = [self._summary.total] if call.answered else [self._summary.total, self._summary.actual]
        return [part.setdefault(name, ModelUsage()) for part in parts]

    def _remember(self, call: Call, usage: Json) -> None:
        bare = Call(call.provider, call.model, {}, call.endpoint, created=call.created)
        bare.usage, bare.answered = usage, call.answered
        self._unpriced.append(bare)
        if len(self._unpriced) >= _WAITING:
            self._pay()

    def _pay(self) -> None:
        waiting, self._unpriced = self._unpriced, []
        for call in waiting:
            cost = self._price_of(call)
            for usage in self._concerned(call):
                usage.pay(cost)


def counts_of(usage: Any) -> tuple[int, int] | None:
    """Return the tokens of the prompt and of the completion; None: it does not say them, or not in numbers."""
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if type(prompt) is int and type(completion) is int:
        # What nearly all say; each call is counted.
        return prompt, completion
    try:
        prompt, completion = count_in(usage, *_PROMPT), count_in(usage, *_COMPLETION)
    except ValueError:
        return None
    return None if prompt is None and completion is None else (prompt or 0, completion or 0)


def count_in(usage: Any, *names: str) -> int | None:
    """Return a count by the first of its names that is there; None: it is not said. Raises ValueError for no number."""
    value = next((usage[name] for name in names if name in usage), None) if isinstance(usage, dict) else None
    if not _is_count(value):
        message = f"{names[0]} is no number"
        raise ValueError(message)
    return None if value is None else int(value)


def _is_count(value: Any) -> bool:
    """Whether it is a number, or nothing: embeddings have no completion."""
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


def _named(usage: Any) -> Json | None:
    """Return usage with its counts by chat's names, by which calls are priced; None: there are none."""
    counts = counts_of(usage)
    return None if counts is None else {**usage, "prompt_tokens": counts[0], "completion_tokens": counts[1]}


def _cost(usage: Json, price: tuple[Decimal, Decimal]) -> Decimal:
    prompt, completion = price
    cost: Decimal = (prompt * usage["prompt_tokens"] + completion * usage["completion_tokens"]) / 1000
    return cost
