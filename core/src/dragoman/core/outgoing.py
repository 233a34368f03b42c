"""What our own senders put on the network, and the network's failures by their names in the HTTP library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from dragoman.core import errors

if TYPE_CHECKING:
    from dragoman.core.provider import Timeout

#: Bytes of an answer that is read whole, and of a failure's body: a server that never ends must not fill the memory.
MOST, MOST_OF_A_FAILURE = 256 * 1024 * 1024, 1024 * 1024
#: How many connections a sender has, how many wait for the next call, and for how many seconds: as openai's own.
CONNECTIONS, IDLE_CONNECTIONS, IDLE_SECONDS = 1000, 100, 30.0
#: After a stream's last event its connection is good for the next call, if the body ends in so many seconds.
GRACE = 0.01
#: At zero the system would not wait at all, and report something else than a time-out.
_SHORTEST = 0.001


class Phases(NamedTuple):
    """Seconds for each phase of a request; None: no limit."""

    connect: float | None
    read: float | None
    write: float | None
    pool: float | None


@dataclass(slots=True)
class Outgoing:
    """One HTTP request. `target` is the path with its query; `streams`: a good answer is read piece by piece."""

    method: str
    origin: str
    target: str
    headers: dict[str, str] = field(repr=False)
    content: bytes | None
    timeout: Phases
    streams: bool

    @property
    def url(self) -> str:
        """The whole address."""
        return self.origin + self.target


def phases(timeout: Timeout) -> Phases:
    """Read a time-out: one number for all phases, or one for each."""
    if isinstance(timeout, Mapping):
        return Phases(*(_seconds(timeout.get(phase)) for phase in Phases._fields))
    return Phases(*[_seconds(timeout)] * 4)


def _seconds(given: float | None) -> float | None:
    return None if given is None else max(given, _SHORTEST)


def too_long(sent: Outgoing) -> Exception:
    """Report an answer that has no end in sight."""
    message = f"the answer of {sent.origin} is longer than {MOST // 1024**2} MiB and was not read to its end"
    return errors.invalid_reply(message, response=None, body=None, path=sent.target.lstrip("/"))
