"""The cluster and the provider of a test: `nox -s ray` installs Ray."""

from __future__ import annotations

import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
# The provider on loopback is that of the server's own tests.
sys.path.insert(1, str(Path(__file__).parents[2] / "plugins" / "server" / "tests"))

from cluster_lab import WAIT
from server_lab import Handler, Provider, Seen, events, serving

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True, scope="session")
def _heard() -> None:
    """Programs hear Ctrl-C whoever runs the tests: in the background it would be ignored, which is inherited."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Teller(Handler):
    """What the models of these tests do."""

    server: Told

    def _text(self, body: Any, seen: Seen, stream: bool) -> None:
        with self.server.counted():
            super()._text(body, seen, stream)

    def _begin(self) -> list[bytes]:
        """Begin with a word: a stream that only says whose turn it is has not begun for a list of models."""
        self._open()
        said = events(usage=False)
        self.wfile.write(b"".join(said[:2]))
        return said[2:]

    def _wait(self, body: Any, seen: Seen, stream: bool) -> None:
        rest = self._begin()
        self.server.release.wait(WAIT)
        self.wfile.write(b"".join(rest))

    def _silent(self, body: Any, seen: Seen, stream: bool) -> None:
        self._begin()
        self._wait_for_the_end(seen)


class Told(Provider):
    """Counts answers of the model `text`, and holds them from some number on until it is told to go on."""

    def __init__(self) -> None:
        super().__init__()
        self.RequestHandlerClass = Teller
        #: When answers were asked for; how many at once, at most.
        self.times: list[float] = []
        self.most_at_once = 0
        self._open = self._held = 0
        self._hold_after: int | None = None
        self._change = threading.Condition()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked may have been killed."""

    def hold_after(self, count: int) -> None:
        self._hold_after = count

    def until_held(self, count: int) -> None:
        with self._change:
            assert self._change.wait_for(lambda: self._held >= count, WAIT), self._held

    @contextmanager
    def counted(self) -> Iterator[None]:
        with self._change:
            self.times.append(time.monotonic())
            self._open += 1
            self.most_at_once = max(self.most_at_once, self._open)
            held = self._hold_after is not None and len(self.times) > self._hold_after and not self.release.is_set()
            self._held += held
            self._change.notify_all()
        if held:
            self.release.wait(WAIT)
        try:
            with suppress(OSError):
                # Who asked may have been killed.
                yield
        finally:
            with self._change:
                self._open -= 1
                self._held -= held


@pytest.fixture
def provider() -> Iterator[Told]:
    """A provider on loopback that does what its models' names say."""
    with serving(Told()) as server:
        yield server
