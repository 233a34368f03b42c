"""AutoGen's cancellation tokens and what one call waits for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from autogen_core import CancellationToken


class Link:
    """What a token cancels of one call: a token keeps its callbacks, so it gets one, however many chunks come."""

    def __init__(self, token: CancellationToken | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Future[Any] | None = None
        self._cancelled = False
        if token is not None:
            token.add_callback(self._cancel)

    def _cancel(self) -> None:
        """Called in any thread, at once if the token is cancelled already."""
        self._cancelled = True
        task = self._task
        if task is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(task.cancel)

    async def wait(self, what: Awaitable[Any]) -> Any:
        """Wait for something that the token may cancel."""
        task = self._task = asyncio.ensure_future(what)
        if self._cancelled:
            task.cancel()
        try:
            return await task
        finally:
            self._task = None
