"""Batches for programs: results as they come, asynchronously or not."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from contextlib import ExitStack, aclosing, suppress
from typing import TYPE_CHECKING, Any

from dragoman.batch.index import Index
from dragoman.batch.inputs import Background, Lines, open_input
from dragoman.batch.lines import refusal_of
from dragoman.batch.runs import Run
from dragoman.batch.sources import FileSource, ProgramSource, Sorter
from dragoman.batch.summary import Summary

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping

    from dragoman.batch.desk import Source
    from dragoman.batch.engines import Engine, Settings
    from dragoman.batch.options import Options
    from dragoman.batch.records import BadLine, Request, Result

    Many = Iterable[Request] | Iterable[Mapping[str, Any]]
    AsyncMany = AsyncIterable[Request] | AsyncIterable[Mapping[str, Any]]
    #: A file, or requests: as such, or as objects like a file's lines.
    Requests = str | os.PathLike[str] | Many | AsyncMany

#: Results that nobody has taken yet: with so many, nothing new is asked.
_UNREAD = 1024
#: Seconds between two looks at whether the engine has ended.
_LOOK = 1.0


class AsyncResults:
    """The results of a batch, as they come: `async for`, once. `summary` counts them; leaving the loop ends the batch.

    Raises what ended it before its input: no key, no money, an input that cannot be read. A cost cap ends it quietly:
    `summary.stopped` says so.
    """

    def __init__(self, requests: Requests, engine: Engine, settings: Settings, options: Options) -> None:
        self.summary = Summary()
        self._requests = requests
        self._options = options
        self._found: deque[Result] = deque()
        self._news = asyncio.Event()
        self._run = Run(engine, settings, options, self._keep, self.summary, blocked=self._is_full)

    def __aiter__(self) -> AsyncIterator[Result]:
        return self.take()

    def _is_full(self) -> bool:
        return len(self._found) >= _UNREAD

    def _keep(self, result: Result) -> None:
        self._found.append(result)
        self._news.set()

    def _keep_bad(self, bad: BadLine) -> None:
        self.summary.bad += 1
        self._keep(refusal_of(bad))

    async def take(self) -> AsyncGenerator[Result, None]:
        """Run the batch. Whoever leaves early closes what this returns, which ends the batch."""
        with ExitStack() as stack:
            index = Index()
            stack.callback(index.close)
            source = self._source(Sorter(index, self._keep_bad, self.summary), stack)
            task = asyncio.get_running_loop().create_task(self._run.go(source, lambda: None, _LOOK))
            task.add_done_callback(lambda _: self._news.set())
            try:
                while self._found or not task.done():
                    if not self._found:
                        await self._news.wait()
                        self._news.clear()
                        continue
                    full = self._is_full()
                    result = self._found.popleft()
                    if full and self._run.desk is not None:
                        self._run.desk.wake()
                    yield result
                task.result()
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        if self.summary.failure is not None:
            raise self.summary.failure

    def _source(self, sorter: Sorter, stack: ExitStack) -> Source:
        requests: Any = self._requests
        model = self._options.model
        if isinstance(requests, str) or hasattr(requests, "__fspath__"):
            opened = open_input(str(requests))
            stack.callback(opened.close)
            reader = Background(Lines(opened), asyncio.get_running_loop())
            stack.callback(reader.close)
            return FileSource(reader, sorter, model)
        return ProgramSource(requests, sorter, model)


class Results:
    """`AsyncResults` for programs without an event loop. The batch runs in a thread, which also takes the requests."""

    def __init__(self, requests: Requests, engine: Engine, settings: Settings, options: Options) -> None:
        self._asked = (requests, engine, settings, options)
        self.summary = Summary()
        self._queue: queue.Queue[Any] = queue.Queue(_UNREAD)
        self._thread = threading.Thread(target=self._work, name="dragoman-batch", daemon=True)
        self._end: Callable[[], object] = lambda: None
        self._closed = False

    def __iter__(self) -> Iterator[Result]:
        self._thread.start()
        try:
            while (found := self._queue.get()) is not None:
                if isinstance(found, BaseException):
                    raise found
                yield found
        finally:
            self.close()

    def close(self) -> None:
        """End the batch, if it has not ended; what is being asked is given up."""
        self._closed = True
        with suppress(RuntimeError):
            self._end()
        while self._thread.is_alive():
            with suppress(queue.Empty):
                # Whoever waits for room finds it.
                self._queue.get_nowait()
            self._thread.join(0.01)

    def _work(self) -> None:
        end: BaseException | None = None
        try:
            asyncio.run(self._pass_on())
        except BaseException as exception:  # noqa: BLE001 (raised where the results are taken)
            end = None if isinstance(exception, asyncio.CancelledError) else exception
        self._queue.put(end)

    async def _pass_on(self) -> None:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None  # noqa: S101 (coroutines run in tasks)

        def end() -> None:
            loop.call_soon_threadsafe(task.cancel)

        self._end = end
        results = AsyncResults(*self._asked)
        self.summary = results.summary
        async with aclosing(results.take()) as each:
            async for result in each:
                if self._closed:
                    return
                if self._queue.full():
                    await asyncio.to_thread(self._queue.put, result)
                else:
                    self._queue.put_nowait(result)
