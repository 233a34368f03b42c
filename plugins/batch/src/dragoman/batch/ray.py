"""The engine `ray`: workers on a Ray cluster ask, and the run here says what and when.

The run's queue holds the limits, the concurrency, retries and the cost cap, so they are those of all workers
together. Ray places the workers, starts them anew where one has died, and moves requests and results.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from dragoman.batch.answering import Answerer
from dragoman.batch.completions import ChatCompletions
from dragoman.batch.portable import with_keys, without_keys
from dragoman.batch.records import Result
from dragoman.core import DragomanError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from dragoman.batch.engines import Queue, Settings
    from dragoman.batch.records import Request

__all__ = ["ChatCompletions", "RayEngine"]

log = logging.getLogger("dragoman.batch")

#: Requests that one worker answers at the same time, at most; Ray's own bound of an asynchronous actor is 1000.
_MOST = 500
#: How many workers a request may outlive: one that kills each of them must not go on for ever.
_LIVES = 5
#: Seconds after which a run says that it waits for workers.
_PATIENCE = 30.0
#: Seconds in which a cluster's address must answer.
_KNOCK = 10.0
#: Seconds between looks at what nobody tells: whether a worker that died runs again, whether the run is stopping.
_PAUSE = 1.0


class Worker:
    """Answers requests in a process of the cluster; an asynchronous actor of Ray's."""

    def __init__(self) -> None:
        self._answerer: Answerer | None = None

    async def begin(self, settings: Settings) -> None:
        """Make it ready to answer. Raises `DragomanError` for settings that cannot be used here."""
        if self._answerer is None:
            self._answerer = Answerer(with_keys(settings))

    async def answer(self, request: Request) -> Result | None:
        """Ask once; None: this worker has been started anew, and is not ready."""
        return None if self._answerer is None else await self._answerer.answer(request)


class RayEngine:
    """Runs on the Ray cluster at `address`, or as `ray.init` finds or starts one; on this process's own if it has one.

    `workers`: processes that ask, one for each CPU of the cluster unless given. `send_keys`: keys that are in no
    environment variable go to the workers too, in memory.
    """

    name: ClassVar[str] = "ray"
    paced: ClassVar[bool] = True

    def __init__(self, address: str | None = None, workers: int | None = None, *, send_keys: bool = False) -> None:
        self._address = address
        self._workers = workers
        self._send_keys = send_keys

    async def run(self, queue: Queue, settings: Settings) -> None:
        """Answer what the queue gives. Raises `DragomanError`: no Ray, nobody at the address, workers that fail."""
        ray = _import_ray()
        settings = _portable(ray, settings if self._send_keys else without_keys(settings))
        own = not ray.is_initialized()
        if own:
            # In a thread, so that Ray leaves the signals to the run.
            await asyncio.to_thread(_connect, ray, self._address)
        try:
            crew = Crew(ray, self._workers or max(1, int(ray.cluster_resources().get("CPU", 1))), settings)
            try:
                await crew.run(queue)
            finally:
                crew.close()
        finally:
            if own:
                ray.shutdown()


