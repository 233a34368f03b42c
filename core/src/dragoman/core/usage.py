"""What a client's calls used and cost, by model: in the providers' own counts, never an estimate."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core.provider import Call


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

    def add(self, call: Call, cost: Decimal | None) -> None:
        """Count one call."""
        self.calls += 1
        usage = call.usage
        if usage is None:
            self.uncounted += 1
        else:
            self.prompt_tokens += usage.get("prompt_tokens") or 0
            self.completion_tokens += usage.get("completion_tokens") or 0
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
    """Counts the ended calls of one client, from any thread. `price_of` asks the hooks."""

    def __init__(self, price_of: Callable[[Call], Decimal | None]) -> None:
        self._price_of = price_of
        self._summary = UsageSummary()
        self._lock = threading.Lock()

    def count(self, call: Call) -> None:
        """Count a call that has ended, unless nothing came of it."""
        if call.outcome != "complete" and call.usage is None:
            return
        cost = self._cost(call) if call.usage is not None else None
        name = f"{call.provider}/{call.model}"
        with self._lock:
            self._summary.total.setdefault(name, ModelUsage()).add(call, cost)
            if not call.answered:
                self._summary.actual.setdefault(name, ModelUsage()).add(call, cost)

    def summary(self) -> UsageSummary:
        """Return the sums so far: a copy, which stays as it is."""
        with self._lock:
            actual = {name: replace(usage) for name, usage in self._summary.actual.items()}
            return UsageSummary(actual, {name: replace(usage) for name, usage in self._summary.total.items()})

    def clear(self) -> None:
        """Begin anew."""
        with self._lock:
            self._summary = UsageSummary()

    def _cost(self, call: Call) -> Decimal | None:
        usage = call.usage or {}
        if call.price is None:
            return self._price_of(call)
        prompt, completion = call.price
        used = prompt * (usage.get("prompt_tokens") or 0) + completion * (usage.get("completion_tokens") or 0)
        return used / 1000
