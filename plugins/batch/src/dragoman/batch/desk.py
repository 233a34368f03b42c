"""The run's side of the interface to its engine: which request goes next, and what becomes of its result."""

from __future__ import annotations

import asyncio
import heapq
import random
import time
from typing import TYPE_CHECKING, Protocol

from dragoman.batch.lanes import Lane, Turn
from dragoman.batch.records import Request
from dragoman.core import DragomanError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dragoman.batch.limits import Limits
    from dragoman.batch.records import Result
    from dragoman.core import Json

#: Requests, and bytes of their lines, that are read ahead, all providers together.
AHEAD, _BYTES_AHEAD = 1024, 64 * 1024 * 1024
#: Seconds: the first pause before a request is asked again, and the longest.
_FIRST, _LONGEST = 0.5, 60.0
#: How often a request is asked again because the provider has too much to do: that is not the request's fault.
_PATIENCE = 100
#: Seconds for which a provider that answered before, and is not to be reached now, is waited for.
_OUTAGE = 3600.0
_TOO_MUCH = frozenset({429, 503, 529})
#: What no other request would be spared: a key, or an account, that is not good.
_HOPELESS_STATUS = frozenset({401, 402})
_HOPELESS = frozenset({"missing_key", "insufficient_quota", "billing_hard_limit_reached"})


class Source(Protocol):
    """Where requests come from."""

    #: The last line that was read.
    line: int

    async def more(self) -> list[Request] | None:
        """Return the next ones, which may be none of a stretch of bad lines; None: it has ended."""


