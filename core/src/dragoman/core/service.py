"""Answers to OpenAI's requests, in HTTP's words but without an HTTP library.

The HTTP road puts them into the responses of one (`transport`); a server writes them to its sockets.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dragoman.core.arguments import names
from dragoman.core.asks import Ask
from dragoman.core.codec import decode_json, encode_lenient
from dragoman.core.driver import AsyncDriver, Driver
from dragoman.core.errors import InvalidRequest, request_id
from dragoman.core.exchange import CHAT
from dragoman.core.watches import WATCHED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import openai

    from dragoman.core.asks import CallOptions
    from dragoman.core.dispatch import Dispatcher
    from dragoman.core.driver import AsyncPieces, Pieces, Step
    from dragoman.core.exchange import Exchange
    from dragoman.core.provider import Call, Json

_JSON = "application/json"
_EVENTS = "text/event-stream"
#: Headers of a reply that described its bytes on the vendor's wire, not the ones handed on.
_WIRE_HEADERS = frozenset({"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"})


@dataclass(slots=True)
class Answer:
    """An answer: `content` whole, or `pieces` as they come, whose `close` ends the call.

    `call` is what was asked of the provider; None for a list of models, which asks many, and where nobody was asked.
    """

    status: int
    headers: dict[str, str]
    content: bytes = b""
    pieces: Pieces[bytes] | None = None
    call: Call | None = None


@dataclass(slots=True)
class AsyncAnswer:
    """`Answer` for the asynchronous side."""

    status: int
    headers: dict[str, str]
    content: bytes = b""
    pieces: AsyncPieces[bytes] | None = None
    call: Call | None = None


class Service:
    """Answers for one client, by its dispatcher's providers."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher
        self.driver = Driver(dispatcher.tapes, dispatcher.sender)

    def answer(self, ask: Ask, options: CallOptions) -> Answer:
        """Answer a request. Raises `openai.OpenAIError`: `failure` makes an answer of one with a status."""
        if _lists_models(ask):
            return Answer(200, {"content-type": _JSON}, encode_lenient(self._models(options)))
        if own := self.dispatcher.own_model(ask):
            return Answer(200, {"content-type": _JSON}, encode_lenient(own))
        exchange = self.dispatcher.exchange(ask, options)
        if exchange.call.stream:
            pieces = self.driver.stream(exchange, _step(ask, exchange))
            return Answer(exchange.status, _stream_headers(exchange), pieces=pieces, call=exchange.call)
        content = _whole(self.dispatcher, ask, exchange, self.driver.fetch(exchange))
        return Answer(exchange.status, _headers(exchange), content, call=exchange.call)

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


class AsyncService:
    """`Service` for the asynchronous side."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher
        self.driver = AsyncDriver(dispatcher.tapes, dispatcher.sender)

    async def answer(self, ask: Ask, options: CallOptions) -> AsyncAnswer:
        """Answer a request. Raises `openai.OpenAIError`: `failure` makes an answer of one with a status."""
        if _lists_models(ask):
            return AsyncAnswer(200, {"content-type": _JSON}, encode_lenient(await self._models(options)))
        if own := self.dispatcher.own_model(ask):
            return AsyncAnswer(200, {"content-type": _JSON}, encode_lenient(own))
        exchange = self.dispatcher.exchange(ask, options)
        if exchange.call.stream:
            pieces = await self.driver.stream(exchange, _step(ask, exchange))
            return AsyncAnswer(exchange.status, _stream_headers(exchange), pieces=pieces, call=exchange.call)
        content = _whole(self.dispatcher, ask, exchange, await self.driver.fetch(exchange))
        return AsyncAnswer(exchange.status, _headers(exchange), content, call=exchange.call)

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


def read_ask(
    endpoint: str, method: str = "POST", content: bytes = b"", content_type: str = "", *, foreign: bool = True
) -> Ask:
    """Read what is wanted out of an HTTP request's body: JSON, or a form, which stays as it is.

    `foreign`: it comes from an OpenAI client, which merges the caller's `extra_body` with OpenAI's own parameters.
    Raises `InvalidRequest` for what is no JSON object.
    """
    if content and content_type and "json" not in content_type:
        return Ask({}, endpoint, method, content, content_type)
    body = _object(content) if content else {}
    return make_ask(body, endpoint, method) if foreign else Ask(body, endpoint, method)


def make_ask(body: Json, endpoint: str, method: str = "POST") -> Ask:
    """Make of a foreign client's JSON what is wanted; `body` becomes the ask's own."""
    if endpoint == CHAT:
        _set_apart(body)
    return Ask(body, endpoint, method)


def failure(exception: openai.APIStatusError) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and OpenAI's error JSON of a failure. Whoever reads it must not retry: that was done."""
    headers = reply_headers(exception.response.headers)
    headers.update({"content-type": _JSON, "x-should-retry": "false"})
    if exception.request_id:
        headers["x-request-id"] = exception.request_id
    return exception.status_code, headers, encode_lenient({"error": exception.body})


