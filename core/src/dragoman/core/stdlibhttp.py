"""The standard library's HTTP connections, a little stricter and with fewer packets."""

from __future__ import annotations

import http.client
import re
import select
from typing import TYPE_CHECKING, Any

from dragoman.core.errors import httpx

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

    from dragoman.core.proxies import Proxy

#: Headers in their order, as they came.
Fields = list[tuple[bytes, bytes]]

#: Interim answers (100, 102, 103) before the real one.
_INTERIM = 32
_HEADERS = 256
_LONGEST_LINE = 65536
_BLANK, _SPACE = frozenset({b"\r\n", b"\n"}), frozenset({b" ", b"\t"})
_STATUS_LINE = re.compile(rb"HTTP/1\.(\d) +([1-9]\d\d)(?: +([^\r\n]*))?\r?\n")
#: Answers that have no body, whatever their headers say.
_BODILESS = frozenset({http.client.NO_CONTENT, http.client.NOT_MODIFIED})


class Response(http.client.HTTPResponse):
    """An answer of the standard library, with its headers in `fields`, and its head read here.

    The standard library takes a cut head for whole, passes over interim answers of status 100 only (vendors' proxies
    send others), and reads headers as those of letters, which costs as much as the rest of the answer.
    """

    fp: Any
    fields: Fields
    _method: str

    def begin(self) -> None:
        """Read the head. Raises `HTTPException` for what is none."""
        line = self.fp.readline(_LONGEST_LINE)
        if not line:
            message = "the server closed the connection without an answer"
            raise http.client.RemoteDisconnected(message)
        for _ in range(_INTERIM):
            self._read_status_line(_whole(line))
            self.fields = self._read_fields()
            if not 100 <= self.status < 200 or self.status == http.client.SWITCHING_PROTOCOLS:  # noqa: PLR2004 (HTTP's interim statuses)
                self._find_end()
                return
            line = self.fp.readline(_LONGEST_LINE)
        message = "nothing but interim answers"
        raise http.client.HTTPException(message)

    def _read_status_line(self, line: bytes) -> None:
        found = _STATUS_LINE.fullmatch(line)
        if found is None:
            raise http.client.BadStatusLine(repr(line[:100]))
        minor, status, reason = found.groups(b"")
        self.version = 10 if minor == b"0" else 11
        self.code = self.status = int(status)
        self.reason = reason.strip().decode("latin-1")

    def _read_fields(self) -> Fields:
        fields: Fields = []
        while (line := _whole(self.fp.readline(_LONGEST_LINE))) not in _BLANK:
            if line[:1] in _SPACE and fields:
                # Headers of old go on in the next line.
                name, value = fields[-1]
                fields[-1] = (name, b"%b %b" % (value, line.strip()))
                continue
            if len(fields) >= _HEADERS:
                message = "too many headers"
                raise http.client.HTTPException(message)
            name, _, value = line.partition(b":")
            fields.append((name.strip(), value.strip()))
        return fields

    def _find_end(self) -> None:
        """Find out from the headers where the body ends, and whether the connection does, too."""
        heads: dict[bytes, bytes] = {}
        for name, value in self.fields:
            if heads.setdefault(name.lower(), value) != value and name.lower() == b"content-length":
                message = "two lengths"
                raise http.client.HTTPException(message)
        connection = heads.get(b"connection", b"").lower()
        self.will_close = b"close" in connection or (self.version == 10 and b"keep-alive" not in connection)  # noqa: PLR2004 (HTTP/1.0)
        self.chunked = heads.get(b"transfer-encoding", b"").lower() == b"chunked"
        self.chunk_left = None
        length = heads.get(b"content-length")
        if length is not None and not length.isdigit():
            message = "a length that is no number"
            raise http.client.HTTPException(message)
        self.length = int(length) if length and not self.chunked else None
        if self.status in _BODILESS or self._method == "HEAD":
            self.chunked, self.length = False, 0
        self.will_close = self.will_close or (self.length is None and not self.chunked)


def _whole(line: bytes) -> bytes:
    """Return a line that has its end. Raises `HTTPException`."""
    if line[-1:] == b"\n":
        return line
    if len(line) >= _LONGEST_LINE:
        message = "a line of the head"
        raise http.client.LineTooLong(message)
    raise http.client.IncompleteRead(line)


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


def connect(place: tuple[str, int], proxy: Proxy | None, context: Any, seconds: float | None) -> Connection:
    """Connect to a server within so many seconds, through a proxy where one is given; `context` is that of TLS."""
    host, port = place if proxy is None else (proxy.host, proxy.port)
    connection: Connection
    if context is None:
        connection = PlainConnection(host, port, timeout=seconds)
    else:
        connection = SecureConnection(host, port, timeout=seconds, context=context)
        if proxy is not None:
            connection.set_tunnel(*place, headers=dict(proxy.headers))
    try:
        connection.connect()
    except TimeoutError as cause:
        message = f"no connection to {host}:{port} within {seconds} s"
        raise httpx.ConnectTimeout(message) from cause
    except (OSError, UnicodeError, http.client.HTTPException) as cause:
        connection.close()
        refused = str(cause).startswith("Tunnel connection failed")
        raise (httpx.ProxyError if refused else httpx.ConnectError)(str(cause)) from cause
    return connection


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
