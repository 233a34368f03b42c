"""Keep-alive connections to one server, on the standard library's `http.client`; for any number of threads.

Failures are raised as the exceptions that httpx has for them, so that all senders fail alike.
"""

from __future__ import annotations

import http.client
import os
import socket
import threading
import time
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dragoman.core.errors import httpx
from dragoman.core.inflating import Inflater
from dragoman.core.outgoing import (
    CONNECTIONS,
    GOOD,
    GRACE,
    IDLE_CONNECTIONS,
    IDLE_SECONDS,
    MOST,
    MOST_OF_A_FAILURE,
    Outgoing,
    keep_alive,
    merged,
    pairs,
    too_long,
)
from dragoman.core.stdlibhttp import (
    Connection,
    Response,
    connect,
    limit,
    read_failure,
    readable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dragoman.core.proxies import Proxy

_PIECE = 65536
#: How it shows that the server had closed a kept connection before the request came.
_CLOSED = (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)
_BROKEN = (OSError, http.client.HTTPException)


class Connections:
    """Opens requests to the server at `origin`, through a proxy where one is given.

    `resends`: a request that met a kept connection which the server had closed goes out again on a new one.
    """

    def __init__(self, origin: str, proxy: Proxy | None, *, resends: bool = True) -> None:
        self._idle: list[tuple[float, Connection]] = []
        parts = urlsplit(origin)
        self._secure = parts.scheme == "https"
        self._place = (parts.hostname or "", parts.port or (443 if self._secure else 80))
        self._proxy = proxy
        self._resends = resends
        self._context: Any = None
        self._answers: set[Answer] = set()
        self._free = CONNECTIONS
        self._process = os.getpid()
        # Its own thread may enter it again: while it is held, Python may collect a stream that was left, and close it.
        self._changed = threading.Condition(threading.RLock())
        self._open = True

    def open(self, sent: Outgoing) -> Answer:
        """Send a request and read the head of its answer. Raises the HTTP library's `TransportError`."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._free > 0, sent.timeout.pool):
                message = f"{CONNECTIONS} connections are in use"
                raise httpx.PoolTimeout(message)
            self._free -= 1
        connection = None
        try:
            while True:
                connection = self._kept()
                reused = connection is not None
                connection = connection or self._connected(sent)
                try:
                    return self._ask(connection, sent)
                except httpx.TransportError as exception:
                    connection.close()
                    # Nothing came on a connection that had waited: the server has closed it meanwhile.
                    if not (self._resends and reused and isinstance(exception.__cause__, _CLOSED)):
                        raise
        except BaseException:
            if connection is not None:
                connection.close()
            self.give_back(None, None)
            raise

    def close(self) -> None:
        """Close all connections; a reader in another thread gets an exception."""
        with self._changed:
            self._leave_parents()
            self._open = False
            idle, self._idle = self._idle, []
            answers = list(self._answers)
        for _, connection in idle:
            connection.close()
        for answer in answers:
            answer.interrupt()

    def __del__(self) -> None:
        """Close what waits: nobody reads any more, or there would be an answer that knows us."""
        for _, connection in self._idle:
            connection.close()

    def give_back(self, answer: Answer | None, connection: Connection | None) -> None:
        """Take the connection of an answer that is over, if it is good for another; None: there was no answer."""
        with self._changed:
            self._answers -= {answer}
            if connection is not None and self._open and len(self._idle) < IDLE_CONNECTIONS:
                self._idle.append((time.monotonic() + IDLE_SECONDS, connection))
                connection = None
            self._free += 1
            self._changed.notify()
        if connection is not None:
            connection.close()

    def _kept(self) -> Connection | None:
        """Return a connection that waits for use, the last used first."""
        while True:
            with self._changed:
                self._leave_parents()
                if not self._idle:
                    return None
                until, connection = self._idle.pop()
            if time.monotonic() < until and not readable(connection.sock):
                return connection
            connection.close()

    def _leave_parents(self) -> None:
        """After a fork, let go of what is the parent's: the two would read each other's answers."""
        if self._process == os.getpid():
            return
        self._process = os.getpid()
        for _, connection in self._idle:
            connection.close()
        self._idle.clear()
        self._answers.clear()

    def _connected(self, sent: Outgoing) -> Connection:
        if self._secure:
            self._context = self._context or httpx.create_ssl_context()
        connection = connect(self._place, self._proxy, self._context, sent.timeout.connect)
        keep_alive(connection.sock)
        return connection

    def _ask(self, connection: Connection, sent: Outgoing) -> Answer:
        sock: socket.socket = connection.sock
        target, headers = sent.target, pairs(sent.headers)
        if self._proxy is not None and not self._secure:
            target, headers = sent.url, [*headers, *self._proxy.headers.items()]
        broken = None
        limit(sock, sent.timeout.write)
        try:
            connection.ask(sent.method, target, sent.content, headers)
        except TimeoutError as cause:
            message = f"the request was not taken within {sent.timeout.write} s"
            raise httpx.WriteTimeout(message) from cause
        except (BrokenPipeError, ConnectionResetError) as cause:
            # The server may have answered before it closed: a refusal, say, of a long request.
            broken = cause
        except OSError as cause:
            raise httpx.WriteError(str(cause)) from cause
        except http.client.HTTPException as cause:
            raise httpx.LocalProtocolError(str(cause)) from cause
        limit(sock, sent.timeout.read)
        try:
            response = connection.answer(sent.method)
        except TimeoutError as cause:
            message = f"no answer within {sent.timeout.read} s"
            raise httpx.ReadTimeout(message) from cause
        except (OSError, http.client.HTTPException) as cause:
            raise read_failure(cause) from (broken or cause)
        answer = Answer(self, connection, sock, response, sent)
        with self._changed:
            self._answers.add(answer)
        return answer


class Answer:
    """An answer whose body is still to be read. `fields` are its headers as they came."""

    def __init__(
        self,
        connections: Connections,
        connection: Connection,
        sock: socket.socket,
        response: Response,
        sent: Outgoing,
    ) -> None:
        self.status = response.status
        self.reason = response.reason
        self.fields = response.fields
        self._connections = connections
        self._connection = connection
        self._socket = sock
        self._response = response
        self._sent = sent
        self._lock = threading.Lock()
        #: Whether a thread waits for the next bytes, whether the body was read to its end, and whether all is over.
        self._reading = self._whole = self._over = False

    @cached_property
    def headers(self) -> dict[str, str]:
        """All headers, their names in lower case."""
        return merged(self.fields)

    def read(self) -> bytes:
        """Read the body to its end, or as much of a failure's as is of use."""
        good = self.status in GOOD
        most = MOST if good else MOST_OF_A_FAILURE
        length = self._response.length
        if length is not None and length <= _PIECE and not self.headers.get("content-encoding"):
            return self._read_short()
        found = bytearray()
        try:
            for piece in self.pieces():
                found += piece
                if len(found) > most:
                    if good:
                        raise too_long(self._sent)
                    break
        finally:
            self.close()
        return bytes(found[:most])

    def _read_short(self) -> bytes:
        """Read a body whose length is known, and small."""
        try:
            found = self._response.read()
            self._whole = True
        except _BROKEN as cause:
            raise read_failure(cause, self._sent.timeout.read) from cause
        finally:
            self.close()
        return found

    def pieces(self) -> Iterator[bytes]:
        """Give the body as it comes. Raises the HTTP library's `TransportError` or `DecodingError`."""
        encoding = self.headers.get("content-encoding", "").strip().lower()
        return self.raw() if encoding in {"", "identity"} else self._inflated(encoding)

    def raw(self) -> Iterator[bytes]:
        """Give the body as it comes, compressed if it is."""
        try:
            while piece := self._receive():
                yield piece
        finally:
            self.close()

    def _inflated(self, encoding: str) -> Iterator[bytes]:
        try:
            inflater = Inflater(encoding)
            for piece in self.raw():
                yield from inflater.feed(piece)
            inflater.finish()
        finally:
            self.close()

    def close(self) -> None:
        """Give the connection back if the body was read to its end, and close it if not; from any thread."""
        with self._lock:
            if self._over:
                return
            if self._reading:
                # The reading thread comes back with an exception, and closes.
                self.interrupt()
                return
            self._over = True
        kept = not self._response.will_close and (self._whole or self._ends_now())
        with suppress(*_BROKEN):
            self._response.close()
        if not kept:
            self._connection.close()
        self._connections.give_back(self, self._connection if kept else None)

    def interrupt(self) -> None:
        """Break off, whoever is reading."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _receive(self) -> bytes:
        """Read the next bytes of the body; none at its end."""
        with self._lock:
            if self._over:
                message = "the answer was closed"
                raise httpx.ReadError(message)
            self._reading = True
        try:
            piece = self._response.read1(_PIECE)
            if not piece and self._response.length:
                raise http.client.IncompleteRead(piece, self._response.length)
        except _BROKEN as cause:
            raise read_failure(cause, self._sent.timeout.read) from cause
        finally:
            self._reading = False
        self._whole = not piece
        return piece

    def _ends_now(self) -> bool:
        """Whether nothing follows but the end of the body."""
        try:
            self._socket.settimeout(GRACE)
            return not self._response.read1(_PIECE) and not self._response.length
        except _BROKEN:
            return False
