"""How many requests at the same time a provider takes well: found out while they are made.

Growing doubles what is open with each round of answers, as long as the answers come faster for it. A 429, an overload,
a broken connection or a time-out takes three tenths away, once for all that were under way together, and from there it
grows by a little only. Where growing did not pay, what did pay before is kept, and tried again after a while.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: Requests at the same time to begin with, and at most unless given.
START, MOST = 8, 512
#: What a congestion leaves, what a round must gain to pay for growing, and the shortest round in seconds.
_CUT, _PAYS, _ROUND = 0.7, 1.1, 0.1
#: Rounds that are waited for before growing is tried again.
_REST = 20


class Level:
    """One provider's level. `most` is never passed."""

    def __init__(self, most: int = MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self.value = float(min(START, most))
        self._clock = clock
        self._ceiling = float(most)
        self._growing = True
        self._rest = 0
        self._strikes = 0
        #: The level that paid, and its answers per second.
        self._paid = (self.value, 0.0)
        self._cut_at = self._begun = clock()
        self._count = 0
        self._full = False

    @property
    def room(self) -> int:
        """How many may be open."""
        return max(1, int(self.value))

    def filled(self) -> None:
        """As many are open as may be: without that, a round says nothing about growing."""
        self._full = True

    def answered(self) -> None:
        """Count an answer; with the last of a round, decide."""
        self._count += 1
        if self._count < self.value:
            return
        now = self._clock()
        seconds = now - self._begun
        if seconds < _ROUND:
            return
        if self._full:
            self._decide(self._count / seconds)
        self._begun, self._count, self._full = now, 0, False

    def congested(self, begun: float) -> None:
        """A request that was begun at this time met a limit, an overload or no answer."""
        if begun < self._cut_at:
            # It was under way when the level was lowered: the same congestion.
            return
        now = self._clock()
        self._ceiling = self.value
        self.value = max(1.0, self.value * _CUT)
        self._growing, self._rest, self._strikes = False, 1, 0
        self._paid = (self.value, 0.0)
        self._cut_at = self._begun = now
        self._count, self._full = 0, False

    def _decide(self, rate: float) -> None:
        if not self._growing:
            self._rest -= 1
            if self._rest <= 0:
                self._growing, self._strikes = True, 0
                self._paid = (self.value, rate)
                self._grow()
        elif rate > self._paid[1] * _PAYS or self.value <= self._paid[0]:
            self._paid = (self.value, max(rate, self._paid[1] if self.value <= self._paid[0] else 0.0))
            self._strikes = 0
            self._grow()
        elif self._strikes:
            self.value = self._paid[0]
            self._growing, self._rest = False, _REST
        else:
            # Once more at the same level: a single round may have met long answers.
            self._strikes = 1

    def _grow(self) -> None:
        near = self.value >= self._ceiling * _CUT and self._ceiling < self.most
        self.value = min(float(self.most), self.value + max(1.0, self.value / 10) if near else self.value * 2)
        if self.value > self._ceiling:
            self._ceiling = float(self.most)
