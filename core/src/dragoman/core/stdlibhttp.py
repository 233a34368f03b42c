"""The standard library's HTTP connections, a little stricter and with fewer packets."""

from __future__ import annotations

import http.client
from typing import Any

from dragoman.core.errors import httpx

#: Interim answers (102, 103) before the real one.
_INTERIM = 32


class _Head:
    """The file of a connection while the head of an answer is read: the standard library takes a cut head for whole."""

    def __init__(self, file: Any) -> None:
        self._readline = file.readline
        self._began = False

    def readline(self, most: int) -> bytes:
        line: bytes = self._readline(most)
        if line[-1:] != b"\n" and (line or self._began) and len(line) < most:
            raise http.client.IncompleteRead(line)
        self._began = True
        return line


class _Response(http.client.HTTPResponse):
    """The standard library passes over 100 only; vendors' proxies may send other interim answers."""

    def begin(self) -> None:
        file = self.fp
        self.fp = _Head(file)  # type: ignore[assignment]  # it is read in lines only
        try:
            self._begin()
        finally:
            self.fp = file

    def _begin(self) -> None:
        super().begin()
        for _ in range(_INTERIM):
            if not 100 <= self.status < 200 or self.status == http.client.SWITCHING_PROTOCOLS:  # noqa: PLR2004 (HTTP's interim statuses)
                return
            self.headers = None  # type: ignore[assignment]  # by this mark `begin` knows what it has read
            super().begin()
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

    response_class = _Response


class SecureConnection(_AtOnce, http.client.HTTPSConnection):
    """A connection with TLS."""

    response_class = _Response


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
