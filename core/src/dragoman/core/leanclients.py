"""HTTP clients for the SDKs: of their own library's kind, with our connections below.

The SDK and its HTTP client keep all that they decide: credentials, retries, time-outs, redirects, cookies, hooks. What
they decided goes out here, by `connections` or `sessions` instead of httpcore, which costs more than all the rest.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from functools import cache, cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from dragoman.core import errors
from dragoman.core.offline import refuse_offline
from dragoman.core.outgoing import Outgoing, phases
from dragoman.core.proxies import only_plain_proxies, proxy_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

_LIBRARIES = frozenset({"httpx", "httpx2"})
#: The extension of a response that has its body as it comes, below the library's own layers.
PIECES = "dragoman.pieces"


def lean_client(client_class: Any, **options: Any) -> Any:
    """Make an HTTP client for an SDK, of the class that the SDK makes by itself; None: it has to make its own.

    That is so if the environment names a proxy that is not spoken to in plain HTTP, or if the class is not httpx's.
    `options` are the class's own.
    """
    library = _library(client_class)
    if library is None or not only_plain_proxies():
        return None
    from dragoman.core.connections import Connections

    def connect(origin: str, proxy: Any) -> Connections:
        return Connections(origin, proxy, resends=False)

    transport = type("LeanTransport", (_Transport, library.BaseTransport), {})
    made = type("LeanClient", (_Building, client_class), {"library": library})
    return made(transport=transport(library, connect, _body(library)), **options)


def async_lean_client(client_class: Any, **options: Any) -> Any:
    """`lean_client` for the asynchronous side; without aiohttp or outside of asyncio one of the class itself.

    The SDKs make another one then: one that is dropped closes itself in a task of the loop that runs, after Python has
    closed its sockets. New ones may have their numbers by then, and never hear from their servers again.
    """
    library = _library(client_class)
    if library is None:
        return None
    if not aiohttp_serves():
        return client_class(**options)
    from dragoman.core.sessions import Sessions

    def connect(origin: str, proxy: Any) -> Sessions:
        return Sessions(origin, proxy, inflates=False, resends=False)

    transport = type("AsyncLeanTransport", (_AsyncTransport, library.AsyncBaseTransport), {})
    made = type("AsyncLeanClient", (_Building, client_class), {"library": library})
    return made(transport=transport(library, connect, _async_body(library)), **options)


def aiohttp_serves() -> bool:
    """Whether aiohttp may send: it is installed, asyncio runs, and no proxy wants more than plain HTTP."""
    if not only_plain_proxies() or find_spec("aiohttp") is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _library(client_class: Any) -> Any:
    """Return the HTTP library that a class belongs to: `httpx` or `httpx2`; None: it is of neither."""
    names = (cls.__module__.partition(".")[0] for cls in client_class.__mro__)
    return next((sys.modules[name] for name in names if name in _LIBRARIES), None)


class _Building:
    """What an HTTP client of ours does in another way: it makes requests of what the SDK says, which is all there is.

    The library's own merges it with the client's address, query, headers and cookies, and parses the address anew:
    a tenth of a whole call.
    """

    library: Any
    _last: tuple[Any, Any] = (None, None)

    def build_request(  # noqa: PLR0913 (the library's own)
        self,
        method: str,
        url: Any,
        *,
        content: Any = None,
        headers: Any = None,
        params: Any = None,
        timeout: Any = None,
        **more: Any,
    ) -> Any:
        """Make a request. Whatever is not the usual is left to the library."""
        client: Any = super()
        library = self.library
        unusual = params or any(more.values()) or isinstance(timeout, type(library.USE_CLIENT_DEFAULT))
        if unusual or not isinstance(content, bytes):
            return client.build_request(
                method, url, content=content, headers=headers, params=params, timeout=timeout, **more
            )
        # As bytes: the library would encode them again.
        given = library.Headers(headers).raw
        names = {name.lower() for name, _ in given}
        address = self._address(url)
        own = [(b"host", address.netloc), *self._own_headers, (b"content-length", b"%d" % len(content))]
        made = library.Request(
            method,
            address,
            headers=[*[pair for pair in own if pair[0] not in names], *given],
            cookies=client.cookies,
            stream=library.ByteStream(content),
            extensions={"timeout": library.Timeout(timeout).as_dict()},
        )
        made.read()
        return made

    def _address(self, url: Any) -> Any:
        """Parse an address, unless the SDK has, once for all requests to it."""
        if isinstance(url, self.library.URL):
            return url
        text, parsed = self._last
        if text != url:
            parsed = self.library.URL(url)
            self._last = (url, parsed)
        return parsed

    @cached_property
    def _own_headers(self) -> list[tuple[bytes, bytes]]:
        client: Any = self
        return [(name.lower(), value) for name, value in client.headers.raw]


class _Places:
    """What both colours share: the connections to each origin, and what is sent."""

    def __init__(self, library: Any, connect: Callable[[str, Any], Any], body: Any) -> None:
        self._library = library
        self._connect = connect
        self._body = body
        self._places: dict[str, Any] = {}
        self._lock = threading.Lock()

    def _place(self, origin: str) -> Any:
        refuse_offline(origin)
        found = self._places.get(origin)
        if found is None:
            with self._lock:
                found = self._places.get(origin)
                if found is None:
                    found = self._places[origin] = self._connect(origin, proxy_for(origin))
        return found

    def _is_made_as_it_is_sent(self, request: Any) -> bool:
        """Whether a body, of a file say, need not be in memory; one of unknown length has to be counted first."""
        return "content-length" in request.headers and not isinstance(request.stream, self._library.ByteStream)

    def _outgoing(self, request: Any, content: Any) -> Outgoing:
        url = request.url
        if url.scheme not in {"http", "https"}:
            message = f"Request URL has an unsupported protocol '{url.scheme}://'."
            raise self._library.UnsupportedProtocol(message)
        limits = request.extensions.get("timeout", {})
        if request.headers.pop("transfer-encoding", None):
            request.headers["content-length"] = str(len(content))
        return Outgoing(
            request.method,
            f"{url.scheme}://{url.netloc.decode('ascii')}",
            url.raw_path.decode("ascii"),
            [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw],
            content or None,
            phases(limits),
            streams=True,
        )

    def _response(self, answer: Any, sent: Outgoing) -> Any:
        sent.forget()
        fields, answer.fields = answer.fields, ()
        body = self._body(answer)
        return self._library.Response(
            answer.status,
            headers=fields,
            stream=body,
            extensions={
                "http_version": b"HTTP/1.1",
                "reason_phrase": answer.reason.encode("latin-1", "replace"),
                PIECES: body,
            },
        )


class _Transport(_Places):
    def handle_request(self, request: Any) -> Any:
        """Send a request; its answer's body is still to be read."""
        content = request.stream if self._is_made_as_it_is_sent(request) else request.read()
        sent = self._outgoing(request, content)
        try:
            return self._response(self._place(sent.origin).open(sent), sent)
        except errors.httpx.TransportError as exception:
            raise _named(exception, self._library) from exception.__cause__

    def close(self) -> None:
        """Close all connections."""
        for place in [*self._places.values()]:
            place.close()


