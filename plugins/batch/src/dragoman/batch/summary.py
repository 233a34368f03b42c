"""What a run did: counted while it goes on, in memory that does not grow."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from dragoman.batch.counts import pair_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.batch.records import Result

#: Each class of a latency is so much wider than the one before: what is read off is right within one percent.
_STEP = math.log(1.02)
#: Seconds that the rate is a mean of.
_RECENT = 10.0


class Latencies:
    """Percentiles of any number of latencies."""

    def __init__(self) -> None:
        self._classes: dict[int, int] = {}
        self._count = 0

    def add(self, seconds: float) -> None:
        """Count one."""
        which = math.floor(math.log(max(seconds, 1e-6)) / _STEP)
        self._classes[which] = self._classes.get(which, 0) + 1
        self._count += 1

    def percentile(self, share: float) -> float | None:
        """Return the seconds that this share of all took at most; None: there are none."""
        left = math.ceil(self._count * share)
        for which in sorted(self._classes):
            left -= self._classes[which]
            if left <= 0:
                return math.exp((which + 0.5) * _STEP)
        return None


@dataclass(slots=True)
class Summary:
    """The sums of a run. `answered`, `failed` and `bad` lines are this run's; `skipped` ones an earlier run's."""

    answered: int = 0
    failed: int = 0
    bad: int = 0
    skipped: int = 0
    #: Lines in the error file that earlier runs left there.
    failed_before: int = 0
    retries: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    #: US dollars of the answers whose price is known, and how many answers' is not.
    cost: Decimal = Decimal(0)
    unpriced: int = 0
    #: Why it ended before its input, in one word ("interrupt", "cost", "key", "provider", "output", "input", "engine");
    #: empty: it did not.
    stopped: str = ""
    #: What stopped it, if that was a failure.
    failure: BaseException | None = None
    #: The first line that was not asked, if it was stopped.
    first_left: int | None = None
    #: Answers that were there and could not be written.
    lost: int = 0
    #: Answers of earlier runs to nothing in the input.
    strangers: int = 0
    latencies: Latencies = field(default_factory=Latencies, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    _begun: float = field(init=False, repr=False)
    _ended: float | None = field(default=None, repr=False)
    _recent: list[tuple[float, int]] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        self._begun = self.clock()

    @property
    def done(self) -> int:
        """Requests with a result of this run."""
        return self.answered + self.failed

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def seconds(self) -> float:
        """Since it was begun, or until it ended."""
        return (self.clock() if self._ended is None else self._ended) - self._begun

    def count(self, result: Result) -> None:
        """Add a final result."""
        if result.ok:
            self.answered += 1
            self.cached += result.cached
            if result.seconds:
                self.latencies.add(result.seconds)
        else:
            self.failed += 1
        prompt, completion = pair_of(result.usage)
        self.prompt_tokens += prompt
        self.completion_tokens += completion
        if result.cost is not None:
            self.cost += result.cost
        elif result.ok:
            self.unpriced += 1

    def rate(self) -> float:
        """Results a second, of late."""
        now = self.clock()
        while len(self._recent) > 1 and self._recent[1][0] <= now - _RECENT:
            del self._recent[0]
        self._recent.append((now, self.done))
        since, count = self._recent[0] if len(self._recent) > 1 else (self._begun, 0)
        return (self.done - count) / (now - since) if now > since else 0.0

    def end(self) -> None:
        """Stop the clock."""
        self._ended = self.clock()
