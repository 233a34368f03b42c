"""What one provider is asked at the same time and in a minute, and what waits for its turn."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dragoman.batch.counts import tokens_of
from dragoman.batch.levels import MOST, Level
from dragoman.batch.limits import Bucket, Estimate, Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.batch.records import Request, Result

#: What says that a provider has too much to do, or is not to be reached.
_PRESSURE = frozenset({0, 408, 429, 500, 502, 503, 504, 529})


@dataclass(slots=True)
class Turn:
    """A request that was read and has no result yet."""

    request: Request
    lane: Lane
    #: How often it was asked again, and how often of these because the provider had too much to do.
    retries: int = 0
    refused: int = 0
    #: When it was last asked, and when it failed first; 0: never.
    begun: float = 0.0
    failed: float = 0.0
    #: Tokens that were counted for it before they were known.
    estimate: float = 0.0


@dataclass(slots=True)
class Lane:
    """One provider's. `limits` are None where the engine is not paced."""

    name: str
    limits: Limits | None
    clock: Callable[[], float] = time.monotonic
    waiting: deque[Turn] = field(default_factory=deque)
    open: int = 0
    #: Until when the provider asked us to wait.
    paused: float = 0.0
    #: When it was last heard of; 0: never.
    heard: float = 0.0
    level: Level = field(init=False)
    _requests: Bucket | None = None
    _tokens: Bucket | None = None
    _estimate: Estimate = field(default_factory=Estimate)

    def __post_init__(self) -> None:
        limits = self.limits or Limits()
        self.level = Level(limits.max_concurrency or MOST, self.clock)
        if limits.requests_per_minute:
            self._requests = Bucket(limits.requests_per_minute, self.clock)
        if limits.tokens_per_minute:
            self._tokens = Bucket(limits.tokens_per_minute, self.clock)

    def wait(self, now: float) -> float | None:
        """Return the seconds until the first that waits may start; 0: now. None: when another one has ended."""
        if self.limits is None:
            return 0.0
        if self.open >= self.level.room:
            self.level.filled()
            return None
        wait = max(0.0, self.paused - now)
        if self._requests is not None:
            wait = max(wait, self._requests.wait())
        if self._tokens is not None:
            wait = max(wait, self._tokens.wait(self._guess(self.waiting[0].request)))
        return wait

    def start(self, now: float) -> Turn:
        """Take the first that waits."""
        turn = self.waiting.popleft()
        turn.begun = now
        self.open += 1
        if self._requests is not None:
            self._requests.take(1)
        if self._tokens is not None:
            turn.estimate = self._guess(turn.request)
            self._tokens.take(turn.estimate)
        return turn

    def end(self, turn: Turn, result: Result) -> None:
        """Learn from what became of it."""
        self.open -= 1
        if result.status and not result.cached:
            self.heard = self.clock()
        if self._tokens is not None:
            tokens = tokens_of(result.usage)
            self._tokens.take(tokens - turn.estimate)
            if result.ok:
                self._estimate.learn(tokens)
        if result.retriable and result.status in _PRESSURE:
            self.level.congested(turn.begun)
            if result.retry_after:
                self.paused = max(self.paused, self.clock() + result.retry_after)
        else:
            self.level.answered()

    def take_back(self, turn: Turn) -> None:
        """Nobody was asked: it goes first."""
        self.open -= 1
        if self._requests is not None:
            self._requests.take(-1)
        if self._tokens is not None:
            self._tokens.take(-turn.estimate)
        self.waiting.appendleft(turn)

    def _guess(self, request: Request) -> float:
        return self._estimate.of(request.size) if self._tokens is not None else 0.0
