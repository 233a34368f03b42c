"""AutoGen 0.4 to 0.7: every model as a `ChatCompletionClient`, and a list of models as one that does not fail with one.

The contract: https://microsoft.github.io/autogen/stable/reference/python/autogen_core.models.html
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal, cast

from dragoman.autogen import capabilities, tokens
from dragoman.autogen.create_args import check_create_args
from dragoman.autogen.gathering import Gathering, read
from dragoman.autogen.habits import fitted
from dragoman.core import AsyncClient, strip_peer_keys

try:
    from autogen_core import EVENT_LOGGER_NAME, Component
    from autogen_core.logging import LLMCallEvent, LLMStreamEndEvent, LLMStreamStartEvent
    from autogen_core.models import ChatCompletionClient, CreateResult, ModelInfo, RequestUsage, validate_model_info
except ImportError as cause:
    _message = "dragoman.autogen.chat is for AutoGen 0.4 to 0.7: pip install 'autogen-agentchat>=0.4'"
    raise ImportError(_message, name=cause.name) from cause

from dragoman.autogen.chat_cache import ModelStore, ModelStoreConfig
from dragoman.autogen.chat_config import DragomanChatCompletionClientConfig, fingerprint, guard, open_up
from dragoman.autogen.chat_link import Link
from dragoman.autogen.chat_messages import (
    Recall,
    decode_result,
    encode_json_output,
    encode_messages,
    encode_tool_choice,
    encode_tools,
    has_images,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from typing import Self

    from autogen_core import CacheStore, CancellationToken
    from autogen_core.models import LLMMessage
    from autogen_core.tools import Tool, ToolSchema
    from pydantic import BaseModel, SecretStr

    from dragoman.core import Json

    OnUnsupported = Literal["raise", "warn", "ignore", "adapt"]

__all__ = ["DragomanChatCompletionClient", "DragomanChatCompletionClientConfig", "ModelStore", "ModelStoreConfig"]

_log = logging.getLogger(EVENT_LOGGER_NAME)
#: What the client says itself, or what a result has no place for.
_NOT_ARGUMENTS = frozenset({"functions", "function_call", "messages", "model", "n", "stream", "tools"})


class DragomanChatCompletionClient(
    ChatCompletionClient,  # type: ignore[misc]  # Any, where AutoGen is not installed
    Component[DragomanChatCompletionClientConfig],  # type: ignore[misc]  # as above
):
    """A model of any provider, or a list of models of which the first that can answers.

    `model` is a name as dragoman's `Client` has them (`anthropic/claude-sonnet-4-5`), `api_key` and `base_url` are
    its provider's; `config_list` holds entries as AutoGen 0.2 had them instead. `model_info` is guessed from the
    providers and the names unless given; `context_tokens`, for `remaining_tokens`, too. `client` is a ready
    `dragoman.core.AsyncClient`, which stays the caller's. `include_name_in_message` says who wrote a user's message
    (None: where all the providers have such names), `add_name_prefixes` says it in the text. `max_retries` are tries
    after the first, where an entry says nothing else. All other arguments (`temperature`, `timeout`, …) are those of
    OpenAI's `create`, and go into every request.
    """

    component_type = "model"
    #: In every dump, where somebody whose AutoGen will not load it is going to look.
    component_description = (
        "A model of any provider, through dragoman. AutoGen releases after 0.7.5 load it only with the environment "
        "variable AUTOGEN_ALLOWED_PROVIDER_NAMESPACES=dragoman."
    )
    component_config_schema = DragomanChatCompletionClientConfig
    component_provider_override = "dragoman.autogen.chat.DragomanChatCompletionClient"

    def __init__(  # noqa: PLR0913 (each is one option, all but the first are named)
        self,
        model: str | None = None,
        *,
        config_list: Sequence[Mapping[str, Any]] | None = None,
        api_key: str | SecretStr | None = None,
        base_url: str | None = None,
        model_info: ModelInfo | None = None,
        context_tokens: int | None = None,
        include_name_in_message: bool | None = None,
        add_name_prefixes: bool = False,
        on_unsupported: OnUnsupported = "raise",
        client: AsyncClient | None = None,
        max_retries: int | None = None,
        **create_args: Any,
    ) -> None:
        if (model is None) == (config_list is None):
            message = "give DragomanChatCompletionClient either model or config_list"
            raise ValueError(message)
        if client is not None and (config_list is not None or api_key or base_url or max_retries is not None):
            message = "a client= of your own has its list, keys, addresses and retries; give the model's name alone"
            raise ValueError(message)
        if config_list is None:
            reach = {"api_key": open_up(api_key), "base_url": base_url}
            self._entries: list[Json] = [{"model": model, **{key: value for key, value in reach.items() if value}}]
        else:
            self._entries = list(config_list)  # type: ignore[arg-type]  # the client checks what they are
        check_create_args(create_args, _NOT_ARGUMENTS, "here")
        self._single = model
        self._owned = client is None
        retries: Json = {} if max_retries is None else {"max_retries": max_retries}
        self._client = client or AsyncClient(config_list=self._entries, on_unsupported=on_unsupported, **retries)
        self._max_retries = max_retries
        self._model = model if client is not None else ""
        self._on_unsupported: OnUnsupported = on_unsupported
        self._given_names, self._prefixes = include_name_in_message, add_name_prefixes
        self._names = (
            capabilities.has_names(self._entries) if include_name_in_message is None else include_name_in_message
        )
        self._create_args = create_args
        self._providers = sorted({capabilities.provider_and_model(entry)[0] for entry in self._entries})
        self._given_info, self._given_context = model_info, context_tokens
        known = capabilities.known_of(self._client, self._model)
        self._info = model_info or cast("ModelInfo", capabilities.model_info(self._entries, known))
        validate_model_info(self._info)
        self._recall = Recall()

    # Asking.

    async def create(  # noqa: PLR0913 (AutoGen's signature)
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = (),
        tool_choice: Tool | Literal["auto", "required", "none"] = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
    ) -> CreateResult:
        """Ask once. Failures are `openai`'s exceptions; cancelling the token ends the provider's connection too."""
        request = self._request(messages, tools, tool_choice, json_output, extra_create_args)
        link = Link(cancellation_token)
        answer = read(await link.wait(self._client.chat.completions.create(**request)))
        result = decode_result(answer)
        self._recall.keep(result, answer.message)
        _log.info(
            LLMCallEvent(
                messages=_shown(request),
                response=result.model_dump(),
                prompt_tokens=result.usage.prompt_tokens,
                completion_tokens=result.usage.completion_tokens,
                tools=request.get("tools", []),
            )
        )
        return result

    async def create_stream(  # noqa: PLR0913 (AutoGen's signature)
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Tool | ToolSchema] = (),
        tool_choice: Tool | Literal["auto", "required", "none"] = "auto",
        json_output: bool | type[BaseModel] | None = None,
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,
    ) -> AsyncGenerator[str | CreateResult, None]:
        """Ask once; yield the text as it comes, and last the result, with the provider's own usage.

        Reasoning is in the result's `thought` only: the pieces add up to the content.
        """
        request = self._request(messages, tools, tool_choice, json_output, extra_create_args)
        request |= {"stream": True, "stream_options": {"include_usage": True}}
        link = Link(cancellation_token)
        _log.info(LLMStreamStartEvent(messages=_shown(request)))
        stream = await link.wait(self._client.chat.completions.create(**request))
        gathering = Gathering()
        try:
            chunks = aiter(stream)
            while (chunk := await link.wait(anext(chunks, None))) is not None:
                text, _ = gathering.add(chunk)
                if text:
                    yield text
        finally:
            await stream.close()
        answer = gathering.answer()
        result = decode_result(answer)
        self._recall.keep(result, answer.message)
        _log.info(
            LLMStreamEndEvent(
                response=result.model_dump(),
                prompt_tokens=result.usage.prompt_tokens,
                completion_tokens=result.usage.completion_tokens,
            )
        )
        yield result

    def _request(
        self,
        messages: Sequence[LLMMessage],
        tools: Sequence[Tool | ToolSchema],
        tool_choice: Tool | Literal["auto", "required", "none"],
        json_output: bool | type[BaseModel] | None,
        extra: Mapping[str, Any],
    ) -> Json:
        check_create_args(extra, _NOT_ARGUMENTS, "here")
        for refused, what, key in (
            (bool(tools), "tools were given", "function_calling"),
            (has_images(messages), "a picture was given", "vision"),
            (json_output is True, "json_output=True was given", "json_output"),
            (isinstance(json_output, type), "json_output is a model class", "structured_output"),
        ):
            if refused and not self._info.get(key):
                text = f"{what}, but the client's model_info says {key} is False"
                raise ValueError(text)
        request: Json = {
            "model": self._model,
            "messages": encode_messages(messages, self._recall, names=self._names, prefixes=self._prefixes),
            **self._create_args,
            **extra,
            **encode_json_output(json_output),
        }
        if tools:
            request |= {"tools": encode_tools(tools), **encode_tool_choice(tool_choice, tools)}
        else:
            encode_tool_choice(tool_choice, tools)
        for provider in self._providers:
            request = fitted(request, provider)
        return request

    async def close(self) -> None:
        """Give back the connections; a client that was handed in is left alone."""
        if self._owned:
            await self._client.close()

    # Counting.

    def actual_usage(self) -> RequestUsage:
        """Tokens that providers were asked for, in their own counts."""
        return _sum(self._client.usage_summary.actual)

    def total_usage(self) -> RequestUsage:
        """`actual_usage`, and what a cache of dragoman's answered."""
        return _sum(self._client.usage_summary.total)

    @property
    def cost(self) -> Any:
        """US dollars of all calls so far, as a Decimal; None if one model's price is not known."""
        return self._client.usage_summary.cost

    def count_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        """Estimate a request's tokens without the network: see `dragoman.autogen.tokens`."""
        encoded = encode_messages(messages, self._recall, names=self._names, prefixes=self._prefixes)
        return tokens.count(encoded, encode_tools(tools))

    def remaining_tokens(self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = ()) -> int:
        """`context_tokens`, given or guessed, less the estimate."""
        return (self._given_context or capabilities.context_tokens(self._entries)) - self.count_tokens(
            messages, tools=tools
        )

    @property
    def model_info(self) -> ModelInfo:
        """What the model can do."""
        return self._info

    @property
    def capabilities(self) -> Any:
        """`model_info`, under its old name."""
        return self._info

    def cache_store(self, store: CacheStore[Any]) -> ModelStore[Any]:
        """Return this model's part of a store, for `ChatCompletionCache(client, client.cache_store(store))`."""
        return ModelStore(store, fingerprint(self._entries, self._create_args))

    # As a component.

    def _to_config(self) -> DragomanChatCompletionClientConfig:
        if not self._owned:
            message = "a DragomanChatCompletionClient with a client= of your own cannot be dumped; use config_list"
            raise TypeError(message)
        entries = [guard(entry) for entry in self._entries]
        what: Json = {"config_list": entries} if self._single is None else entries[0]
        return DragomanChatCompletionClientConfig(
            **what,
            model_info=self._given_info,
            context_tokens=self._given_context,
            include_name_in_message=self._given_names,
            add_name_prefixes=self._prefixes,
            on_unsupported=self._on_unsupported,
            max_retries=self._max_retries,
            create_args=guard(self._create_args),
        )

    @classmethod
    def _from_config(cls, config: DragomanChatCompletionClientConfig) -> Self:
        given = {name: value for name, value in config if value is not None and name != "create_args"}
        return cls(**open_up(given), **open_up(config.create_args))


def _shown(request: Json) -> list[Json]:
    """A request's messages, without what only providers understand."""
    return [strip_peer_keys(message) for message in request["messages"]]


def _sum(by_model: Mapping[str, Any]) -> RequestUsage:
    return RequestUsage(
        sum(usage.prompt_tokens for usage in by_model.values()),
        sum(usage.completion_tokens for usage in by_model.values()),
    )