class _Seat:
    """One worker's place: its handle, and how many requests it holds."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.open = 0
        self.ready = False


class Crew:
    """The workers of one run."""

    def __init__(self, ray: Any, count: int, settings: Settings) -> None:
        self._errors = ray.exceptions
        self._kill = ray.kill
        self._settings = settings
        # Ray starts a worker anew, on another node if need be; what it held is asked by those that live meanwhile.
        actor = ray.remote(num_cpus=1, max_restarts=-1, scheduling_strategy="SPREAD")(Worker)
        self._seats = [_Seat(actor.remote()) for _ in range(count)]
        self._gone = 0
        self._lost: Counter[str] = Counter()
        self._changed = asyncio.Event()
        self._group: asyncio.TaskGroup
        self._waiting: set[asyncio.Task[None]] = set()

    async def run(self, queue: Queue) -> None:
        """Answer all that the queue has. Raises `DragomanError` where no worker can, and what the queue raises."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._start(self._tell())
                for seat in self._seats:
                    self._start(self._begin(seat))
                await self._hand_out(queue)
                for task in self._waiting:
                    task.cancel()
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from failures.exceptions[0].__cause__

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what nobody waits for in the end."""
        task = self._group.create_task(work)
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _hand_out(self, queue: Queue) -> None:
        while True:
            requests = await queue.take(await self._room(queue))
            for number, request in enumerate(requests):
                ready = [seat for seat in self._seats if seat.ready]
                if not ready:
                    queue.give_back(requests[number:])
                    break
                seat = min(ready, key=lambda seat: seat.open)
                seat.open += 1
                self._group.create_task(self._ask(queue, seat, request))
            if not requests:
                if not any(seat.open for seat in self._seats):
                    return
                await self._change()

    async def _room(self, queue: Queue) -> int:
        """Wait until some worker can take more, or nothing is to be taken any more; return how much."""
        while not (room := sum(_MOST - seat.open for seat in self._seats if seat.ready)) and not queue.stopping:
            await self._change()
        return max(1, room)

    async def _change(self) -> None:
        """Wait for something to happen; the queue does not say when it is stopping."""
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(_PAUSE):
                await self._changed.wait()

    async def _begin(self, seat: _Seat) -> None:
        """Wait until a worker runs, for the first time or again."""
        try:
            while not await self._began(seat):  # noqa: ASYNC110 (only Ray knows, and it tells nobody)
                await asyncio.sleep(_PAUSE)
        except self._errors.RayTaskError as exception:
            message = f"a worker cannot begin: {exception.cause}"
            raise DragomanError(message) from exception
        except self._errors.RayActorError as exception:
            # Ray has given it up: its process cannot be made.
            self._gone += 1
            if self._gone == len(self._seats):
                message = f"no worker can be started; they need what is installed here: {exception}"
                raise DragomanError(message) from exception
            return
        seat.ready = True
        self._changed.set()

    async def _began(self, seat: _Seat) -> bool:
        try:
            await seat.handle.begin.remote(self._settings)
        except self._errors.ActorUnavailableError:
            # Retries of Ray's own would be told to the user, each of them.
            return False
        return True

    async def _ask(self, queue: Queue, seat: _Seat, request: Request) -> None:
        try:
            result = await seat.handle.answer.remote(request)
        except self._errors.RayTaskError as exception:
            result = _failed(request, f"the worker failed: {exception.cause}", "internal_error")
        except self._errors.RayError:
            result = None
        seat.open -= 1
        if result is None and seat.ready:
            seat.ready = False
            self._start(self._begin(seat))
        self._settle(queue, request, result)
        self._changed.set()

    def _settle(self, queue: Queue, request: Request, result: Result | None) -> None:
        if result is None:
            self._lost[request.custom_id] += 1
            if self._lost[request.custom_id] < _LIVES:
                queue.give_back([request])
                return
            result = _failed(request, f"{_LIVES} workers died while they answered it", "worker_died")
        queue.done(result)

    async def _tell(self) -> None:
        await asyncio.sleep(_PATIENCE)
        if not any(seat.ready for seat in self._seats):
            log.warning("no worker has started yet: does the cluster have a free CPU?")

    def close(self) -> None:
        """End the workers."""
        for seat in self._seats:
            self._kill(seat.handle)


def _failed(request: Request, message: str, code: str) -> Result:
    error = {"message": message, "type": "server_error", "param": None, "code": code}
    return Result(request.custom_id, request.line, error=error)


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as cause:
        message = "the engine ray needs Ray: pip install 'dragoman-batch[ray]'"
        raise DragomanError(message) from cause
    return ray


def _connect(ray: Any, address: str | None) -> None:
    address = address or os.environ.get("RAY_ADDRESS")
    try:
        if address is not None:
            _knock(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as cause:
        where = f"there is no Ray cluster at {address}" if address else "Ray cannot be started here"
        message = f"{where}: {cause}"
        raise DragomanError(message) from cause


def _knock(address: str) -> None:
    """Raise `OSError` where nobody listens: Ray itself would go on trying for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), _KNOCK).close()


def _portable(ray: Any, settings: Settings) -> Settings:
    """Return the settings. Raises `DragomanError` where they cannot leave this process."""
    try:
        ray.cloudpickle.dumps(settings)
    except Exception as cause:
        message = f"this client cannot be sent to workers ({cause}): give it addresses and names, and no objects"
        raise DragomanError(message) from cause
    return settings
