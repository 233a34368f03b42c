"""A plain HTTP sender, for vendors without an SDK, with a retry loop of its own."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from dragoman.core.errors import httpx
from dragoman.core.provider import Call
from dragoman.core.senders import async_reply_of, check_headers, refuse_offline, reply_of

if TYPE_CHECKING:
    from dragoman.core.provider import AsyncReply, AsyncSender, Reply, Sender, Wire

#: Headers of every request; a function is asked for them with each call, whose own `api_key` goes first.
Headers = Mapping[str, str] | Callable[[Call], Mapping[str, str]]

_RETRIES = 2
_RETRIED = frozenset({408, 409, 429})
_SERVER_ERRORS = 500
#: Seconds: the first pause and the longest, and how long a server may ask us to wait.
_FIRST, _LONGEST, _PATIENCE = 0.5, 8.0, 60.0


def http_sender(base_url: str, headers: Headers | None = None) -> Sender:
    """Send with the HTTP library of the installed openai: `httpx2` with openai 3, `httpx` with openai 2.

    A call is retried up to `call.max_retries` times (2 unless given) after a connection error, a time-out, and
    the statuses 408, 409, 429 and 5xx; after the server's `Retry-After`, if that is a minute at most. Redirects
    are not followed, since the headers may hold a key. Time-outs and connection errors of the library are raised.
    """
    return _HttpSender(base_url, headers, httpx.Client())


def async_http_sender(base_url: str, headers: Headers | None = None) -> AsyncSender:
    """`http_sender` for the asynchronous side."""
    return _AsyncHttpSender(base_url, headers, httpx.AsyncClient())


class _Http:
    """What both colours share: which request to make of a wire, and when to try again."""

    def __init__(self, base_url: str, headers: Headers | None, client: Any) -> None:
        self.base_url = base_url.rstrip("/")
        self.headers = headers or {}
        self.client = client

    def request(self, call: Call, wire: Wire) -> Any:
        """Make the HTTP request. Raises `DragomanError` for what must not or cannot be sent."""
        refuse_offline(self.base_url)
        own = self.headers(call) if callable(self.headers) else self.headers
        headers = httpx.Headers()
        if wire.content is not None:
            headers["content-type"] = "application/json"
        for more in (own, wire.headers, call.extra_headers):
            check_headers(more, call.provider)
            headers.update(more)
        timeout = call.timeout
        return self.client.build_request(
            wire.method,
            self.base_url + wire.path,
            content=wire.content,
            headers=headers,
            params=dict(call.extra_query) or None,
            timeout=httpx.Timeout(None, **timeout) if isinstance(timeout, Mapping) else timeout,
        )

    def pauses(self, call: Call) -> list[float]:
        """How long to wait before each retry, where the server does not say."""
        retries = _RETRIES if call.max_retries is None else call.max_retries
        return [min(_FIRST * 2**number, _LONGEST) * random.uniform(0.75, 1) for number in range(retries)]  # noqa: S311 (no secret: it spreads clients apart)


def _pause(response: Any, default: float) -> float | None:
    """Return the seconds to wait before the request is sent again; None: the answer stands."""
    status, headers = response.status_code, response.headers
    wanted = headers.get("x-should-retry")
    retriable = status in _RETRIED or status >= _SERVER_ERRORS
    if wanted == "false" or not (retriable or wanted == "true"):
        return None
    asked = _retry_after(headers)
    if asked is None:
        return default
    return max(asked, 0) if asked <= _PATIENCE else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read how many seconds the server asks us to wait: a number, or a date."""
    with suppress(KeyError, ValueError):
        return float(headers["retry-after-ms"]) / 1000
    text = headers.get("retry-after", "")
    with suppress(ValueError):
        return float(text)
    with suppress(ValueError):
        return parsedate_to_datetime(text).timestamp() - time.time()
    return None


def _streamed(call: Call, response: Any) -> bool:
    """Whether the body is left to be read piece by piece; a failure's is always read."""
    return bool(call.stream and response.is_success)


class _HttpSender(_Http):
    def send(self, call: Call, wire: Wire) -> Reply:
        for pause in self.pauses(call):
            try:
                response = self._try(call, wire)
            except httpx.TransportError:
                time.sleep(pause)
                continue
            wait = _pause(response, pause)
            if wait is None:
                return reply_of(response, stream=_streamed(call, response))
            response.close()
            time.sleep(wait)
        response = self._try(call, wire)
        return reply_of(response, stream=_streamed(call, response))

    def _try(self, call: Call, wire: Wire) -> Any:
        response = self.client.send(self.request(call, wire), stream=True)
        if not _streamed(call, response):
            try:
                response.read()
            finally:
                response.close()
        return response

    def close(self) -> None:
        self.client.close()


class _AsyncHttpSender(_Http):
    async def send(self, call: Call, wire: Wire) -> AsyncReply:
        for pause in self.pauses(call):
            try:
                response = await self._try(call, wire)
            except httpx.TransportError:
                await asyncio.sleep(pause)
                continue
            wait = _pause(response, pause)
            if wait is None:
                return async_reply_of(response, stream=_streamed(call, response))
            await response.aclose()
            await asyncio.sleep(wait)
        response = await self._try(call, wire)
        return async_reply_of(response, stream=_streamed(call, response))

    async def _try(self, call: Call, wire: Wire) -> Any:
        response = await self.client.send(self.request(call, wire), stream=True)
        if not _streamed(call, response):
            try:
                await response.aread()
            finally:
                await response.aclose()
        return response

    async def close(self) -> None:
        await self.client.aclose()
