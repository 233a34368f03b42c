"""Keep-alive connections to one server for asyncio, on aiohttp: one pool for each event loop.

Failures are raised as the exceptions that httpx has for them, so that all senders fail alike.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import weakref
from contextlib import suppress
from contextvars import ContextVar
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
import yarl
from multidict import CIMultiDict

from dragoman.core.aiohttpparts import Body, Response
from dragoman.core.errors import httpx
from dragoman.core.outgoing import (
    CONNECTIONS,
    GRACE,
    IDLE_SECONDS,
    Outgoing,
    Phases,
    keep_alive,
    merged,
    pairs,
    read_all,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dragoman.core.proxies import Proxy

#: For each connection that was made for the request of this context.
_MADE: ContextVar[list[bool]] = ContextVar("_MADE")
#: Bytes that a connection holds before it stops reading.
_BUFFER = 65536
#: Bytes of a request that the system takes at once, so that to write them needs no limit of time.
_SHORT = 65536
_LONGEST_HEADER = 65536
#: `aiohttp` says of a time-out only in which of these it happened.
_TIME_OUTS: tuple[tuple[type[Exception], Any], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (aiohttp.ServerTimeoutError, httpx.ReadTimeout),
    # The one of `Body`.
    (TimeoutError, httpx.WriteTimeout),
)
#: In this order: some are subclasses of others.
_FAILURES: tuple[tuple[type[Exception], Any], ...] = (
    (aiohttp.ClientHttpProxyError, httpx.ProxyError),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.InvalidURL, httpx.UnsupportedProtocol),
    (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx.RemoteProtocolError),
    (aiohttp.ClientPayloadError, httpx.RemoteProtocolError),
)


class Sessions:
    """Opens requests, through a proxy where one is given.

    `inflates`: compressed bodies are read as what is in them. `resends`: as with `Connections`.
    """

    def __init__(self, origin: str, proxy: Proxy | None, *, inflates: bool = True, resends: bool = True) -> None:
        self._secure = origin.startswith("https:")
        self._inflates = inflates
        self._resends = resends
        self._proxy: dict[str, Any] = {}
        self._proxy_headers: dict[str, str] = {}
        if proxy is not None:
            host = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
            self._proxy = {"proxy": f"http://{host}:{proxy.port}", "proxy_headers": dict(proxy.headers)}
            # aiohttp gives these to tunnels only.
            self._proxy_headers = {} if self._secure else dict(proxy.headers)
        self._context: Any = None
        self._sessions: dict[asyncio.AbstractEventLoop, _Session] = {}
        self._lock = threading.Lock()
        # aiohttp logs an error for a session that nobody closed; the SDKs' own clients are not so strict.
        weakref.finalize(self, _leave_all, self._sessions)

    async def open(self, sent: Outgoing) -> AsyncAnswer:
        """Send a request and read the head of its answer. Raises the HTTP library's `TransportError`."""
        session, answers = self._session()
        if not self._resends:
            # Two turns of the loop: then it knows of kept connections that the server has closed meanwhile.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        while True:
            made: list[bool] = []
            _MADE.set(made)
            try:
                response = await session.request(
                    sent.method,
                    yarl.URL(sent.url, encoded=True),
                    data=_body(sent),
                    headers=self._headers(sent),
                    timeout=_time_out(sent.timeout),
                    allow_redirects=False,
                    **self._proxy,
                )
            except (aiohttp.ClientError, OSError) as exception:
                if self._resends and not made and _nothing_came(exception):
                    # A connection that was kept, and that the server has closed meanwhile.
                    continue
                raise _failure(exception) from exception
            answer = AsyncAnswer(response, sent)
            answers.add(answer)
            return answer

    async def close(self) -> None:
        """Close all connections, those of other loops too; a reader in another task gets an exception."""
        with self._lock:
            sessions = [*self._sessions.items()]
            self._sessions.clear()
        for loop, session in sessions:
            if loop is asyncio.get_running_loop():
                await _end(session)
            else:
                _leave(loop, session)

    def _headers(self, sent: Outgoing) -> CIMultiDict[str]:
        headers = CIMultiDict(pairs(sent.headers))
        headers.update(self._proxy_headers)
        return headers

    def _session(self) -> _Session:
        """Return the running loop's session, made when first asked for."""
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None:
            with self._lock:
                for other in [*self._sessions]:
                    if other.is_closed():
                        _leave(other, self._sessions.pop(other))
                session = self._sessions[loop] = _Session(self._made(), weakref.WeakSet())
        return session

    def _made(self) -> aiohttp.ClientSession:
        if self._secure:
            self._context = self._context or httpx.create_ssl_context()
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=CONNECTIONS,
                keepalive_timeout=IDLE_SECONDS,
                ssl=self._context or True,
                use_dns_cache=False,
                socket_factory=_make_socket,
            ),
            auto_decompress=self._inflates,
            response_class=Response,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Content-Type", "User-Agent"),
            read_bufsize=_BUFFER,
            max_line_size=_LONGEST_HEADER,
            max_field_size=_LONGEST_HEADER,
        )


