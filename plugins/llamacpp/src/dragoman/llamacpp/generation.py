"""One engine call in a thread of its own, with a bounded queue to whoever reads: shared by sync and async."""

from __future__ import annotations

import json
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING

from dragoman.llamacpp.source import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core import Json

#: So many pieces may wait for the reader before the engine does.
_WAITING = 64
#: Seconds that the interpreter's end waits for an engine in the middle of a long prompt.
_PATIENCE = 30.0

_OK, _BAD, _FAILED = 200, 400, 500

_running: weakref.WeakSet[Generation] = weakref.WeakSet()


class Generation:
    """Runs `work(deliver)` in a thread and keeps the JSON texts it delivers until they are taken.

    `wake` is called from that thread whenever there is something to take. Exceptions of `work` become
    JSON texts with an `error`, as the engine's own server words them.
    """

    def __init__(
        self, work: Callable[[Callable[[bytes], bool]], None], wake: Callable[[], object] | None = None
    ) -> None:
        self._work = work
        self._wake = wake or (lambda: None)
        self._items: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._closed = False
        self._begun = False
        #: The HTTP status of what is delivered first.
        self.status = _OK
        # A daemon, so that a forgotten stream cannot keep the process alive; `stop_all` ends it in order.
        self._thread = threading.Thread(target=self._run, name="dragoman-llamacpp", daemon=True)
        _running.add(self)
        self._thread.start()

    def take(self) -> tuple[list[bytes], bool]:
        """Return what waits, and whether that was the last; never blocks."""
        with self._changed:
            items = list(self._items)
            self._items.clear()
            self._changed.notify_all()
            return items, self._ended

    def wait(self, timeout: float | None) -> tuple[list[bytes], bool]:
        """`take`, as soon as there is something; raises TimeoutError after `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._items or self._ended, timeout):
                message = f"the engine gave no answer within {timeout} seconds"
                raise TimeoutError(message)
        return self.take()

    def close(self) -> None:
        """Stop the engine at its next token and let go of what waits; may be called more than once."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()

    def join(self, timeout: float) -> None:
        """Wait for the thread to end."""
        self._thread.join(timeout)

    def _deliver(self, item: bytes, status: int | None = None) -> bool:
        """Keep one piece; True tells the engine to stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < _WAITING)
            if self._closed:
                return True
            if not self._begun:
                self._begun = True
                self.status = status or _status_of(item)
            self._items.append(item)
            self._changed.notify_all()
        self._wake()
        return False

    def _run(self) -> None:
        try:
            self._work(self._deliver)
        except Exception as exception:  # noqa: BLE001 (whatever it is, the caller must hear of it)
            status, error = _failure(exception)
            self._deliver(json.dumps({"error": error}).encode(), status)
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
            self._wake()


def _status_of(item: bytes) -> int:
    """Read the status out of the engine's own error object."""
    if not item.startswith(b'{"error"'):
        return _OK
    code = json.loads(item)["error"].get("code")
    return code if isinstance(code, int) else _FAILED


def _failure(exception: Exception) -> tuple[int, Json]:
    """Status and error object, as the engine's server has them: what it cannot read is 400, what fails is 500."""
    if isinstance(exception, EngineError):
        return exception.status, exception.error
    # A picture for a model that reads only text is a RuntimeError too.
    bad = isinstance(exception, ValueError) or "is not supported" in str(exception)
    status, kind = (_BAD, "invalid_request_error") if bad else (_FAILED, "server_error")
    return status, {"code": status, "message": str(exception) or type(exception).__name__, "type": kind}


def stop_all() -> None:
    """Stop all engine calls, for the interpreter's end."""
    generations = list(_running)
    for generation in generations:
        generation.close()
    for generation in generations:
        generation.join(_PATIENCE)
