"""The HTTP road: an OpenAI client's requests are answered inside the process.

A transport takes the request where the network would begin, and gives back the response that the client waits
for; `doors` puts it into an HTTP client.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import openai

from dragoman.core.dispatch import no_such_endpoint
from dragoman.core.errors import httpx
from dragoman.core.service import AsyncService, Service, failure, read_ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from dragoman.core.asks import Ask, CallOptions
    from dragoman.core.dispatch import Dispatcher
    from dragoman.core.driver import AsyncPieces, Pieces

#: Under this name a request of our own client carries its `Binding`.
EXTENSION = "dragoman"
#: Headers that are between an OpenAI client and the server it believes in.
_BETWEEN = re.compile(r"accept-encoding|connection|content-(length|type)|host|x-stainless-.*")
#: What a foreign OpenAI client says about itself: its key above all, which belongs to OpenAI.
_FOREIGN = re.compile(r"api-key|authorization|user-agent|openai-(organization|project)")
_ANY_TYPE = frozenset({"*/*", "application/json"})
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
    """What both colours share: reading the request."""

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
        return read_ask(endpoint, request.method, content, kind, foreign=binding is None), options

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


class Transport(_Transport, httpx.BaseTransport):  # type: ignore[misc]  # the library is chosen at run time
    """An httpx transport that never leaves the process but through a provider's sender."""

    def __init__(self, dispatcher: Dispatcher, options: CallOptions) -> None:
        super().__init__(dispatcher, options)
        self.service = Service(dispatcher)
        self.driver = self.service.driver

    def handle_request(self, request: Any) -> Any:
        """Answer a request. Raises `openai.OpenAIError`, which the openai SDK hands on as it is."""
        try:
            answer = self.service.answer(*self.read(request, request.read()))
        except openai.APIStatusError as exception:
            return _failed(request, exception)
        body = {"content": answer.content} if answer.pieces is None else {"stream": _Bytes(answer.pieces)}
        return httpx.Response(answer.status, headers=answer.headers, **body)

    def close(self) -> None:
        """Close the providers' connections."""
        self.service.close()


class AsyncTransport(_Transport, httpx.AsyncBaseTransport):  # type: ignore[misc]  # as above
    """`Transport` for the asynchronous side."""

    def __init__(self, dispatcher: Dispatcher, options: CallOptions) -> None:
        super().__init__(dispatcher, options)
        self.service = AsyncService(dispatcher)
        self.driver = self.service.driver

    async def handle_async_request(self, request: Any) -> Any:
        """Answer a request. Raises `openai.OpenAIError`, which the openai SDK hands on as it is."""
        try:
            answer = await self.service.answer(*self.read(request, await request.aread()))
        except openai.APIStatusError as exception:
            return _failed(request, exception)
        body = {"content": answer.content} if answer.pieces is None else {"stream": _AsyncBytes(answer.pieces)}
        return httpx.Response(answer.status, headers=answer.headers, **body)

    async def aclose(self) -> None:
        """Close the providers' connections."""
        await self.service.aclose()


def _failed(request: Any, exception: openai.APIStatusError) -> Any:
    """Answer with the failure, for the outer client to raise again."""
    if EXTENSION in request.extensions:
        # Our own client hands it on as it is, cause and all.
        raise exception
    status, headers, content = failure(exception)
    return httpx.Response(status, headers=headers, content=content)


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
