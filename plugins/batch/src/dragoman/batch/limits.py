"""Requests and tokens a minute: what may begin when.

What is allowed comes back evenly, so that no 60 seconds have more than a minute's, and no burst meets a provider that
counts by the second. Tokens are known when an answer is there: what the last ones took stands in for them until then.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one provider. None: as many as it takes."""

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    max_concurrency: int | None = None


class Bucket:
    """What may be taken now, of so many a minute; it may be overdrawn, and is waited for, then."""

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        # A tenth of a second's worth may be taken at once, since timers are late, and is taken off the minute.
        self._most = max(1.0, per_minute / _MINUTE / 10)
        self._rate = (per_minute - self._most + 1) / _MINUTE
        self._clock = clock
        self._left, self._at = self._most, clock()

    def wait(self, amount: float = 1.0) -> float:
        """Seconds until so much may be taken, or as much as may ever be; 0: now."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        lacking = min(amount, self._most) - self._left
        # Rounding must not make a wait of nothing.
        return lacking / self._rate if lacking > 1e-9 else 0.0  # noqa: PLR2004 (see above)

    def take(self, amount: float) -> None:
        """Take it; a negative amount gives back."""
        self._left = min(self._most, self._left - amount)


class Estimate:
    """How many tokens a request takes: the mean of those before, the last ones most."""

    def __init__(self) -> None:
        self._mean: float | None = None

    def of(self, size: int) -> float:
        """Tokens for a body of so many bytes, where nothing is known yet: four bytes each, and an answer."""
        return size / 4 + 256 if self._mean is None else self._mean

    def learn(self, tokens: int) -> None:
        """An answer took so many."""
        self._mean = float(tokens) if self._mean is None else self._mean + (tokens - self._mean) * 0.05
