"""The standard library's HTTP connections, a little stricter and with fewer packets."""

from __future__ import annotations

import http.client
import select
from typing import TYPE_CHECKING, Any

from dragoman.core.errors import httpx

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

#: Headers in their order, as they came.
Fields = list[tuple[bytes, bytes]]

#: Interim answers (102, 103) before the real one.
_INTERIM = 32
_HEADERS = 256
_BLANK, _SPACE = frozenset({b"\r\n", b"\n"}), frozenset({b" ", b"\t"})
#: By these headers it finds the end of an answer.
_ACTED_ON = frozenset({b"connection", b"content-length", b"keep-alive", b"proxy-connection", b"transfer-encoding"})


class _Head:
    """The file of a connection while the head of an answer is read.

    The standard library takes a cut head for whole, and reads headers as those of letters, which costs as much as
    the rest of the answer: it gets only the lines that it acts on. `fields` are all, as they came.
    """

    def __init__(self, file: Any) -> None:
        self._readline = file.readline
        #: Whether anything came, and whether this is between a first line and the blank one.
        self._began = self._within = False
        self.fields: Fields = []

    def readline(self, most: int) -> bytes:
        while True:
            line: bytes = self._readline(most)
            if line[-1:] != b"\n" and (line or self._began) and len(line) < most:
                raise http.client.IncompleteRead(line)
            if not self._within:
                # The first line of this answer, or of the one after an interim one.
                self._began = self._within = True
                self.fields = []
                return line
            if line in _BLANK:
                self._within = False
                return line
            if len(line) >= most or self._take(line):
                return line

    def _take(self, line: bytes) -> bool:
        """Note a header; whether the standard library acts on it."""
        if line[:1] in _SPACE and self.fields:
            # Headers of old go on in the next line.
            name, value = self.fields[-1]
            self.fields[-1] = (name, b"%b %b" % (value, line.strip()))
            return False
        name, _, value = line.partition(b":")
        name = name.strip()
        if len(self.fields) >= _HEADERS:
            message = "too many headers"
            raise http.client.HTTPException(message)
        self.fields.append((name, value.strip()))
        return name.lower() in _ACTED_ON


class Response(http.client.HTTPResponse):
    """An answer of the standard library, with its headers in `fields`.

    The standard library passes over interim answers of status 100 only; vendors' proxies may send others.
    """

    def begin(self) -> None:
        """Read the head."""
        file = self.fp
        head = _Head(file)
        self.fp = head  # type: ignore[assignment]  # it is read in lines only
        try:
            super().begin()
            for _ in range(_INTERIM):
                if not 100 <= self.status < 200 or self.status == http.client.SWITCHING_PROTOCOLS:  # noqa: PLR2004 (HTTP's interim statuses)
                    self.fields = head.fields
                    return
                self.headers = None  # type: ignore[assignment]  # by this mark `begin` knows what it has read
                super().begin()
        finally:
            self.fp = file
        message = "nothing but interim answers"
        raise http.client.HTTPException(message)


class _AtOnce:
    """A connection that sends a request's head and body together: one packet, which wakes the server once.

    The head is written here: the standard library's way costs more than all that the system does with it.
    """

    def ask(
        self, method: str, target: str, content: bytes | Iterable[bytes] | None, headers: Iterable[tuple[str, str]]
    ) -> None:
        """Send a request, of these headers and no others. Raises `HTTPException` for what would be none."""
        lines = [f"{name}: {value}\r\n" for name, value in headers]
        head = f"{method} {target} HTTP/1.1\r\n{''.join(lines)}\r\n"
        # A line break in a value would begin another header, or another request.
        if head.count("\n") != len(lines) + 2 or head.count("\r") != len(lines) + 2 or "\0" in head:
            message = "a header has a line break"
            raise http.client.HTTPException(message)
        pieces = iter((content,) if isinstance(content, bytes) else content or ())
        send: Callable[[bytes], object] = self.send  # type: ignore[attr-defined]  # the connection's
        send(head.encode("latin-1") + next(pieces, b""))
        for piece in pieces:
            send(piece)

    def answer(self, method: str) -> Response:
        """Read the head of the answer."""
        response = Response(self.sock, method=method)  # type: ignore[attr-defined]  # as above
        try:
            response.begin()
        except BaseException:
            response.close()
            raise
        return response


class PlainConnection(_AtOnce, http.client.HTTPConnection):
    """A connection without TLS."""


class SecureConnection(_AtOnce, http.client.HTTPSConnection):
    """A connection with TLS."""


Connection = PlainConnection | SecureConnection


def read_failure(cause: BaseException, seconds: float | None = None) -> Exception:
    """Name a failure to read an answer, whose next bytes had to come within so many seconds."""
    failure: Exception
    if isinstance(cause, TimeoutError):
        failure = httpx.ReadTimeout(f"no more of the answer within {seconds} s")
    elif isinstance(cause, http.client.RemoteDisconnected):
        failure = httpx.RemoteProtocolError("the server closed the connection without an answer")
    elif isinstance(cause, http.client.IncompleteRead):
        failure = httpx.RemoteProtocolError("the server closed the connection before the end of the answer")
    elif isinstance(cause, http.client.HTTPException):
        failure = httpx.RemoteProtocolError(f"the answer is not HTTP: {type(cause).__name__}")
    else:
        failure = httpx.ReadError(str(cause) or type(cause).__name__)
    return failure


def limit(sock: socket.socket, seconds: float | None) -> None:
    """Set a time limit; each setting costs a call of the system."""
    if sock.gettimeout() != seconds:
        sock.settimeout(seconds)


def readable(sock: Any) -> bool:
    """Whether an idle connection has something to say: that it was closed, mostly."""
    if sock is None:
        return True
    if not hasattr(select, "poll"):
        return bool(select.select([sock], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