def reply_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers of the vendor's reply that stay true of what is handed on."""
    kept = {name.lower(): value for name, value in headers.items() if name.lower() not in _WIRE_HEADERS}
    if found := request_id(headers):
        kept["x-request-id"] = found
    return kept


def _batches(write: Step[bytes]) -> Step[bytes]:
    """Give all that one piece says at once, which costs whoever sends it on one write."""

    def step(piece: bytes | None) -> Iterator[bytes]:
        parts: list[bytes] = []
        failure = None
        try:
            for part in write(piece):
                parts.append(part)  # noqa: PERF402 (what came before a failure is given first)
        except Exception as exception:  # noqa: BLE001 (raised again)
            failure = exception
        if parts:
            yield b"".join(parts)
        if failure is not None:
            raise failure

    return step


def _lists_models(ask: Ask) -> bool:
    return ask.endpoint == "models" and ask.method == "GET"


def _step(ask: Ask, exchange: Exchange) -> Step[bytes]:
    """What comes out of a stream: the caller's dialect, or what is handed on."""
    if ask.writer is None:
        return _batches(exchange.relay)
    write = ask.writer.step(exchange)
    return _batches(lambda piece: exchange.relay(piece) if exchange.passes else write(piece))


def _whole(dispatcher: Dispatcher, ask: Ask, exchange: Exchange, body: Json) -> bytes:
    """JSON, or the vendor's own bytes where nothing was translated."""
    if ask.writer is not None and not exchange.passes:
        return ask.writer.whole(body)
    listed = dispatcher.as_listed(exchange.call, body)
    raw = exchange.raw if listed is body else None
    return encode_lenient(listed) if raw is None else raw


def _headers(exchange: Exchange) -> dict[str, str]:
    headers = reply_headers(exchange.headers)
    if exchange.raw != b"":
        headers.setdefault("content-type", _JSON)
    return headers


def _stream_headers(exchange: Exchange) -> dict[str, str]:
    headers = {"content-type": _EVENTS, **reply_headers(exchange.headers)}
    labelled_json = headers["content-type"].startswith(_JSON) and exchange.call.endpoint in WATCHED
    if exchange.call.endpoint == CHAT or labelled_json:
        headers["content-type"] = _EVENTS
    return headers


def _set_apart(body: Json) -> None:
    """Tell the caller's own keys from OpenAI's, which a foreign client has merged."""
    strange = body.keys() - names() - {"dragoman", "extra_body"}
    if strange:
        given = body.get("extra_body")
        if not isinstance(given, dict | None):
            msg = "extra_body must be an object"
            raise InvalidRequest(msg)
        extra = {name: body.pop(name) for name in [*body] if name in strange}
        body["extra_body"] = {**extra, **(given or {})}


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
