"""Python code as a provider: a function, or a class with the methods of AutoGen's `ModelClient`.

AutoGen's protocol: https://microsoft.github.io/autogen/0.2/docs/notebooks/agentchat_custom_model. Whatever such code
raises is an error of the one call, and another entry of a configuration list may answer.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import json
import threading
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from dragoman.core import errors
from dragoman.core.assembly import Assembly
from dragoman.core.chunks import Chunks, cut
from dragoman.core.costs import report_costs_of
from dragoman.core.functions import async_function_sender, function_sender
from dragoman.core.loops import Loop
from dragoman.core.provider import Call, Json, Provider, StreamCutError, VendorError, Wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dragoman.core.provider import AsyncReply, AsyncSender, Reply, Sender

#: What means the same whoever raises it: a report of a failure, the system, a package that is not there.
_SPEAKS_FOR_ITSELF = (VendorError, StreamCutError, OSError, ImportError)
#: Keys of an entry that AutoGen does not hand to `create`.
_NOT_PARAMETERS = frozenset(
    {
        *("admin_api_key", "allow_format_str_template", "api_key", "api_rate_limit", "api_type", "api_version"),
        *("azure_ad_token", "azure_ad_token_provider", "azure_deployment", "azure_endpoint", "base_url", "cache"),
        *("cache_seed", "context", "default_headers", "default_query", "filter_func", "http_client", "max_retries"),
        *("model_client_cls", "organization", "price", "project", "tags", "timeout"),
    }
)


class FunctionProvider(Provider):
    """A function `(request) -> text | dict | iterator`, sync or async; models are called `<name>/…`.

    `request` is OpenAI's chat JSON, the function's own. A dict is a message (`content`, `tool_calls`, … and, if
    known, `usage`) or a whole completion (`choices`). An iterator gives texts, deltas, or OpenAI's chunks. A stream of
    a function that answers whole comes in one piece, and an answer of one that iterates is put together. `name` is the
    function's unless given.
    """

    base_url = ""
    endpoints: ClassVar[frozenset[str] | None] = frozenset({"chat"})

    def __init__(self, function: Callable[[Json], Any], *, name: str | None = None) -> None:
        own = getattr(function, "__name__", "")
        super().__init__(name=name or (own if own.isidentifier() else "function"))
        self.function = function

    def __repr__(self) -> str:
        """Name and code."""
        return f"<{type(self).__name__} {self.name!r}>"

    def ask(self, call: Call, wire: Wire) -> Any:
        """Call the function."""
        return self.function(copy.deepcopy(wire.body or call.request))

    def sender(self) -> Sender:
        """Ask in the caller's thread; what is asynchronous runs on a loop in another one."""
        return function_sender(functools.partial(_answer, self))

    def async_sender(self) -> AsyncSender:
        """Ask on the caller's loop; what is not asynchronous runs in another thread."""
        return _AsyncSender(self)


class ModelClientProvider(FunctionProvider):
    """A class with AutoGen's `create`, `message_retrieval`, `cost` and `get_usage`; models are called `<name>/…`.

    It is made on the first call, with `config` (a copy of the configuration list's entry, for AutoGen's classes) and
    `options`. `create` is asked for whole answers only: a stream's is cut into chunks. `name` is the class's unless
    given.
    """

    def __init__(
        self, model_client: Any, config: Mapping[str, Any] | None = None, *, name: str | None = None, **options: Any
    ) -> None:
        made = model_client.func if isinstance(model_client, functools.partial) else model_client
        super().__init__(self._complete, name=name or getattr(made, "__name__", type(made).__name__))
        self.model_client = model_client
        self.config = {key: value for key, value in (config or {}).items() if key != "api_rate_limit"}
        self.options = options
        self._client: Any = None
        self._lock = threading.Lock()
        report_costs_of(self.name)

    def ask(self, call: Call, wire: Wire) -> Any:
        """Ask for a whole answer, with the entry's own keys beside the request's."""
        request = copy.deepcopy(wire.body or call.request)
        for key in ("stream", "stream_options"):
            request.pop(key, None)
        own = {key: value for key, value in self.config.items() if key not in _NOT_PARAMETERS}
        return self._complete({"model_client_cls": self.name, **own, **request})

    def _complete(self, params: Json) -> Json:
        client = self._made()
        response = client.create(params)
        messages = [_message(item) for item in client.message_retrieval(response)]
        choices = list(getattr(response, "choices", ()))
        reasons = [getattr(choice, "finish_reason", None) for choice in choices]
        reasons += [None] * len(messages)
        return {
            "model": getattr(response, "model", None),
            "choices": [
                {"index": number, "message": message, "finish_reason": reason}
                for number, (message, reason) in enumerate(zip(messages, reasons, strict=False))
            ],
            "usage": _usage(client, response),
        }

    def _made(self) -> Any:
        with self._lock:
            if self._client is None:
                makes = inspect.isclass(self.model_client) or isinstance(self.model_client, functools.partial)
                self._client = self.model_client(dict(self.config), **self.options) if makes else self.model_client
            return self._client


