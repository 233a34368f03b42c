"""The HTTP road: an OpenAI client's requests are answered inside the process.

A transport takes the request where the network would begin, and gives back the response that the client waits
for; `doors` puts it into an HTTP client.
"""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import openai

from dragoman.core.arguments import parameters
from dragoman.core.codec import decode_json, encode_lenient
from dragoman.core.dispatch import Ask, no_such_endpoint
from dragoman.core.driver import AsyncDriver, Driver
from dragoman.core.errors import InvalidRequest, httpx, request_id
from dragoman.core.exchange import CHAT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from dragoman.core.dispatch import CallOptions, Dispatcher
    from dragoman.core.driver import AsyncPieces, Pieces
    from dragoman.core.exchange import Exchange
    from dragoman.core.provider import Json

#: Under this name a request of our own client carries its `Binding`.
EXTENSION = "dragoman"
#: Headers that are between an OpenAI client and the server it believes in.
_BETWEEN = re.compile(r"accept-encoding|connection|content-(length|type)|host|x-stainless-.*")
#: What a foreign OpenAI client says about itself: its key above all, which belongs to OpenAI.
_FOREIGN = re.compile(r"api-key|authorization|user-agent|openai-(organization|project)")
_ANY_TYPE = frozenset({"*/*", "application/json"})
#: Headers of a reply that described its bytes on the vendor's wire, not the ones handed on.
_WIRE_HEADERS = frozenset({"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"})
#: The endpoint of a URL, whatever base URL the client was given.
_ENDPOINT = re.compile(
    r"(?:.*?/deployments/.+?/(?=(?:audio|chat|completions|embeddings|images)\b)|.*?/v\d+[^/]*/|/)?(.*)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Binding:
    """What our own client knows about a request that the HTTP form has no place for.

    `own` are the headers that the client adds by itself, with names in lower case.
    """

    options: CallOptions
    base_path: str
    own: Mapping[str, str] = field(repr=False)


class _Transport:
    """What both colours share: reading the request, writing the response."""

    def __init__(self, dispatcher: Dispatcher, options: CallOptions) -> None:
        self.dispatcher = dispatcher
        self.options = options

    def __deepcopy__(self, memo: object) -> Self:
        """Be the same connection in a copied configuration (AutoGen copies its own deeply)."""
        return self

    def read(self, request: Any, content: bytes) -> tuple[Ask, CallOptions]:
        """Read what is wanted out of an HTTP request."""
        binding: Binding | None = request.extensions.get(EXTENSION)
        path = request.url.raw_path.partition(b"?")[0].decode()
        if binding is not None and path.startswith(binding.base_path):
            endpoint = path.removeprefix(binding.base_path).strip("/")
        else:
            endpoint = _ENDPOINT.sub(r"\1", path, count=1).strip("/")
        if not endpoint:
            raise no_such_endpoint(request.method, path)
        options = self._options(request, binding)
        kind = request.headers.get("content-type", "")
        if content and "json" not in kind:
            return Ask({}, endpoint, request.method, content, kind), options
        body = _object(content) if content else {}
        if binding is None and endpoint == CHAT:
            _set_apart(body)
        return Ask(body, endpoint, request.method), options

    def _options(self, request: Any, binding: Binding | None) -> CallOptions:
        if binding is None:
            options, headers = self.options, _foreign_headers(request.headers)
        else:
            options = binding.options
            headers = {
                name: value
                for name, value in request.headers.items()
                if not _BETWEEN.fullmatch(name) and binding.own.get(name) != value
            }
        # A header that the caller omitted from this request is not among the request's.
        defaults = {name: value for name, value in options.default_headers.items() if name in request.headers}
        timeout = request.extensions.get("timeout") or options.timeout
        return replace(options, headers=headers, default_headers=defaults, query=_query(request.url), timeout=timeout)

    def whole(self, exchange: Exchange, body: Json) -> Any:
        """Answer with JSON, or with the vendor's own bytes where nothing was translated."""
        listed = self.dispatcher.as_listed(exchange.call, body)
        raw = exchange.raw if listed is body else None
        headers = reply_headers(exchange.headers)
        headers.setdefault("content-type", "application/json")
        return httpx.Response(exchange.status, headers=headers, content=encode_lenient(listed) if raw is None else raw)

    def failure(self, exception: openai.APIStatusError) -> Any:
        """Answer with the failure, for the outer client to raise again; retries are over by now."""
        headers = reply_headers(exception.response.headers)
        headers.update({"content-type": "application/json", "x-should-retry": "false"})
        if exception.request_id:
            headers["x-request-id"] = exception.request_id
        return httpx.Response(exception.status_code, headers=headers, content=encode_lenient({"error": exception.body}))

    def stream_headers(self, exchange: Exchange) -> dict[str, str]:
        """Headers of a streamed answer."""
        headers = {"content-type": "text/event-stream", **reply_headers(exchange.headers)}
        if exchange.call.endpoint == CHAT:
            headers["content-type"] = "text/event-stream"
        return headers


class Transport(_Transport, httpx.BaseTransport):  # type: ignore[misc]  # the library is chosen at run time
    """An httpx transport that never leaves the process but through a provider's sender."""

    def __init__(self, dispatcher: Dispatcher, options: CallOptions) -> None:
        super().__init__(dispatcher, options)
        self.driver = Driver(dispatcher.sender)

    def handle_request(self, request: Any) -> Any:
        """Answer a request. Raises `openai.OpenAIError`, which the openai SDK hands on as it is."""
        try:
            ask, options = self.read(request, request.read())
            if ask.endpoint == "models" and ask.method == "GET":
                return httpx.Response(200, json=self._models(options))
            exchange = self.dispatcher.exchange(ask, options)
            if exchange.call.stream:
                body = _Bytes(self.driver.stream(exchange, exchange.relay))
                return httpx.Response(exchange.status, headers=self.stream_headers(exchange), stream=body)
            return self.whole(exchange, self.driver.fetch(exchange))
        except openai.APIStatusError as exception:
            if EXTENSION in request.extensions:
                # Our own client hands it on as it is, cause and all.
                raise
            return self.failure(exception)

    def _models(self, options: CallOptions) -> Json:
        exchanges, problems = self.dispatcher.model_lists(options)
        with ThreadPoolExecutor(max_workers=8) as threads:
            answers = list(threads.map(self._try, exchanges.values()))
        return self.dispatcher.merge_models(dict(zip(exchanges, answers, strict=True)), problems)

    def _try(self, exchange: Exchange) -> Json | BaseException:
        try:
            return self.driver.fetch(exchange)
        except Exception as exception:  # noqa: BLE001 (whatever is wrong with one provider is reported beside the others' lists)
            return exception

    def close(self) -> None:
        """Close the providers' connections."""
        self.driver.close()


class AsyncTransport(_Transport, httpx.AsyncBaseTransport):  # type: ignore[misc]  # as above
    """`Transport` for the asynchronous side."""

    def __init__(self, dispatcher: Dispatcher, options: CallOptions) -> None:
        super().__init__(dispatcher, options)
        self.driver = AsyncDriver(dispatcher.sender)

    async def handle_async_request(self, request: Any) -> Any:
        """Answer a request. Raises `openai.OpenAIError`, which the openai SDK hands on as it is."""
        try:
            ask, options = self.read(request, await request.aread())
            if ask.endpoint == "models" and ask.method == "GET":
                return httpx.Response(200, json=await self._models(options))
            exchange = self.dispatcher.exchange(ask, options)
            if exchange.call.stream:
                body = _AsyncBytes(await self.driver.stream(exchange, exchange.relay))
                return httpx.Response(exchange.status, headers=self.stream_headers(exchange), stream=body)
            return self.whole(exchange, await self.driver.fetch(exchange))
        except openai.APIStatusError as exception:
            if EXTENSION in request.extensions:
                # Our own client hands it on as it is, cause and all.
                raise
            return self.failure(exception)

    async def _models(self, options: CallOptions) -> Json:
        exchanges, problems = self.dispatcher.model_lists(options)
        answers = await asyncio.gather(*map(self._try, exchanges.values()))
        return self.dispatcher.merge_models(dict(zip(exchanges, answers, strict=True)), problems)

    async def _try(self, exchange: Exchange) -> Json | BaseException:
        try:
            return await self.driver.fetch(exchange)
        except Exception as exception:  # noqa: BLE001 (whatever is wrong with one provider is reported beside the others' lists)
            return exception

    async def aclose(self) -> None:
        """Close the providers' connections."""
        await self.driver.close()


class _Bytes(httpx.SyncByteStream):  # type: ignore[misc]  # as above
    """A body that closes its exchange with it."""

    def __init__(self, pieces: Pieces[bytes]) -> None:
        self.pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.pieces)

    def close(self) -> None:
        self.pieces.close()


