"""The HTTP road: an OpenAI client's requests are answered inside the process.

`http_client()` and `async_http_client()` are the door for libraries that build their own OpenAI client:
`openai.OpenAI(http_client=dragoman.core.http_client())` reaches every provider.
"""

from __future__ import annotations

import asyncio
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import openai

from dragoman.core.codec import decode_json, encode_json
from dragoman.core.driver import AsyncDriver, Driver
from dragoman.core.errors import InvalidRequest, httpx, request_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from dragoman.core.dispatch import CallOptions, Dispatcher
    from dragoman.core.exchange import Exchange
    from dragoman.core.provider import Json

log = logging.getLogger("dragoman")

#: Under this name a request of our own client carries its `Binding`.
EXTENSION = "dragoman"
#: What an OpenAI client adds to every request for its own server; the rest is the caller's and goes on.
_OWN_HEADERS = re.compile(
    r"(?i)authorization|accept(-encoding)?|connection|content-(length|type)|host|user-agent|openai-.*|x-stainless-.*|idempotency-key"
)
#: Headers of a reply that described its bytes on the vendor's wire, not the ones handed on.
_WIRE_HEADERS = frozenset({"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"})
#: The endpoint of a URL, whatever base URL the client was given.
_ENDPOINT = re.compile(r"(?:.*/v\d+[^/]*/|.*/deployments/[^/]+/|/)?(.+)")


@dataclass(frozen=True, slots=True)
class Binding:
    """What our own client knows about a request that the HTTP form has no place for."""

    options: CallOptions
    base_path: str
    authorization: str


@dataclass(frozen=True, slots=True)
class _Asked:
    """An HTTP request, read."""

    endpoint: str
    method: str
    request: Json
    options: CallOptions


class _Transport:
    """What both colours share: reading the request, writing the response."""

    def __init__(self, dispatcher: Dispatcher, options: CallOptions) -> None:
        self.dispatcher = dispatcher
        self.options = options

    def __deepcopy__(self, memo: object) -> _Transport:
        """Be the same connection in a copied configuration (AutoGen copies its own deeply)."""
        return self

    def ask(self, request: Any, content: bytes) -> _Asked:
        """Read what is wanted out of an HTTP request."""
        binding: Binding | None = request.extensions.get(EXTENSION)
        path = request.url.path
        if binding is not None and path.startswith(binding.base_path):
            endpoint = path.removeprefix(binding.base_path).strip("/")
        else:
            match = _ENDPOINT.fullmatch(path)
            endpoint = match[1].strip("/") if match else ""
        options = self._options(request, binding)
        kind = request.headers.get("content-type", "")
        body: Json = {}
        if content and "json" in kind:
            body = _object(content)
        elif content:
            message = f"{kind or 'a body without a content type'} cannot be sent on: dragoman speaks JSON endpoints"
            raise InvalidRequest(message)
        return _Asked(endpoint, request.method, body, options)

    def _options(self, request: Any, binding: Binding | None) -> CallOptions:
        base = binding.options if binding is not None else self.options
        own = binding.authorization if binding is not None else None
        headers = {
            name: value
            for name, value in request.headers.items()
            if not _OWN_HEADERS.fullmatch(name) or (own is not None and name == "authorization" and value != own)
        }
        retries = base.max_retries
        if binding is None and request.headers.get("x-stainless-retry-count", "0") != "0":
            # The outer client is retrying what our sender has retried already.
            retries = 0
        timeout = request.extensions.get("timeout") or base.timeout
        query = {**base.query, **dict(request.url.params)}
        return replace(base, headers=headers, query=query, timeout=timeout, max_retries=retries)

    def whole(self, exchange: Exchange, body: Json) -> Any:
        """Answer with JSON, or with the vendor's own bytes where nothing was translated."""
        content = exchange.raw if exchange.raw is not None else encode_json(body)
        headers = reply_headers(exchange.headers)
        headers.setdefault("content-type", "application/json")
        return httpx.Response(200, headers=headers, content=content)

    def failure(self, exception: openai.APIStatusError) -> Any:
        """Answer with the failure, for the outer client to raise again; retries are over by now."""
        headers = reply_headers(exception.response.headers)
        headers.update({"content-type": "application/json", "x-should-retry": "false"})
        if exception.request_id:
            headers["x-request-id"] = exception.request_id
        return httpx.Response(exception.status_code, headers=headers, content=encode_json({"error": exception.body}))

    def stream_headers(self, exchange: Exchange) -> dict[str, str]:
        """Headers of a streamed answer."""
        return {**reply_headers(exchange.headers), "content-type": "text/event-stream"}


