"""The engine that asks by itself, on one event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from dragoman.batch.answering import Answerer

if TYPE_CHECKING:
    from dragoman.batch.engines import Queue, Settings
    from dragoman.batch.records import Request

#: Requests that are begun at once, before answers are looked at.
_AT_ONCE = 64


class LocalEngine:
    """Asks from this process; `--engine asyncio`."""

    name: ClassVar[str] = "asyncio"
    paced: ClassVar[bool] = True

    async def run(self, queue: Queue, settings: Settings) -> None:
        """See `Engine`."""
        answerer = Answerer(settings)
        tasks: set[asyncio.Task[None]] = set()

        async def ask(request: Request) -> None:
            queue.done(await answerer.answer(request))

        try:
            while requests := await queue.take(_AT_ONCE):
                for request in requests:
                    task = asyncio.create_task(ask(request))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await answerer.close()
