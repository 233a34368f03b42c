"""How much may be asked: requests and tokens a minute, and requests at the same time, counted in this process.

A minute is a sliding one: no more than so many in any 60 seconds. Counts are kept by the second, so a limit takes 61
numbers at most, however much is asked, and what was counted is forgotten after 60 to 61 seconds. Tokens are known
when a request has ended: a request may begin while there are some left, and what it took too much is waited for.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Seconds after which a second's count is forgotten: a minute, and the second itself.
SPAN = 61
What = Literal["requests", "tokens", "concurrency"]
#: Seconds to wait for one of the requests at the same time to end; nobody knows how long it takes.
_SOON = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """None: as much as they like."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_concurrency: int | None = None

    def __bool__(self) -> bool:
        return not (self.requests_per_minute is self.tokens_per_minute is self.max_concurrency is None)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose limits they are: a key's ("key ci") or a model's ("model anthropic/*")."""

    name: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class Denial:
    """A limit that is reached. `wait`: in how many seconds there is room again, if nothing else is counted."""

    subject: Subject
    what: What
    used: int
    wait: float


class Held(Protocol):
    """A place that was taken."""

    async def give_back(self, tokens: int) -> None:
        """Free it, and count the tokens. May be called once."""


class Store(Protocol):
    """Keeps the counts."""

    async def take(self, subjects: Sequence[Subject]) -> Held | Denial:
        """Count a request for all subjects, or for none if one of them has no room."""

    async def close(self) -> None:
        """Give back connections."""


class Window:
    """What was counted in the last minute, by the second."""

    __slots__ = ("_seconds", "total")

    def __init__(self) -> None:
        #: Pairs of second and count, the oldest first.
        self._seconds: deque[list[int]] = deque()
        self.total = 0

    def add(self, now: float, count: int) -> None:
        """Count at `now`."""
        self.forget(now)
        second = int(now)
        if self._seconds and self._seconds[-1][0] >= second:
            # A clock that was set back must not make the minute longer.
            self._seconds[-1][1] += count
        else:
            self._seconds.append([second, count])
        self.total += count

    def forget(self, now: float) -> None:
        """Drop what is older than a minute."""
        while self._seconds and self._seconds[0][0] <= int(now) - SPAN:
            self.total -= self._seconds.popleft()[1]

    def wait(self, now: float, limit: int) -> float:
        """Return the seconds until less than `limit` is left of what was counted; 0: it is so now."""
        self.forget(now)
        left = self.total
        if left < limit:
            return 0.0
        for second, count in self._seconds:
            left -= count
            if left < limit:
                return second + SPAN - now
        return float(SPAN)

    def __len__(self) -> int:
        return len(self._seconds)


class _Account:
    __slots__ = ("open", "requests", "tokens")

    def __init__(self) -> None:
        self.requests, self.tokens, self.open = Window(), Window(), 0

    def denial(self, subject: Subject, now: float) -> Denial | None:
        limits = subject.limits
        if limits.max_concurrency is not None and self.open >= limits.max_concurrency:
            return Denial(subject, "concurrency", self.open, _SOON)
        for what, limit in (("requests", limits.requests_per_minute), ("tokens", limits.tokens_per_minute)):
            window = self.requests if what == "requests" else self.tokens
            if limit is not None and (wait := window.wait(now, limit)):
                return Denial(subject, "requests" if what == "requests" else "tokens", window.total, wait)
        return None


class LocalStore:
    """Counts in this process. Nothing in it waits, so requests that come at once are counted one by one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._accounts: dict[str, _Account] = {}

    async def take(self, subjects: Sequence[Subject]) -> Held | Denial:
        """Count a request for all subjects, or for none."""
        now = self._clock()
        accounts = [self._accounts.setdefault(subject.name, _Account()) for subject in subjects]
        for subject, account in zip(subjects, accounts, strict=True):
            if denial := account.denial(subject, now):
                return denial
        for account in accounts:
            account.requests.add(now, 1)
            account.open += 1
        return _Place(accounts, self._clock)

    async def close(self) -> None:
        """Nothing is held."""

    def __len__(self) -> int:
        """How many numbers are kept."""
        return sum(len(account.requests) + len(account.tokens) for account in self._accounts.values())


class _Place:
    def __init__(self, accounts: list[_Account], clock: Callable[[], float]) -> None:
        self._accounts, self._clock = accounts, clock

    async def give_back(self, tokens: int) -> None:
        now = self._clock()
        accounts, self._accounts = self._accounts, []
        for account in accounts:
            account.open -= 1
            if tokens > 0:
                account.tokens.add(now, tokens)


@cache
def local_store() -> LocalStore:
    """The process's own counts, which outlive a reload of the configuration."""
    return LocalStore()