class _AsyncBytes(httpx.AsyncByteStream):  # type: ignore[misc]  # as above
    """`_Bytes` for the asynchronous side."""

    def __init__(self, pieces: AsyncPieces[bytes]) -> None:
        self.pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self.pieces)

    async def aclose(self) -> None:
        await self.pieces.close()


def reply_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers of the vendor's reply that stay true of what is handed on."""
    kept = {name.lower(): value for name, value in headers.items() if name.lower() not in _WIRE_HEADERS}
    if found := request_id(headers):
        kept["x-request-id"] = found
    return kept


def _foreign_headers(headers: Any) -> dict[str, str]:
    """What the caller of a foreign client says beyond what such clients always say."""
    return {
        name: value
        for name, value in headers.items()
        if not _BETWEEN.fullmatch(name)
        and not _FOREIGN.fullmatch(name)
        and not (name == "accept" and value in _ANY_TYPE)
    }


def _query(url: Any) -> dict[str, object]:
    """The query's values; the SDK writes lists as `name[]` repeated, and will write ours so again."""
    query: dict[str, Any] = {}
    for name, value in url.params.multi_items():
        if name.endswith("[]"):
            query.setdefault(name.removesuffix("[]"), []).append(value)
        else:
            query[name] = value
    return query


def _set_apart(body: Json) -> None:
    """Tell the caller's own keys from OpenAI's, which a foreign client has merged."""
    strange = body.keys() - set(parameters()) - {"dragoman", "extra_body"}
    if strange:
        extra = {name: body.pop(name) for name in [*body] if name in strange}
        body["extra_body"] = {**extra, **(body.get("extra_body") or {})}


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