class _AsyncTransport(_Places):
    async def handle_async_request(self, request: Any) -> Any:
        """Send a request; its answer's body is still to be read."""
        content = request.stream if self._is_made_as_it_is_sent(request) else await request.aread()
        sent = self._outgoing(request, content)
        try:
            return self._response(await self._place(sent.origin).open(sent), sent)
        except errors.httpx.TransportError as exception:
            raise _named(exception, self._library) from exception.__cause__

    async def aclose(self) -> None:
        """Close all connections."""
        for place in [*self._places.values()]:
            await place.close()


@cache
def _body(library: Any) -> Any:
    class Body(library.SyncByteStream):  # type: ignore[misc]  # the library is known at run time only
        def __init__(self, answer: Any) -> None:
            self._answer = answer
            self.close = answer.close

        def __iter__(self) -> Iterator[bytes]:
            try:
                yield from self._answer.raw()
            except errors.httpx.TransportError as exception:
                raise _named(exception, library) from exception.__cause__

    return Body


@cache
def _async_body(library: Any) -> Any:
    class AsyncBody(library.AsyncByteStream):  # type: ignore[misc]  # as above
        def __init__(self, answer: Any) -> None:
            self._answer = answer
            self.aclose = answer.close

        def __aiter__(self) -> AsyncIterator[bytes]:
            return self

        async def __anext__(self) -> bytes:
            try:
                piece: bytes = await anext(self._answer)
            except errors.httpx.TransportError as exception:
                raise _named(exception, library) from exception.__cause__
            return piece

    return AsyncBody


def _named(exception: Exception, library: Any) -> Exception:
    """Name a failure as this library does: our own connections use the names of the installed openai's."""
    if library is errors.httpx:
        return exception
    failure: Exception = getattr(library, type(exception).__name__)(str(exception))
    return failure
