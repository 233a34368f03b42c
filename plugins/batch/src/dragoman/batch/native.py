"""The engine `native`: requests go through their vendors' batch APIs, mostly at half the price and within a day.

It splits the requests into parts, one for each batch; uploads each, has its batch made, waits for it and reads its
results. After every step the state file says where it is, so that another run goes on from there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import ExitStack, closing
from itertools import islice
from typing import TYPE_CHECKING, ClassVar, TypeVar

from dragoman.batch.outages import is_refusal, may_work_later
from dragoman.batch.parts import State
from dragoman.batch.records import Result
from dragoman.batch.splitting import Splitter
from dragoman.batch.spool import Spool
from dragoman.batch.translating import Translator
from dragoman.core import BatchJob

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dragoman.batch.engines import Queue, Settings
    from dragoman.batch.parts import Part
    from dragoman.core import Batches, BatchResult, BatchState

_T = TypeVar("_T")
#: How many requests are taken, and how many results are read, at a time.
_MANY = 500
#: Seconds: the first pause between two looks at a batch and the longest; how often a pause looks whether to stop.
_FIRST, _LONGEST, _BLINK = 5.0, 60.0, 0.5
#: How often in a row something is tried that may work later; a batch may be looked at in vain for an hour.
_TRIES, _LOOKS = 8, 60
#: Seconds by which the vendor's clock may be behind this machine's.
_SKEW = 300
#: OpenAI's code where too much of ours is waiting already; the batch can be made again once another has ended.
_NO_ROOM = "token_limit_exceeded"

logger = logging.getLogger("dragoman.batch")


class NativeEngine:
    """Runs requests through vendors' batch APIs. `wait=False`: it looks at each batch once, and returns.

    `pause` sleeps for so many seconds, and `clock` gives Unix seconds.
    """

    name: ClassVar[str] = "native"
    paced: ClassVar[bool] = False

    def __init__(
        self,
        *,
        wait: bool = True,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.wait = wait
        self.pause = pause
        self.clock = clock
        #: How many batches the last run has left under way.
        self.left = 0

    async def run(self, queue: Queue, settings: Settings) -> None:
        """Take all requests, have batches made of them, and tell what became of each."""
        self.left = 0
        with ExitStack() as stack:
            state = stack.enter_context(closing(State(settings.state)))
            translator = stack.enter_context(closing(Translator(settings)))
            spool = stack.enter_context(closing(Spool(state.spool)))
            spool.begin(part.number for part in state.parts)
            await _Work(self, queue, state, spool, translator).run()


class _Work:
    """One run."""

    def __init__(self, engine: NativeEngine, queue: Queue, state: State, spool: Spool, translator: Translator) -> None:
        self.engine, self.queue, self.state, self.spool, self.translator = engine, queue, state, spool, translator
        self.splitter = Splitter(state, spool, translator, queue.done)
        #: Numbers of the parts that wait until another has ended.
        self.held: set[int] = set()

    async def run(self) -> None:
        for part in self.state.open_parts:
            logger.info("going on with %s", part)
        await self.take_in()
        pause = _FIRST
        while parts := self.state.open_parts:
            moved = False
            for part in parts:
                if self.queue.stopping:
                    break
                moved |= await self.advance(part)
            left = self.state.open_parts
            if left and (self.queue.stopping or not self.engine.wait):
                self.say_how_to_go_on()
                return
            pause = _FIRST if moved else min(pause * 1.5, _LONGEST)
            if left:
                await self.rest(pause)
        self.state.remove()

    def say_how_to_go_on(self) -> None:
        self.engine.left = len([part for part in self.state.open_parts if part.batch_id])
        if self.engine.left:
            logger.warning(
                "%d of %d batches go on at the vendor's: the same command fetches their results later, and "
                "`dragoman batch cancel` cancels them",
                self.engine.left,
                len(self.state.parts),
            )

    # Requests.

    async def take_in(self) -> None:
        """Split all requests into parts, and have a batch made of each part as soon as it is full."""
        while requests := await self.queue.take(_MANY):
            for request in requests:
                self.splitter.add(request)
            await self.submit_written()
        if self.queue.stopping:
            self.splitter.give_up()
        else:
            self.splitter.finish()
            await self.submit_written()

    async def submit_written(self) -> None:
        for part in self.state.open_parts:
            if part.stage != "running" and not self.queue.stopping:
                await self.submit(part)

    def settle(self, result: Result) -> None:
        """Tell what became of a request that was in a part."""
        self.queue.done(result)
        self.spool.told(result.custom_id)

    # One part.

    async def submit(self, part: Part) -> None:
        """Have a part's batch made: once, whatever happens on the way."""
        port, headers = self.translator.port(part, self.spool.sample(part.number))
        path = self.state.file(part.number)
        if part.stage == "written":
            part.file_id = await self.persist(lambda: port.upload(path))
            part.stage = "uploaded"
        # Where an earlier run asked for the batch, it may have been made.
        uncertain = part.stage == "asked"
        if not uncertain:
            part.stage, part.since = "asked", int(self.engine.clock()) - _SKEW
            self.state.save()
        others = {other.batch_id for other in self.state.parts} | set(part.others)
        job = BatchJob(
            path, part.requests, part.model, part.endpoint, part.since, part.file_id, headers, frozenset(others)
        )
        try:
            part.batch_id, part.found = await self.make(port, job, uncertain=uncertain)
        except Exception as exception:
            if not is_refusal(exception):
                raise
            for request in self.spool.wanted(part.number):
                self.settle(self.translator.failed(request, exception))
            self.end(part)
            return
        part.stage = "running"
        self.state.save()
        logger.info("%s was made", part)

    async def make(self, port: Batches, job: BatchJob, *, uncertain: bool) -> tuple[str, bool]:
        """Make a batch; return its id, and whether it was found instead: an attempt that failed may have made it."""

        def attempt() -> tuple[str, bool]:
            nonlocal uncertain
            if uncertain and (found := port.find(job)):
                return found, True
            uncertain = True
            return port.create(job), False

        return await self.persist(attempt)

    async def advance(self, part: Part) -> bool:
        """Look how a batch stands, and read its results if it has ended; return whether something has changed."""
        if part.number in self.held:
            return False
        if part.stage != "running":
            await self.submit(part)
            return True
        port, _ = self.translator.port(part, self.spool.sample(part.number))
        state = await self.persist(lambda: port.state(part.batch_id), _LOOKS)
        done = f" {state.succeeded + state.failed}/{state.total}" if state.total else ""
        told = f"{state.status}{done}"
        moved, part.status = told != part.status, told
        if moved:
            self.state.save()
            logger.info("%s: %s", part, told)
        if not state.ended:
            return moved
        if self.must_wait(part, state):
            return False
        await self.fetch(part, port, state)
        return True

    def must_wait(self, part: Part, state: BatchState) -> bool:
        """Whether a batch that found no room has to be made again, once another batch has ended."""
        others = [other for other in self.state.open_parts if other is not part and other.number not in self.held]
        if (state.failure or {}).get("code") != _NO_ROOM or state.files or not others:
            return False
        logger.info("%s waits until another has ended", part)
        self.held.add(part.number)
        self.make_again(part)
        return True

    def make_again(self, part: Part) -> None:
        part.others.append(part.batch_id)
        part.batch_id, part.stage, part.found = "", "uploaded", False
        self.state.save()

    async def fetch(self, part: Part, port: Batches, state: BatchState) -> None:
        """Read the results of a batch, and end its part."""
        if part.found and not await self.is_own(part, port, state):
            logger.info("%s is not this run's", part)
            self.make_again(part)
            return
        for attempt in range(_TRIES):
            try:
                await self.read(part, port, state)
                break
            except Exception as exception:
                if not may_work_later(exception) or attempt == _TRIES - 1:
                    raise
                logger.warning("%s: %s; reading its results once more", part, exception)
                await self.rest(_FIRST)
        if self.queue.stopping:
            return
        for request in self.spool.wanted(part.number):
            self.settle(Result(request.custom_id, request.line, error=state.failure, provider=part.provider))
        self.end(part)

    async def is_own(self, part: Part, port: Batches, state: BatchState) -> bool:
        """Whether the results of a batch that was found are of a part's requests."""

        def first() -> BatchResult | None:
            with closing(port.results(state)) as results:
                return next(results, None)

        result = await self.persist(first)
        return result is None or self.spool.find(part.number, result.custom_id) is not None

    async def read(self, part: Part, port: Batches, state: BatchState) -> None:
        """Tell the results of a batch; those that were told before are passed over."""
        with closing(port.results(state)) as results:
            while not self.queue.stopping and (some := await asyncio.to_thread(lambda: [*islice(results, _MANY)])):
                for found in some:
                    self.take_result(part, found)

    def take_result(self, part: Part, found: BatchResult) -> None:
        request, wanted = self.spool.find(part.number, found.custom_id) or (None, False)
        if request is None or not wanted:
            return
        if found.reply is not None:
            self.settle(self.translator.decode(request, found.reply))
        else:
            self.settle(Result(request.custom_id, request.line, error=found.error, provider=part.provider))

    def end(self, part: Part) -> None:
        """Nothing is left to do for a part."""
        part.stage = "ended"
        self.state.save()
        self.spool.drop(part.number)
        self.state.file(part.number).unlink(missing_ok=True)
        self.held.clear()

    # Time.

    async def rest(self, seconds: float) -> None:
        """Wait, but not when the run is to stop."""
        while seconds > 0 and not self.queue.stopping:
            await self.engine.pause(min(seconds, _BLINK))
            seconds -= _BLINK

    async def persist(self, work: Callable[[], _T], tries: int = _TRIES) -> _T:
        """Do what waits for a network, beside the event loop, and again where that may help."""
        for attempt in range(tries):
            try:
                return await asyncio.to_thread(work)
            except Exception as exception:
                if not may_work_later(exception) or attempt == tries - 1 or self.queue.stopping:
                    raise
                logger.warning("%s; trying again", exception)
            await self.rest(min(_FIRST * 2.0 ** min(attempt, 10), _LONGEST))
        raise AssertionError  # not reached: the last attempt returns or raises
