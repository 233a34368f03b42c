"""Sees whether a translator looks at the clock, at randomness or at the network."""

from __future__ import annotations

import contextlib
import gc
import os
import random
import socket
import sys
import time
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_CLOCKS = {
    time.time: "time.time",
    time.time_ns: "time.time_ns",
    time.monotonic: "time.monotonic",
    time.perf_counter: "time.perf_counter",
    time.localtime: "time.localtime",
    time.gmtime: "time.gmtime",
    os.urandom: "os.urandom",
}
_TODAY = frozenset({"now", "utcnow", "today"})
#: Times and a lock's owner are part of a log record, and of no answer.
_LOGGING = "logging"


@contextlib.contextmanager
def watch() -> Iterator[list[str]]:
    """Collect the names of what was called inside and makes a function impure.

    It watches the interpreter and replaces nothing, so that it makes no difference how a name was imported.
    """
    seen: list[str] = []

    def look(frame: FrameType, event: str, called: Any) -> None:
        if event != "c_call" or frame.f_globals.get("__name__") == _LOGGING:
            return
        if name := _impure(called):
            seen.append(f"{name} (called in {frame.f_code.co_qualname}, line {frame.f_lineno})")

    before, collects = sys.getprofile(), gc.isenabled()
    # A collection runs other people's callbacks (test tools time it) wherever it happens to begin.
    gc.disable()
    sys.setprofile(look)
    try:
        yield seen
    finally:
        sys.setprofile(before)
        if collects:
            gc.enable()


def _impure(called: Any) -> str:
    owner = getattr(called, "__self__", None)
    name = getattr(called, "__name__", "")
    if isinstance(owner, random.Random):
        return f"random.{name}"
    if isinstance(owner, socket.socket):
        return f"socket.{name}"
    if isinstance(owner, type) and issubclass(owner, date) and name in _TODAY:
        return f"datetime.{name}"
    try:
        return _CLOCKS.get(called, "")
    except TypeError:  # a method of something that cannot be hashed
        return ""