def code_provider(code: Any, config: Mapping[str, Any]) -> Provider:
    """Make the provider of what stands as `model_client_cls` in an entry: a class, an instance, or a function."""
    if isinstance(code, str):
        message = f"model_client_cls is the text {code!r}; give the class itself, or register it with the framework"
        raise errors.ConfigError(message)
    if inspect.isclass(code) or isinstance(code, functools.partial) or hasattr(code, "create"):
        return ModelClientProvider(code, config)
    return FunctionProvider(code)


class _AsyncSender:
    def __init__(self, provider: FunctionProvider) -> None:
        self.provider = provider

    async def send(self, call: Call, wire: Wire) -> AsyncReply:
        with _blamed(self.provider):
            function = self.provider.function
            if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
                value = self.provider.ask(call, wire)
            else:
                value = await asyncio.to_thread(self.provider.ask, call, wire)
            if isinstance(value, Awaitable):
                value = await value
        items = _aitems(self.provider, value)
        if items is None:
            answer: Any = _ready(_whole(self.provider, call, value))
        elif call.stream:
            answer = _achunks(call, items)
        else:
            answer = _ready(_joined([chunk async for chunk in _achunks(call, items)]))
        return await async_function_sender(lambda *_: answer).send(call, wire)

    async def close(self) -> None:
        """A function holds nothing."""


def _answer(provider: FunctionProvider, call: Call, wire: Wire) -> Json | Iterable[Json]:
    loop = None
    with _blamed(provider):
        value = provider.ask(call, wire)
        if isinstance(value, Awaitable | AsyncIterable):
            loop = Loop()
            value = loop.run(_awaited(value))
    items = _items(provider, value, loop)
    if items is None:
        if loop is not None:
            loop.close()
        return _whole(provider, call, value)
    chunks = _chunks(call, items)
    return chunks if call.stream else _joined(chunks)


async def _awaited(value: Any) -> Any:
    return await value if isinstance(value, Awaitable) else value


async def _ready(value: Json) -> Json:
    return value


@contextmanager
def _blamed(provider: FunctionProvider) -> Iterator[None]:
    """What the code raises becomes the provider's failure; its text may quote anything, and stays in the cause."""
    try:
        yield
    except Exception as cause:
        if errors.is_told(cause) or isinstance(cause, _SPEAKS_FOR_ITSELF):
            raise
        message = f"{provider.name} raised {type(cause).__name__}"
        error = {"message": message, "type": "server_error", "param": None, "code": None}
        raise VendorError(error, 500) from cause


# Items of an iterator -> chunks.


def _items(provider: FunctionProvider, value: Any, loop: Loop | None) -> Generator[Any, None, None] | None:
    """What an iterator gives; None: it is none."""
    if isinstance(value, AsyncIterable):
        assert loop is not None  # noqa: S101 (it was made for it)
        return _blaming(provider, loop.iterate(aiter(value)))
    if loop is not None:
        loop.close()
    if isinstance(value, str | dict) or not isinstance(value, Iterable) or hasattr(value, "model_dump"):
        return None
    return _blaming(provider, iter(value))


def _blaming(provider: FunctionProvider, items: Iterator[Any]) -> Generator[Any, None, None]:
    try:
        with _blamed(provider):
            yield from items
    finally:
        getattr(items, "close", lambda: None)()


def _aitems(provider: FunctionProvider, value: Any) -> AsyncGenerator[Any, None] | None:
    if isinstance(value, AsyncIterable):
        return _ablaming(provider, aiter(value))
    items = _items(provider, value, None)
    return None if items is None else _threaded(items)


async def _ablaming(provider: FunctionProvider, items: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    try:
        with _blamed(provider):
            async for item in items:
                yield item
    finally:
        if hasattr(items, "aclose"):
            await items.aclose()


async def _threaded(items: Generator[Any, None, None]) -> AsyncGenerator[Any, None]:
    end = object()
    try:
        while (item := await asyncio.to_thread(next, items, end)) is not end:
            yield item
    finally:
        items.close()


class _Chunker:
    """Turns one item after the other into chunks."""

    def __init__(self, call: Call) -> None:
        self._made = Chunks(call)
        self._begun = self._finished = self._calls = False

    def take(self, item: Any) -> Iterator[Json]:
        item = item if isinstance(item, str) else _plain(item)
        if not isinstance(item, str | dict):
            message = f"an iterator must give texts, deltas or chunks, not {type(item).__name__}"
            raise TypeError(message)
        if isinstance(item, dict) and "choices" in item:
            self._begun = True
            self._finished = self._finished or any(choice.get("finish_reason") for choice in item["choices"])
            yield {**self._made.usage({}), "choices": [], "usage": None, **item}
            return
        if not self._begun:
            self._begun = True
            yield self._made.role()
        if isinstance(item, str):
            yield self._made.delta(content=item)
        else:
            self._calls = self._calls or bool(item.get("tool_calls"))
            yield self._made.delta(**item)

    def end(self) -> Iterator[Json]:
        if not self._begun:
            yield self._made.role()
        if not self._finished:
            yield self._made.finish("tool_calls" if self._calls else "stop")
