"""The plain road: clients that are the `openai` package's own, with every provider behind them."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import openai
from openai.resources.chat import AsyncChat, Chat
from openai.resources.chat.completions import AsyncCompletions, Completions
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel, ValidationError

from dragoman.core.dispatch import CallOptions, Dispatcher, check_policy
from dragoman.core.errors import a_request, httpx, request_id
from dragoman.core.exchange import CHAT, Exchange
from dragoman.core.provider import Json, OnUnsupported, Provider, Timeout
from dragoman.core.transport import (
    EXTENSION,
    AsyncTransport,
    Binding,
    Transport,
    async_door,
    door,
    make_dispatcher,
    make_router,
    reply_headers,
)

if TYPE_CHECKING:
    from typing_extensions import Self

_RAW_RESPONSE = "x-stainless-raw-response"
#: Options of the openai constructor that say how to reach OpenAI itself: they go to that provider's SDK client.
_OPENAI_ONLY = frozenset({"admin_api_key", "data_residency", "organization", "project", "provider", "workload_identity"})
#: Of these, what the outer client keeps as an attribute too.
_SHOWN = frozenset({"organization", "project"})
_SCALARS = frozenset({str, int, float, bool, type(None)})


class _Settings:
    """What a client is made of beside the openai SDK's own options; copies share `transport`."""

    def __init__(self, transport: Any, api_key: str | None, on_unsupported: OnUnsupported, remake: Any) -> None:
        self.transport = transport
        self.api_key = api_key
        self.on_unsupported = on_unsupported
        #: Makes the settings of a copy with another base URL.
        self.remake = remake


class _ClientMixin:
    """What both clients share; the I/O is the transport's and its driver's."""

    _settings: _Settings
    _make_transport: Any
    _make_door: Any

    def __init__(
        self,
        *,
        default_provider: str = "openai",
        providers: Iterable[Provider] = (),
        aliases: Mapping[str, str] | None = None,
        on_unsupported: OnUnsupported = "raise",
        api_key: Any = None,
        base_url: Any = None,
        http_client: Any = None,
        _settings: _Settings | None = None,
        **options: Any,
    ) -> None:
        own = {name: options.pop(name) for name in _OPENAI_ONLY & options.keys()}
        if _settings is None:
            default = {"api_key": api_key, "base_url": str(base_url) if base_url else None}
            if http_client is not None:
                default["http_client"] = http_client
            if default_provider == "openai":
                default.update({name: value for name, value in own.items() if value is not None})
            _settings = self._new_settings(default_provider, default, tuple(providers), aliases, on_unsupported)
            http_client = self._make_door(_settings.transport)
        self._settings = _settings
        if base_url:
            options["base_url"] = base_url
        shown = {name: own[name] for name in _SHOWN & own.keys()}
        # The outer client insists on a key; without one it gets an empty one, which never leaves the process.
        super().__init__(api_key=api_key or "", http_client=http_client, **options, **shown)

    def _new_settings(
        self,
        default_provider: str,
        default_options: Mapping[str, Any],
        providers: tuple[Provider, ...],
        aliases: Mapping[str, str] | None,
        on_unsupported: OnUnsupported,
    ) -> _Settings:
        policy = check_policy(on_unsupported)

        def remake(**changed: Any) -> _Settings:
            options = {**default_options, **changed}
            return self._new_settings(default_provider, options, providers, aliases, policy)

        router = make_router(
            default_provider=default_provider, default_options=default_options, providers=providers, aliases=aliases
        )
        transport = self._make_transport(make_dispatcher(router), CallOptions(on_unsupported=policy))
        return _Settings(transport, None, policy, remake)

    if not TYPE_CHECKING:
        # Type checkers see the SDK's own signature.
        def copy(
            self, *, api_key=None, base_url=None, http_client=None, on_unsupported=None, _extra_kwargs=None, **options
        ):
            """Make a client with other options. A key given here goes to whichever provider is called."""
            old = self._settings
            policy = check_policy(on_unsupported) if on_unsupported is not None else old.on_unsupported
            changed = {"base_url": str(base_url)} if base_url else {}
            if http_client is not None:
                changed["http_client"] = http_client
            transport, remake = old.transport, old.remake
            if changed:
                new = old.remake(**changed)
                transport, remake = new.transport, new.remake
                options["http_client"] = self._make_door(transport)
            settings = _Settings(transport, api_key or old.api_key, policy, remake)
            extra = {**(_extra_kwargs or {}), "_settings": settings}
            if base_url:
                options["base_url"] = base_url
            return super().copy(api_key=api_key, _extra_kwargs=extra, **options)

        with_options = copy

    @cached_property
    def _dispatcher(self) -> Dispatcher:
        dispatcher: Dispatcher = self._settings.transport.dispatcher
        return dispatcher

    def _call_options(self, headers: Any = None, query: Any = None, timeout: Any = openai.not_given) -> CallOptions:
        client: Any = self
        return CallOptions(
            api_key=self._settings.api_key,
            timeout=_timeout(client.timeout if isinstance(timeout, openai.NotGiven) else timeout),
            max_retries=client.max_retries,
            on_unsupported=self._settings.on_unsupported,
            headers={**client._custom_headers, **_given(headers or {})},  # noqa: SLF001 (our base class's)
            query={**client._custom_query, **(query or {})},  # noqa: SLF001 (our base class's)
        )

    def _bind(self, request: Any) -> None:
        client: Any = self
        request.extensions = {
            **request.extensions,
            EXTENSION: Binding(
                self._call_options(), client.base_url.path.rstrip("/") + "/", f"Bearer {client.api_key}".strip()
            ),
        }

    def _exchange(self, params: Json) -> Exchange:
        """Make the exchange for the keyword arguments of `create`."""
        options = self._call_options(
            params.pop("extra_headers", None), params.pop("extra_query", None), params.pop("timeout", openai.not_given)
        )
        request = {name: plain(value) for name, value in params.items() if not _is_omitted(value)}
        return self._dispatcher.exchange(request, options)


