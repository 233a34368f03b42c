"""The plain road: clients that are the `openai` package's own, with every provider behind them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import openai
from openai.resources.chat import AsyncChat, Chat
from openai.resources.chat.completions import AsyncCompletions, Completions

from dragoman.core.answers import AsyncChunkStream, ChunkStream, chunks, completion
from dragoman.core.arguments import check_arguments, keep_extra_body_apart, wants_raw_response
from dragoman.core.counting import AsyncInputTokens, InputTokens
from dragoman.core.doors import async_door, door
from dragoman.core.mixin import ClientMixin
from dragoman.core.transport import AsyncTransport, Transport

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Self

    from dragoman.core.provider import OnUnsupported, Provider, SenderKind
    from dragoman.core.tapes import Recorder, Replayer


class Client(ClientMixin, openai.OpenAI):
    """An `openai.OpenAI` that reaches every installed provider by the model's name: `provider/model`.

    `default_provider` gets the models without a provider's prefix; `api_key`, `base_url`, `http_client` and
    the options of the openai constructor that follow are that provider's. `providers` are configured
    instances, called by their `name`. `aliases` maps names of yours to model names. `on_unsupported` says
    what to do with parameters that a provider does not have: "raise", "warn", "ignore" or "adapt".

    `config_list` holds entries as AutoGen's do. A request that names an entry's model, or the empty name `""`,
    which stands for all of them, is answered by the first entry that can; the next one is tried, with a warning,
    after any failure of a provider or on the way to it, up to the first words of a stream. `fallbacks` maps a name
    to those that answer where its own entries fail. All this may stand in a file: see `from_config`.

    `record` puts what goes over the wire into a folder, one tape for each exchange; `replay` answers from such a
    folder, without the network. A `Recorder` or `Replayer` says how.

    `sender="direct"` leaves the vendors' SDKs out: requests go out over plain HTTP with the provider's plain key;
    `"auto"` does so where that key is enough.
    """

    _make_transport = Transport
    _make_door = staticmethod(door)

    if TYPE_CHECKING:

        def __init__(  # noqa: PLR0913 (the openai constructor's own, and eight of ours)
            self,
            *,
            default_provider: str = "openai",
            providers: Iterable[Provider] = (),
            aliases: Mapping[str, str] | None = None,
            config_list: Sequence[Mapping[str, Any]] | None = None,
            fallbacks: Mapping[str, Sequence[str]] | None = None,
            on_unsupported: OnUnsupported = "raise",
            replay: str | os.PathLike[str] | Replayer | None = None,
            record: str | os.PathLike[str] | Recorder | None = None,
            sender: SenderKind = "sdk",
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

        def copy(self, *, on_unsupported: OnUnsupported | None = None, **options: Any) -> Self:
            """Make a client with other options. A key given here goes to whichever provider is called."""

        with_options = copy

    @cached_property
    def chat(self) -> Chat:
        """Chat completions, on the plain road."""
        return _Chat(self)

    def _prepare_request(self, request: Any) -> None:
        super()._prepare_request(request)
        self._bind(request)

    def _prepare_options(self, options: Any) -> Any:
        return keep_extra_body_apart(super()._prepare_options(options))


class AsyncClient(ClientMixin, openai.AsyncOpenAI):
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
            config_list: Sequence[Mapping[str, Any]] | None = None,
            fallbacks: Mapping[str, Sequence[str]] | None = None,
            on_unsupported: OnUnsupported = "raise",
            replay: str | os.PathLike[str] | Replayer | None = None,
            record: str | os.PathLike[str] | Recorder | None = None,
            sender: SenderKind = "sdk",
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

        def copy(self, *, on_unsupported: OnUnsupported | None = None, **options: Any) -> Self:
            """Make a client with other options. A key given here goes to whichever provider is called."""

        with_options = copy

    @cached_property
    def chat(self) -> AsyncChat:
        """Chat completions, on the plain road."""
        return _AsyncChat(self)

    async def _prepare_request(self, request: Any) -> None:
        await super()._prepare_request(request)
        self._bind(request)

    async def _prepare_options(self, options: Any) -> Any:
        return keep_extra_body_apart(await super()._prepare_options(options))


class _Chat(Chat):
    @cached_property
    def completions(self) -> Completions:
        return _Completions(self._client)


class _AsyncChat(AsyncChat):
    @cached_property
    def completions(self) -> AsyncCompletions:
        return _AsyncCompletions(self._client)


class _Completions(Completions):
    @cached_property
    def input_tokens(self) -> InputTokens:
        return InputTokens(self._client)

    if not TYPE_CHECKING:
        # Type checkers see the SDK's own overloads.
        def create(self, *, messages: Any, model: Any = None, **params: Any) -> Any:
            """Create a chat completion; arguments, result and errors are those of the openai SDK."""
            if wants_raw_response(params):
                return super().create(messages=messages, model=model, **params)
            check_arguments(params)
            exchange = self._client._exchange({"messages": messages, "model": model, **params})  # noqa: SLF001 (our own client's)
            driver = self._client._settings.transport.driver  # noqa: SLF001 (as above)
            if exchange.call.stream:
                return ChunkStream(driver.stream(exchange, chunks(exchange)), exchange)
            return completion(driver.fetch(exchange), exchange)


class _AsyncCompletions(AsyncCompletions):
    @cached_property
    def input_tokens(self) -> AsyncInputTokens:
        return AsyncInputTokens(self._client)

    if not TYPE_CHECKING:

        async def create(self, *, messages: Any, model: Any = None, **params: Any) -> Any:
            """Create a chat completion; arguments, result and errors are those of the openai SDK."""
            if wants_raw_response(params):
                return await super().create(messages=messages, model=model, **params)
            check_arguments(params)
            exchange = self._client._exchange({"messages": messages, "model": model, **params})  # noqa: SLF001 (our own client's)
            driver = self._client._settings.transport.driver  # noqa: SLF001 (as above)
            if exchange.call.stream:
                return AsyncChunkStream(await driver.stream(exchange, chunks(exchange)), exchange)
            return completion(await driver.fetch(exchange), exchange)