class _Session(NamedTuple):
    """One loop's connections, and the answers that came over them."""

    client: aiohttp.ClientSession
    answers: weakref.WeakSet[AsyncAnswer]


class AsyncAnswer:
    """An answer whose body is still to be read. `fields` are its headers as they came."""

    def __init__(self, response: Any, sent: Outgoing) -> None:
        self.status = response.status
        self.reason = response.reason or ""
        self.fields = response.fields
        self._response = response
        self._sent = sent
        self._over = False

    @cached_property
    def headers(self) -> dict[str, str]:
        """All headers, their names in lower case."""
        return merged(self.fields)

    async def read(self) -> bytes:
        """Read the body to its end, or as much of a failure's as is of use."""
        try:
            return await read_all(self, self.status, self._sent)
        finally:
            await self.close()

    def pieces(self) -> AsyncIterator[bytes]:
        """Give the body as it comes; only as much is read as is asked for.

        Raises the HTTP library's `TransportError` or `DecodingError`.
        """
        return self

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """Give the next piece. A generator would hold each one until the next is asked for."""
        piece = await self._receive()
        if not piece:
            await self.close()
            raise StopAsyncIteration
        return piece

    async def close(self) -> None:
        """Give the connection back if the body was read to its end, and close it if not."""
        if self._over:
            return
        self._over = True
        content = self._response.content
        try:
            if not (self._response.closed or content.at_eof()):
                async with asyncio.timeout(GRACE):
                    if await content.readany():
                        self._response.close()
        except (aiohttp.ClientError, OSError, RuntimeError):
            # A RuntimeError says that another task reads: it comes back with an exception.
            self._response.close()
        except BaseException:
            self._response.close()
            raise
        self._response.release()

    def interrupt(self) -> None:
        """Break off, whoever is reading."""
        if not self._over:
            self._response.close()

    async def _receive(self) -> bytes:
        content: aiohttp.StreamReader = self._response.content
        try:
            return await content.readany()
        except (aiohttp.ClientError, OSError) as exception:
            # What came before the connection broke goes first: aiohttp would keep it.
            if not isinstance(exception, TimeoutError) and (left := content._read_nowait(-1)):  # noqa: SLF001 (no other way)
                return left
            self._response.close()
            raise _failure(exception) from exception
        except BaseException:
            self._response.close()
            raise


def _body(sent: Outgoing) -> Any:
    if sent.content is None or (isinstance(sent.content, bytes) and len(sent.content) <= _SHORT):
        return sent.content
    return Body(sent.content, sent.timeout.write)


@lru_cache(maxsize=64)
def _time_out(given: Phases) -> aiohttp.ClientTimeout:
    waiting = None if given.pool is None or given.connect is None else given.pool + given.connect
    return aiohttp.ClientTimeout(None, waiting, sock_read=given.read, sock_connect=given.connect)


def _make_socket(address: Any) -> socket.socket:
    """Make a socket, and note it; aiohttp's own tracing would cost every request more."""
    family, kind, protocol, *_ = address
    _MADE.get().append(True)
    made = socket.socket(family, kind, protocol)
    keep_alive(made)
    return made


def _nothing_came(exception: Exception) -> bool:
    """Whether the connection was closed before the answer began; the parser's state is the message where it had."""
    if isinstance(exception, aiohttp.ServerDisconnectedError):
        return isinstance(exception.message, str)
    return isinstance(exception, ConnectionResetError | BrokenPipeError | aiohttp.ClientOSError) and not isinstance(
        exception, aiohttp.ClientConnectorError
    )


def _failure(exception: Exception) -> Exception:
    """Name a failure as httpx does."""
    kinds = _TIME_OUTS if isinstance(exception, TimeoutError) else _FAILURES
    kind = next((kind for cls, kind in kinds if isinstance(exception, cls)), httpx.ReadError)
    if isinstance(exception.__cause__, aiohttp.http_exceptions.ContentEncodingError):
        kind = httpx.DecodingError
    text = str(exception) or type(exception).__name__
    if isinstance(exception, aiohttp.ClientHttpProxyError):
        text = f"the proxy answered with HTTP {exception.status}"
    elif isinstance(exception, aiohttp.ClientResponseError):
        # aiohttp would quote what came, and name the address.
        text = "the answer is not HTTP"
    failure: Exception = kind(text)
    return failure


async def _end(session: _Session) -> None:
    # aiohttp would close the connections below their readers, who would wait for ever.
    for answer in [*session.answers]:
        answer.interrupt()
    await session.client.close()


def _leave_all(sessions: dict[asyncio.AbstractEventLoop, _Session]) -> None:
    for loop, session in sessions.items():
        _leave(loop, session)


def _leave(loop: asyncio.AbstractEventLoop, session: _Session) -> None:
    """Close what belongs to another loop, as far as it still runs."""
    if not loop.is_running():
        # Nothing can be awaited there; but what says that it is closed is not reported as forgotten.
        with suppress(RuntimeError):
            next(session.client.close().__await__(), None)
    else:
        asyncio.run_coroutine_threadsafe(_end(session), loop)
