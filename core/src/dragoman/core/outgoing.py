"""What our own senders put on the network, and the network's failures by their names in the HTTP library."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from dragoman.core import errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dragoman.core.provider import Timeout

GOOD = range(200, 300)

#: Bytes of an answer that is read whole, and of a failure's body: a server that never ends must not fill the memory.
MOST, MOST_OF_A_FAILURE = 256 * 1024 * 1024, 1024 * 1024
#: How many connections a sender has, how many wait for the next call, and for how many seconds: as openai's own.
CONNECTIONS, IDLE_CONNECTIONS, IDLE_SECONDS = 1000, 100, 30.0
#: After a stream's last event its connection is good for the next call, if the body ends in so many seconds.
GRACE = 0.01
#: How the system finds out that the other side of a connection has gone without a word: as anthropic's own.
_KEPT_ALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 60, "TCP_KEEPCNT": 5}
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
    """One HTTP request. `target` is the path with its query; `streams`: a good answer is read piece by piece.

    `headers` are all that are sent, `host` and `content-length` too. `content` is bytes, None, or pieces of bytes
    that are made as they are sent, for the asynchronous side asynchronously.
    """

    method: str
    origin: str
    target: str
    headers: Mapping[str, str] | list[tuple[str, str]] = field(repr=False)
    content: Any
    timeout: Phases
    streams: bool

    @property
    def url(self) -> str:
        """The whole address."""
        return self.origin + self.target

    def forget(self) -> None:
        """Drop what is of no more use when a stream has begun: it may stay open for long."""
        self.headers, self.content = [], None


def pairs(headers: Mapping[str, str] | list[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """Return headers one by one."""
    return headers if isinstance(headers, list) else headers.items()


def merged(fields: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return an answer's headers with their names in lower case, one for each name."""
    found: dict[str, str] = {}
    for raw, text in fields:
        name, value = raw.decode("latin-1").lower(), text.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


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


async def read_all(pieces: AsyncIterator[bytes], status: int, sent: Outgoing) -> bytes:
    """Read a body to its end, or as much of a failure's as is of use. Raises for one without an end in sight."""
    most = MOST if status in GOOD else MOST_OF_A_FAILURE
    found = bytearray()
    async for piece in pieces:
        found += piece
        if len(found) > most:
            if status in GOOD:
                raise too_long(sent)
            break
    return bytes(found[:most])


def keep_alive(sock: socket.socket) -> None:
    """Let the system look now and then whether the other side is still there."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEPT_ALIVE.items():
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