class Transport(_Transport, httpx.BaseTransport):  # type: ignore[misc]  # the library is chosen at run time
    """An httpx transport that never leaves the process but through a provider's sender."""

    def __init__(self, dispatcher: Dispatcher, options: CallOptions) -> None:
        super().__init__(dispatcher, options)
        self.driver = Driver()

    def handle_request(self, request: Any) -> Any:
        """Answer a request. Raises `openai.OpenAIError`, which the openai SDK hands on as it is."""
        try:
            asked = self.ask(request, request.read())
            if asked.endpoint == "models" and asked.method == "GET":
                return httpx.Response(200, json=self._models(asked.options))
            exchange = self.dispatcher.exchange(
                asked.request, asked.options, endpoint=asked.endpoint, method=asked.method
            )
            if exchange.call.stream:
                body = _Bytes(self.driver.stream(exchange, exchange.relay))
                return httpx.Response(200, headers=self.stream_headers(exchange), stream=body)
            return self.whole(exchange, self.driver.fetch(exchange))
        except openai.APIStatusError as exception:
            return self.failure(exception)

    def _models(self, options: CallOptions) -> Json:
        exchanges, problems = self.dispatcher.model_lists(options)
        with ThreadPoolExecutor(max_workers=8) as threads:
            answers = list(threads.map(self._try, exchanges.values()))
        return self.dispatcher.merge_models(dict(zip(exchanges, answers, strict=True)), problems)

    def _try(self, exchange: Exchange) -> Json | BaseException:
        try:
            return self.driver.fetch(exchange)
        except openai.OpenAIError as exception:
            return exception

    def close(self) -> None:
        """Close the providers' connections."""
        self.driver.close()


class AsyncTransport(_Transport, httpx.AsyncBaseTransport):  # type: ignore[misc]  # as above
    """`Transport` for the asynchronous side."""

    def __init__(self, dispatcher: Dispatcher, options: CallOptions) -> None:
        super().__init__(dispatcher, options)
        self.driver = AsyncDriver()

    async def handle_async_request(self, request: Any) -> Any:
        """Answer a request. Raises `openai.OpenAIError`, which the openai SDK hands on as it is."""
        try:
            asked = self.ask(request, await request.aread())
            if asked.endpoint == "models" and asked.method == "GET":
                return httpx.Response(200, json=await self._models(asked.options))
            exchange = self.dispatcher.exchange(
                asked.request, asked.options, endpoint=asked.endpoint, method=asked.method
            )
            if exchange.call.stream:
                body = _AsyncBytes(await self.driver.stream(exchange, exchange.relay))
                return httpx.Response(200, headers=self.stream_headers(exchange), stream=body)
            return self.whole(exchange, await self.driver.fetch(exchange))
        except openai.APIStatusError as exception:
            return self.failure(exception)

    async def _models(self, options: CallOptions) -> Json:
        exchanges, problems = self.dispatcher.model_lists(options)
        answers = await asyncio.gather(*map(self._try, exchanges.values()))
        return self.dispatcher.merge_models(dict(zip(exchanges, answers, strict=True)), problems)

    async def _try(self, exchange: Exchange) -> Json | BaseException:
        try:
            return await self.driver.fetch(exchange)
        except openai.OpenAIError as exception:
            return exception

    async def aclose(self) -> None:
        """Close the providers' connections."""
        await self.driver.close()


class _Bytes(httpx.SyncByteStream):  # type: ignore[misc]  # as above
    """A body that closes its exchange with it."""

    def __init__(self, items: Iterator[bytes]) -> None:
        self.items = items

    def __iter__(self) -> Iterator[bytes]:
        return self.items

    def close(self) -> None:
        self.items.close()  # type: ignore[attr-defined]  # the driver gives generators


class _AsyncBytes(httpx.AsyncByteStream):  # type: ignore[misc]  # as above
    """`_Bytes` for the asynchronous side."""

    def __init__(self, items: AsyncIterator[bytes]) -> None:
        self.items = items

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.items

    async def aclose(self) -> None:
        await self.items.aclose()  # type: ignore[attr-defined]  # the driver gives generators


def reply_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers of the vendor's reply that stay true of what is handed on."""
    kept = {name.lower(): value for name, value in headers.items() if name.lower() not in _WIRE_HEADERS}
    if found := request_id(headers):
        kept["x-request-id"] = found
    return kept


def _object(content: bytes) -> Json:
    try:
        body = decode_json(content)
    except ValueError as exception:
        message = f"the request body is not JSON: {exception}"
        raise InvalidRequest(message) from exception
    if not isinstance(body, dict):
        msg = "the request body must be a JSON object"
        raise InvalidRequest(msg)
    return body
