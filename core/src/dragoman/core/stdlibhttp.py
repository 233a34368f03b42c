"""The standard library's HTTP connections, a little stricter and with fewer packets."""

from __future__ import annotations

import http.client
from typing import Any

from dragoman.core.errors import httpx

#: Interim answers (102, 103) before the real one.
_INTERIM = 32
_HEADERS = 256
_BLANK = frozenset({b"\r\n", b"\n"})
#: By these headers it finds the end of an answer.
_ACTED_ON = frozenset({"connection", "content-length", "keep-alive", "proxy-connection", "transfer-encoding"})


class _Head:
    """The file of a connection while the head of an answer is read.

    The standard library takes a cut head for whole, and reads headers as those of letters, which costs as much as
    the rest of the answer: it gets only the lines that it acts on. `headers` are all, with their names in lower case.
    """

    def __init__(self, file: Any) -> None:
        self._readline = file.readline
        #: Whether anything came, and whether this is between a first line and the blank one.
        self._began = self._within = False
        self.headers: dict[str, str] = {}

    def readline(self, most: int) -> bytes:
        while True:
            line: bytes = self._readline(most)
            if line[-1:] != b"\n" and (line or self._began) and len(line) < most:
                raise http.client.IncompleteRead(line)
            if not self._within:
                # The first line of this answer, or of the one after an interim one.
                self._began = self._within = True
                self.headers = {}
                return line
            if line in _BLANK:
                self._within = False
                return line
            if len(line) >= most or self._take(line):
                return line

    def _take(self, line: bytes) -> bool:
        """Note a header; whether the standard library acts on it."""
        if line[:1] in {b" ", b"\t"} and self.headers:
            # Headers of old go on in the next line.
            last = next(reversed(self.headers))
            self.headers[last] += f" {line.strip().decode('latin-1')}"
            return False
        name, _, value = line.decode("latin-1").partition(":")
        name, value = name.strip().lower(), value.strip()
        if len(self.headers) >= _HEADERS:
            message = "too many headers"
            raise http.client.HTTPException(message)
        self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value
        return name in _ACTED_ON


class Response(http.client.HTTPResponse):
    """An answer of the standard library, with its headers in `heads`.

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
                    self.heads = head.headers
                    return
                self.headers = None  # type: ignore[assignment]  # by this mark `begin` knows what it has read
                super().begin()
        finally:
            self.fp = file
        message = "nothing but interim answers"
        raise http.client.HTTPException(message)


class _AtOnce:
    """A connection that sends a request's head and body together: one packet, which wakes the server once."""

    _held: list[bytes] | None = None

    def send(self, data: Any) -> None:
        if self._held is None:
            super().send(data)  # type: ignore[misc]  # the connection's, which this is mixed into
        else:
            self._held.append(data)

    def ask(self, *arguments: Any) -> None:
        """Do as `request` does."""
        held: list[bytes] = []
        self._held = held
        try:
            self.request(*arguments)  # type: ignore[attr-defined]  # as above
        finally:
            self._held = None
        self.send(b"".join(held))


class PlainConnection(_AtOnce, http.client.HTTPConnection):
    """A connection without TLS."""

    response_class = Response


class SecureConnection(_AtOnce, http.client.HTTPSConnection):
    """A connection with TLS."""

    response_class = Response


Connection = PlainConnection | SecureConnection


def read_failure(cause: BaseException) -> Exception:
    """Name a failure to read an answer."""
    failure: Exception
    if isinstance(cause, http.client.RemoteDisconnected):
        failure = httpx.RemoteProtocolError("the server closed the connection without an answer")
    elif isinstance(cause, http.client.IncompleteRead):
        failure = httpx.RemoteProtocolError("the server closed the connection before the end of the answer")
    elif isinstance(cause, http.client.HTTPException):
        failure = httpx.RemoteProtocolError(f"the answer is not HTTP: {type(cause).__name__}")
    else:
        failure = httpx.ReadError(str(cause) or type(cause).__name__)
    return failure
