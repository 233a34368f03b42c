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

        async def ask(request: Request) -> None:
            queue.done(await answerer.answer(request))

        try:
            async with asyncio.TaskGroup() as group:
                while requests := await queue.take(_AT_ONCE):
                    for request in requests:
                        group.create_task(ask(request))
        finally:
            await answerer.close()
