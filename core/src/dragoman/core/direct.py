"""Our own HTTP senders: straight to the vendor, with a plain key, and no SDK in between.

The synchronous one is the standard library's, the asynchronous one aiohttp's, or httpx's where that is not there.
What they send and when they send it again is said here, once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import util
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, urlsplit

from dragoman.core.connections import Connections
from dragoman.core.credentials import Credentials
from dragoman.core.errors import PluginError, httpx, made_response
from dragoman.core.headerlists import add_headers
from dragoman.core.inflating import ACCEPTED
from dragoman.core.leanclients import aiohttp_serves
from dragoman.core.offline import refuse_offline
from dragoman.core.outgoing import GOOD, Outgoing, phases
from dragoman.core.provider import AsyncReply, Call, Reply
from dragoman.core.proxies import PORTS, basic_auth, proxy_for
from dragoman.core.retries import retry_pauses, retry_wait
from dragoman.core.senders import check_headers

if TYPE_CHECKING:
    from dragoman.core.provider import AsyncSender, Provider, Sender, Wire

#: Headers of every request; a function is asked for them with each call, whose own `api_key` goes first.
Headers = Mapping[str, str] | Callable[[Call], Mapping[str, str]]

#: What may stand in an address as it is.
_PLAIN = "/%:@!$&'()*+,;=~?[]"


def http_sender(base_url: str, headers: Headers | None = None) -> Sender:
    """Send over plain HTTP, for vendors without an SDK.

    A call is retried up to `call.max_retries` times (2 unless given) after a connection error, a time-out, and
    the statuses 408, 409, 429 and 5xx; after the server's `Retry-After`, if that is two minutes at most. Redirects
    are not followed, since the headers may hold a key. Failures are raised as the exceptions of the HTTP library of
    the installed openai: `httpx2` with openai 3, `httpx` with openai 2.
    """
    return _HttpSender(_Http(base_url, headers))


def async_http_sender(base_url: str, headers: Headers | None = None) -> AsyncSender:
    """`http_sender` for the asynchronous side, through aiohttp where that is installed, else that HTTP library."""
    http = _Http(base_url, headers)
    if aiohttp_serves():
        return _over_aiohttp(http)
    from dragoman.core.httpxclients import HttpxClient

    return _AsyncHttpSender(http, HttpxClient())


def direct_sender(provider: Provider) -> Sender:
    """Send to a provider with its plain key, without its SDK. Raises `DragomanError` where that cannot be."""
    return _HttpSender(_Http(provider.base_url, Credentials(provider), provider.sdk_options.get("default_query")))


def async_direct_sender(provider: Provider) -> AsyncSender:
    """`direct_sender` for the asynchronous side, through aiohttp. Raises `PluginError` if that is not installed."""
    need_aiohttp()
    return _over_aiohttp(_Http(provider.base_url, Credentials(provider), provider.sdk_options.get("default_query")))


def need_aiohttp() -> None:
    """Raise `PluginError` if aiohttp is not installed."""
    if util.find_spec("aiohttp") is None:
        message = "sender='direct' needs aiohttp for asynchronous calls: pip install 'dragoman-core[direct]'"
        raise PluginError(message)


def _over_aiohttp(http: _Http) -> AsyncSender:
    from dragoman.core.sessions import Sessions

    return _AsyncHttpSender(http, Sessions(http.origin, http.proxy))


class _Http:
    """What both colours share: which request to make of a wire, and which reply of a failure."""

    def __init__(self, base_url: str, headers: Headers | None, query: Mapping[str, object] | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        parts = urlsplit(self.base_url)
        self.origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self.proxy = proxy_for(base_url) if parts.scheme in {"http", "https"} else None
        self._path = parts.path
        self._headers = headers or {}
        self._query = query or {}
        self._usual = {
            "host": _host(parts),
            "accept": "*/*",
            "accept-encoding": ACCEPTED,
            "user-agent": f"dragoman/{_version()}",
        }
        if parts.username:
            self._usual["authorization"] = basic_auth(parts)

    def request(self, call: Call, wire: Wire) -> Outgoing:
        """Make the HTTP request. Raises `DragomanError` for what must not or cannot be sent."""
        refuse_offline(self.base_url)
        if not self.origin.startswith(("http://", "https://")):
            message = f"the address {self.origin!r} of {call.provider} begins with neither http:// nor https://"
            raise httpx.UnsupportedProtocol(message)
        headers = dict(self._usual)
        if wire.content is not None:
            headers["content-type"] = "application/json"
        if wire.content is not None or wire.method != "GET":
            headers["content-length"] = str(len(wire.content or b""))
        own = self._headers(call) if callable(self._headers) else self._headers
        for more in (own, wire.headers, call.extra_headers):
            if more:
                check_headers(more, call.provider)
                add_headers(headers, {name.lower(): value for name, value in more.items()})
        target = self._path + wire.path
        if self._query or call.extra_query:
            query = "&".join(_pairs({**self._query, **call.extra_query}))
            target += ("&" if "?" in target else "?") + query
        if not target.isascii() or not target.isprintable() or " " in target:
            target = quote(target, safe=_PLAIN)
        return Outgoing(wire.method, self.origin, target, headers, wire.content, phases(call.timeout), call.stream)


def _host(parts: SplitResult) -> str:
    """What a server is asked for: its name, and the port if that is not the usual one."""
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host if host.isascii() else host.encode("idna").decode()
    return host if parts.port in {None, PORTS.get(parts.scheme)} else f"{host}:{parts.port}"


def _pairs(query: Mapping[str, object], within: str = "") -> Iterator[str]:
    """Write a query as the openai SDK does: `a[]=1&a[]=2`, `a[b]=c`, true and false."""
    for name, value in query.items():
        key = f"{within}[{name}]" if within else str(name)
        if isinstance(value, Mapping):
            yield from _pairs(value, key)
        elif isinstance(value, list | tuple):
            for item in value:
                yield f"{quote(key, safe='[]')}[]={quote(_text(item), safe='')}"
        else:
            yield f"{quote(key, safe='[]')}={quote(_text(value), safe='')}"


def _text(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "", True: "true", False: "false"}[value]
    return str(value)


class _HttpSender:
    def __init__(self, http: _Http) -> None:
        self._http = http
        self._connections = Connections(http.origin, http.proxy)

    def send(self, call: Call, wire: Wire) -> Reply:
        sent = self._http.request(call, wire)
        for pause in retry_pauses(call):
            try:
                answer = self._connections.open(sent)
                streams = sent.streams and answer.status in GOOD
                content = b"" if streams else answer.read()
            except httpx.TransportError:
                if pause is None:
                    raise
                time.sleep(pause)
                continue
            wait = retry_wait(answer.status, answer.headers, pause)
            if wait is None:
                break
            answer.close()
            time.sleep(wait)
        if streams:
            sent.forget()
            return Reply(answer.status, answer.headers, pieces=answer.pieces(), close=answer.close)
        return Reply(answer.status, answer.headers, content, response=_failed(answer, sent, content))

    def close(self) -> None:
        self._connections.close()


class _AsyncHttpSender:
    def __init__(self, http: _Http, client: Any) -> None:
        self._http = http
        self._client = client

    async def send(self, call: Call, wire: Wire) -> AsyncReply:
        sent = self._http.request(call, wire)
        for pause in retry_pauses(call):
            try:
                answer = await self._client.open(sent)
                streams = sent.streams and answer.status in GOOD
                content = b"" if streams else await answer.read()
            except httpx.TransportError:
                if pause is None:
                    raise
                await asyncio.sleep(pause)
                continue
            wait = retry_wait(answer.status, answer.headers, pause)
            if wait is None:
                break
            await answer.close()
            await asyncio.sleep(wait)
        if streams:
            sent.forget()
            return AsyncReply(answer.status, answer.headers, pieces=answer.pieces(), close=answer.close)
        return AsyncReply(answer.status, answer.headers, content, response=_failed(answer, sent, content))

    async def close(self) -> None:
        await self._client.close()


def _failed(answer: Any, sent: Outgoing, content: bytes) -> Any:
    """Make the HTTP library's response of a failure, for `exception.response`; a success needs none."""
    if answer.status in GOOD:
        return None
    response = made_response(answer.status, answer.headers, content)
    # Without its headers: one of them holds the key.
    response.request = httpx.Request(sent.method, sent.url)
    return response


@cache
def _version() -> str:
    from importlib.metadata import version

    return version("dragoman-core")