class Client(_ClientMixin, openai.OpenAI):
    """An `openai.OpenAI` that reaches every installed provider by the model's name: `provider/model`.

    `default_provider` gets the models without a provider's prefix; `api_key`, `base_url`, `http_client` and
    the options of the openai constructor that follow are that provider's. `providers` are configured
    instances, called by their `name`. `aliases` maps names of yours to model names. `on_unsupported` says
    what to do with parameters that a provider does not have: "raise", "warn", "ignore" or "adapt".
    """

    _make_transport = Transport
    _make_door = staticmethod(door)

    if TYPE_CHECKING:

        def __init__(  # noqa: PLR0913 (the openai constructor's own, and four of ours)
            self,
            *,
            default_provider: str = "openai",
            providers: Iterable[Provider] = (),
            aliases: Mapping[str, str] | None = None,
            on_unsupported: OnUnsupported = "raise",
            api_key: str | Callable[[], str] | None = None,
            base_url: str | None = None,
            organization: str | None = None,
            project: str | None = None,
            timeout: float | openai.Timeout | None = ...,
            max_retries: int = ...,
            default_headers: Mapping[str, str] | None = None,
            default_query: Mapping[str, object] | None = None,
            http_client: Any = None,
            **options: Any,
        ) -> None: ...

        def copy(self, *, on_unsupported: OnUnsupported | None = None, **options: Any) -> Self: ...

        with_options = copy

    @cached_property
    def chat(self) -> Chat:
        """Chat completions, on the plain road."""
        return _Chat(self)

    def _prepare_request(self, request: Any) -> None:
        super()._prepare_request(request)
        self._bind(request)

    def _prepare_options(self, options: Any) -> Any:
        return _keep_extra_body_apart(super()._prepare_options(options))


class AsyncClient(_ClientMixin, openai.AsyncOpenAI):
    """An `openai.AsyncOpenAI` that reaches every installed provider; see `Client`."""

    _make_transport = AsyncTransport
    _make_door = staticmethod(async_door)

    if TYPE_CHECKING:

        def __init__(  # noqa: PLR0913 (as in Client)
            self,
            *,
            default_provider: str = "openai",
            providers: Iterable[Provider] = (),
            aliases: Mapping[str, str] | None = None,
            on_unsupported: OnUnsupported = "raise",
            api_key: str | Callable[[], Any] | None = None,
            base_url: str | None = None,
            organization: str | None = None,
            project: str | None = None,
            timeout: float | openai.Timeout | None = ...,
            max_retries: int = ...,
            default_headers: Mapping[str, str] | None = None,
            default_query: Mapping[str, object] | None = None,
            http_client: Any = None,
            **options: Any,
        ) -> None: ...

        def copy(self, *, on_unsupported: OnUnsupported | None = None, **options: Any) -> Self: ...

        with_options = copy

    @cached_property
    def chat(self) -> AsyncChat:
        """Chat completions, on the plain road."""
        return _AsyncChat(self)

    async def _prepare_request(self, request: Any) -> None:
        await super()._prepare_request(request)
        self._bind(request)

    async def _prepare_options(self, options: Any) -> Any:
        return _keep_extra_body_apart(await super()._prepare_options(options))


class _Chat(Chat):
    @cached_property
    def completions(self) -> Completions:
        return _Completions(self._client)


class _AsyncChat(AsyncChat):
    @cached_property
    def completions(self) -> AsyncCompletions:
        return _AsyncCompletions(self._client)


class _Completions(Completions):
    if not TYPE_CHECKING:
        # Type checkers see the SDK's own overloads.
        def create(self, *, messages, model, **params):
            """Create a chat completion; arguments, result and errors are those of the openai SDK."""
            if _wants_raw_response(params):
                return super().create(messages=messages, model=model, **params)
            _check_arguments(params)
            exchange = self._client._exchange({"messages": messages, "model": model, **params})
            driver = self._client._settings.transport.driver
            if exchange.call.stream:
                return _ChunkStream(driver.stream(exchange, exchange.feed), exchange)
            return _completion(driver.fetch(exchange), exchange)


