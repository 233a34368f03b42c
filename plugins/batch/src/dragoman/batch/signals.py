"""Ctrl-C, and the system's wish that the program should end."""

from __future__ import annotations

import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def listening(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` on the loop for each of them, while the block runs; on the main thread only."""
    before: dict[int, Any] = {}

    def tell(*_: object) -> None:
        loop.call_soon_threadsafe(stop)

    for number in _SIGNALS:
        # Elsewhere the host listens.
        with suppress(ValueError):
            before[number] = signal.signal(number, tell)
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
