"""OpenAI's JSON -> the SDK's own objects: completions, chunks, and streams that close the provider's."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import openai
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import ValidationError

from dragoman.core.errors import a_request, httpx, request_id
from dragoman.core.exchange import CHAT, Exchange
from dragoman.core.service import reply_headers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from dragoman.core.driver import AsyncPieces, Pieces
    from dragoman.core.provider import Json


def completion(body: Json, exchange: Exchange) -> ChatCompletion:
    """Make the SDK's object of a whole answer."""
    try:
        made = ChatCompletion.model_validate(body)
    except ValidationError:
        # A value that the SDK's types do not know yet: its own lenient way, which is slower.
        made = ChatCompletion.construct(**body)
    made._request_id = request_id(exchange.headers)  # noqa: SLF001 (where the SDK itself puts it)
    return made


def chunks(exchange: Exchange) -> Callable[[bytes | None], Iterator[ChatCompletionChunk]]:
    """Return the step that makes the SDK's chunks of each piece of a streamed body."""
    return lambda piece: map(_chunk, exchange.feed(piece))


# What `model_validate` calls in the end: a stream has hundreds of chunks.
_validate_chunk = ChatCompletionChunk.__pydantic_validator__.validate_python


def _chunk(chunk: Json) -> ChatCompletionChunk:
    try:
        found: ChatCompletionChunk = _validate_chunk(chunk)
    except ValidationError:
        return ChatCompletionChunk.construct(**chunk)
    return found


class ChunkStream(openai.Stream[ChatCompletionChunk]):
    """The SDK's stream over chunks that are here already; closing its response closes the provider's."""

    def __init__(self, chunks: Pieces[ChatCompletionChunk], exchange: Exchange) -> None:
        self._chunks = chunks
        self._exchange = exchange
        self._iterator = iter(chunks)

    @cached_property
    def response(self) -> Any:  # type: ignore[override]  # this can be set, too
        """The HTTP response; made when asked for, since hundreds of open streams would each hold one."""
        return _response(self._exchange, _Closing(self._chunks))

    def close(self) -> None:
        """Close the provider's answer."""
        self._chunks.close()

    def __iter__(self) -> Iterator[ChatCompletionChunk]:
        return self._iterator


class AsyncChunkStream(openai.AsyncStream[ChatCompletionChunk]):
    """`ChunkStream` for the asynchronous side."""

    def __init__(self, chunks: AsyncPieces[ChatCompletionChunk], exchange: Exchange) -> None:
        self._chunks = chunks
        self._exchange = exchange
        self._iterator = aiter(chunks)

    @cached_property
    def response(self) -> Any:  # type: ignore[override]  # this can be set, too
        """The HTTP response; see `ChunkStream`."""
        return _response(self._exchange, _AsyncClosing(self._chunks))

    async def close(self) -> None:
        """Close the provider's answer."""
        await self._chunks.close()

    def __aiter__(self) -> AsyncIterator[ChatCompletionChunk]:
        return self._iterator


class _Closing(httpx.SyncByteStream):  # type: ignore[misc]  # the library is chosen at run time
    def __init__(self, chunks: Pieces[ChatCompletionChunk]) -> None:
        self.chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return iter(())

    def close(self) -> None:
        self.chunks.close()


class _AsyncClosing(httpx.AsyncByteStream):  # type: ignore[misc]  # as above
    def __init__(self, chunks: AsyncPieces[ChatCompletionChunk]) -> None:
        self.chunks = chunks

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration

    async def aclose(self) -> None:
        await self.chunks.close()


def _response(exchange: Exchange, stream: Any) -> Any:
    headers = reply_headers(exchange.headers)
    return httpx.Response(200, headers=headers, stream=stream, request=a_request(CHAT))