class Desk:
    """Implements `Queue`. `keep` is given each result that is final; `room` says how many may start now, of `most`."""

    def __init__(  # noqa: PLR0913 (each is one thing that the desk must know, all are named)
        self,
        source: Source,
        keep: Callable[[Result], None],
        *,
        lane_of: Callable[[Request], str],
        limits_of: Callable[[str], Limits | None],
        retries: int,
        room: Callable[[int], int] = lambda most: most,
    ) -> None:
        self._source = source
        self._keep = keep
        self._lane_of = lane_of
        self._limits_of = limits_of
        self._retries = retries
        self._room = room
        self.lanes: dict[str, Lane] = {}
        #: What is being asked, of paced engines.
        self._open: dict[str, Turn] = {}
        #: Requests to be asked again: when, a number that keeps their order, and which.
        self._later: list[tuple[float, int, Turn]] = []
        self._number = self._held = self._bytes = self.retried = 0
        self._ended = False
        #: Why the run ends before its input, in one word; empty: it does not.
        self.stopped = ""
        self.failure: BaseException | None = None
        #: The first line that was not asked, where the run was stopped.
        self.first_left: int | None = None
        self._news, self._hungry = asyncio.Event(), asyncio.Event()
        self._reader = asyncio.get_running_loop().create_task(self._read())

    @property
    def stopping(self) -> bool:
        """See `Queue`."""
        return bool(self.stopped)

    @property
    def open(self) -> int:
        """How many are being asked."""
        return sum(lane.open for lane in self.lanes.values())

    @property
    def pause(self) -> float:
        """Seconds that providers have asked us to wait, where nothing else goes on; 0: something does."""
        if self._open:
            return 0.0
        now = time.monotonic()
        return min((lane.paused - now for lane in self.lanes.values() if lane.waiting), default=0.0)

    @property
    def unfinished(self) -> int:
        """How many were read and have no result yet."""
        return self.open + self._held

    async def take(self, most: int) -> list[Request]:
        """See `Queue`."""
        while True:
            self._news.clear()
            found, wait = self._pick(most)
            if found or self._over():
                return found
            if wait is None:
                await self._news.wait()
            else:
                try:
                    async with asyncio.timeout(wait):
                        await self._news.wait()
                except TimeoutError:
                    continue

    def done(self, result: Result) -> None:
        """See `Queue`."""
        turn = self._turn(Request(result.custom_id, {}, line=result.line))
        turn.lane.end(turn, result)
        result.retries = turn.retries
        if self._is_hopeless(result):
            self.leave(turn.request.line)
            self.stop("key", HopelessError(_said_by(turn.lane.name, result.error or {})))
        elif result.retriable and self._ask_again(turn, result):
            pass
        else:
            self._keep(result)
        self._news.set()

    def give_back(self, requests: Iterable[Request]) -> None:
        """See `Queue`."""
        for request in requests:
            turn = self._turn(request)
            turn.lane.take_back(turn)
            self._hold(turn.request)
        if self.stopped:
            self._drop()
        self._news.set()

    def stop(self, why: str, failure: BaseException | None = None) -> None:
        """Take no new requests, and give up those that wait; what is being asked is waited for."""
        if not self.stopped:
            self.stopped, self.failure = why, failure
            if not self._ended:
                self.leave(self._source.line + 1)
            self._reader.cancel()
            self._drop()
        self._news.set()

    def wake(self) -> None:
        """There may be more `room`."""
        self._news.set()

    async def close(self) -> None:
        """End the reading; what was being asked is left to the next run."""
        for turn in self._open.values():
            self.leave(turn.request.line)
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    def _pick(self, most: int) -> tuple[list[Request], float | None]:
        """Return what may start now, and otherwise in how many seconds to look again (None: when something happens)."""
        found: list[Request] = []
        soonest: float | None = None
        most = self._room(most)
        if most <= 0:
            return found, soonest
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            turn = heapq.heappop(self._later)[2]
            turn.lane.waiting.appendleft(turn)
        if self._later:
            soonest = self._later[0][0] - now
        for lane in self.lanes.values():
            while lane.waiting and len(found) < most:
                wait = lane.wait(now)
                if wait:
                    soonest = wait if soonest is None else min(wait, soonest)
                if wait != 0:
                    break
                turn = lane.start(now)
                if lane.limits is not None:
                    self._open[turn.request.custom_id] = turn
                found.append(turn.request)
        self._held -= len(found)
        self._bytes -= sum(request.size for request in found)
        if not self._has_enough():
            self._hungry.set()
        return found, soonest

    def _over(self) -> bool:
        # What an engine that is not paced has taken does not come back.
        return self.stopping or (self._ended and not self._held and not self._open)

    def _turn(self, request: Request) -> Turn:
        """End a turn. An engine that is not paced may have taken millions: none is kept, and all are in one lane."""
        return self._open.pop(request.custom_id, None) or Turn(request, self.lanes[""])

    async def _read(self) -> None:
        """Read ahead, but not far."""
        try:
            while (requests := await self._source.more()) is not None:
                for request in requests:
                    lane = self._lane(self._lane_of(request))
                    lane.waiting.append(Turn(request, lane))
                    self._hold(request)
                self._news.set()
                while self._has_enough():
                    self._hungry.clear()
                    await self._hungry.wait()
        except Exception as exception:  # noqa: BLE001 (whatever is wrong with the input ends the run, which says it)
            self.stop("input", exception)
        finally:
            self._ended = True
            self._news.set()

    def _hold(self, request: Request) -> None:
        self._held += 1
        self._bytes += request.size

    def _has_enough(self) -> bool:
        return self._held >= AHEAD or self._bytes >= _BYTES_AHEAD

    def _lane(self, name: str) -> Lane:
        lane = self.lanes.get(name)
        if lane is None:
            lane = self.lanes[name] = Lane(name, self._limits_of(name))
        return lane

    def _is_hopeless(self, result: Result) -> bool:
        return result.status in _HOPELESS_STATUS or (result.error or {}).get("code") in _HOPELESS

    def _ask_again(self, turn: Turn, result: Result) -> bool:
        """Put it aside for later; False: it was asked often enough."""
        too_much = result.status in _TOO_MUCH
        turn.failed = turn.failed or time.monotonic()
        if turn.lane.limits is None or (turn.refused >= _PATIENCE if too_much else self._own(turn) >= self._retries):
            if not self._is_out_of_reach(turn, result):
                return False
            if self._is_in_vain(turn):
                self.leave(turn.request.line)
                self.stop("provider", HopelessError(_said_by(turn.lane.name, result.error or {})))
                return True
            too_much = True
        turn.refused += too_much
        turn.retries += 1
        self.retried += 1
        if self.stopped:
            # It is left to the next run.
            self.leave(turn.request.line)
            return True
        pause = min(_FIRST * 2.0 ** min(turn.retries - 1, 10), _LONGEST) * random.uniform(0.75, 1)  # noqa: S311 (no secret)
        pause = max(pause, result.retry_after or 0.0)
        self._number += 1
        self._hold(turn.request)
        heapq.heappush(self._later, (time.monotonic() + pause, self._number, turn))
        return True

    def _is_out_of_reach(self, turn: Turn, result: Result) -> bool:
        """Whether it is the provider that is gone: nobody has had an answer since this one failed first."""
        gone = not result.status and (result.error or {}).get("code") == "connection_error"
        return gone and turn.lane.heard < turn.failed

    def _is_in_vain(self, turn: Turn) -> bool:
        """Whether a provider that is gone need not be waited for, unless one that was asked before has an answer."""
        if any(other.lane is turn.lane and other.begun < turn.begun for other in self._open.values()):
            return False
        return not turn.lane.heard or time.monotonic() - turn.lane.heard >= _OUTAGE

    def _own(self, turn: Turn) -> int:
        return turn.retries - turn.refused

    def _drop(self) -> None:
        """Give up what waits, and remember where the next run will go on."""
        for _, _, turn in self._later:
            self.leave(turn.request.line)
        self._later.clear()
        for lane in self.lanes.values():
            for turn in lane.waiting:
                self.leave(turn.request.line)
            lane.waiting.clear()
        self._held = self._bytes = 0

    def leave(self, line: int) -> None:
        """Remember a line that is left to the next run."""
        self.first_left = line if self.first_left is None else min(line, self.first_left)


def _said_by(provider: str, error: Json) -> str:
    """Put the provider's name before what it said, unless that begins with it."""
    message = str(error.get("message") or "the key was refused")
    return message if not provider or message.startswith(provider) else f"{provider}: {message}"


class HopelessError(DragomanError):
    """What one request has met, and every other one would: a bad key, no money, a provider out of reach."""