class _AsyncCompletions(AsyncCompletions):
    if not TYPE_CHECKING:

        async def create(self, *, messages, model, **params):
            """Create a chat completion; arguments, result and errors are those of the openai SDK."""
            if _wants_raw_response(params):
                return await super().create(messages=messages, model=model, **params)
            _check_arguments(params)
            exchange = self._client._exchange({"messages": messages, "model": model, **params})
            driver = self._client._settings.transport.driver
            if exchange.call.stream:
                return _AsyncChunkStream(await driver.stream(exchange, exchange.feed), exchange)
            return _completion(await driver.fetch(exchange), exchange)


class _ChunkStream(openai.Stream[ChatCompletionChunk]):
    """The SDK's stream over chunks that are here already; closing its response closes the provider's."""

    def __init__(self, chunks: Iterator[Json], exchange: Exchange) -> None:
        self.response = _response(exchange, _Closing(chunks))
        self._iterator = map(_chunk, chunks)


class _AsyncChunkStream(openai.AsyncStream[ChatCompletionChunk]):
    """`_ChunkStream` for the asynchronous side."""

    def __init__(self, chunks: AsyncIterator[Json], exchange: Exchange) -> None:
        self.response = _response(exchange, _AsyncClosing(chunks))
        self._iterator = _amap(chunks)


async def _amap(chunks: AsyncIterator[Json]) -> AsyncIterator[ChatCompletionChunk]:
    async for chunk in chunks:
        yield _chunk(chunk)


class _Closing(httpx.SyncByteStream):  # type: ignore[misc]  # the library is chosen at run time
    def __init__(self, chunks: Any) -> None:
        self.chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return iter(())

    def close(self) -> None:
        self.chunks.close()


class _AsyncClosing(httpx.AsyncByteStream):  # type: ignore[misc]  # as above
    def __init__(self, chunks: Any) -> None:
        self.chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in ():
            yield piece

    async def aclose(self) -> None:
        await self.chunks.aclose()


def _response(exchange: Exchange, stream: Any) -> Any:
    headers = reply_headers(exchange.headers)
    return httpx.Response(200, headers=headers, stream=stream, request=a_request(CHAT))


def _completion(body: Json, exchange: Exchange) -> ChatCompletion:
    try:
        completion = ChatCompletion.model_validate(body)
    except ValidationError:
        # A value that the SDK's types do not know yet: its own lenient way, which is slower.
        completion = ChatCompletion.construct(**body)
    completion._request_id = request_id(exchange.headers)  # noqa: SLF001 (where the SDK itself puts it)
    return completion


def _chunk(chunk: Json) -> ChatCompletionChunk:
    try:
        return ChatCompletionChunk.model_validate(chunk)
    except ValidationError:
        return ChatCompletionChunk.construct(**chunk)


@cache
def _parameters() -> frozenset[str]:
    return frozenset(inspect.signature(Completions.create).parameters) - {"self"}


def _check_arguments(params: Mapping[str, Any]) -> None:
    """Refuse what the SDK's own `create` refuses."""
    unknown = params.keys() - _parameters()
    if unknown:
        message = f"create() got an unexpected keyword argument {min(unknown)!r}; vendor's own parameters go in extra_body"
        raise TypeError(message)
    response_format = params.get("response_format")
    if inspect.isclass(response_format) and issubclass(response_format, BaseModel):
        message = "a model class as response_format needs chat.completions.parse() instead of create()"
        raise TypeError(message)


def _wants_raw_response(params: Mapping[str, Any]) -> bool:
    return any(name.lower() == _RAW_RESPONSE for name in params.get("extra_headers") or ())


def _is_omitted(value: Any) -> bool:
    return isinstance(value, openai.NotGiven | openai.Omit)


def _given(headers: Mapping[str, Any]) -> dict[str, str]:
    """Leave out what steers the SDK itself."""
    return {
        name: value
        for name, value in headers.items()
        if not _is_omitted(value) and not name.lower().startswith("x-stainless-")
    }


def _timeout(timeout: Any) -> Timeout:
    if timeout is None or isinstance(timeout, int | float):
        return timeout
    parts: dict[str, float | None] = timeout.as_dict()
    return parts


def _keep_extra_body_apart(options: Any) -> Any:
    """Keep the caller's own keys from being taken for OpenAI's on the HTTP road."""
    if options.extra_json:
        options.extra_json = {"extra_body": dict(options.extra_json)}
    return options


def plain(value: Any) -> Any:
    """Copy a request's value as plain JSON types; the SDK's objects (an answer's message, say) become dicts."""
    if type(value) in _SCALARS:
        return value
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items() if not _is_omitted(item)}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_unset=True)
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, Iterable) and not isinstance(value, bytes | bytearray):
        return [plain(item) for item in value]
    return value
