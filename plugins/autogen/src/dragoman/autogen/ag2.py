"""ag2 1.x: every model as a `ModelConfig`, and a list of models as one that does not fail with one.

The contract: https://docs.ag2.ai (ag2.config: ModelConfig, LLMClient).
"""

from __future__ import annotations

import asyncio
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

from dragoman.autogen.capabilities import provider_and_model
from dragoman.autogen.create_args import check_create_args
from dragoman.autogen.gathering import Gathering, read
from dragoman.autogen.habits import fitted
from dragoman.core import AsyncClient

try:
    from ag2.config import LLMClient, ModelConfig
    from ag2.events import ModelMessageChunk, ModelReasoning
except ImportError as cause:
    _message = "dragoman.autogen.ag2 is for ag2 1.x: pip install 'ag2>=1'"
    raise ImportError(_message, name=cause.name) from cause

from dragoman.autogen.ag2_messages import (
    PROVIDER,
    decode_answer,
    encode_messages,
    encode_response_schema,
    encode_tools,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Self

    from ag2.context import ConversationContext
    from ag2.events import BaseEvent, ModelResponse
    from ag2.files.protocol import FilesClient
    from ag2.response import ResponseProto
    from ag2.tools.schemas import ToolSchema
    from fast_depends.library.serializer import SerializerProto

    from dragoman.autogen.gathering import Answer
    from dragoman.core import Json

    OnUnsupported = Literal["raise", "warn", "ignore", "adapt"]

__all__ = ["DragomanClient", "DragomanConfig"]

_NOT_ARGUMENTS = frozenset({"functions", "function_call", "messages", "n", "stream", "stream_options", "tools"})


class DragomanConfig(ModelConfig):  # type: ignore[misc]  # Any, where ag2 is not installed
    """A model of any provider, or a list of models of which the first that can answers.

    `model` is a name as dragoman's `Client` has them (`anthropic/claude-sonnet-4-5`), `api_key` and `base_url` are
    its provider's; `config_list` holds entries as AutoGen 0.2 had them instead. `streaming` publishes the answer
    as it comes. `client` is a ready `dragoman.core.AsyncClient`. `max_retries` are tries after the first, where an
    entry says nothing else. All other arguments (`temperature`, `timeout`, …) are those of OpenAI's `create`, and go
    into every request.
    """

    def __init__(  # noqa: PLR0913 (each is one option, all but the first are named)
        self,
        model: str | None = None,
        *,
        config_list: Sequence[Mapping[str, Any]] | None = None,
        api_key: str | None = None,
        base_url: str | None = None,
        streaming: bool = False,
        on_unsupported: OnUnsupported = "raise",
        client: AsyncClient | None = None,
        max_retries: int | None = None,
        **create_args: Any,
    ) -> None:
        if (model is None) == (config_list is None):
            message = "give DragomanConfig either model or config_list"
            raise ValueError(message)
        if client is not None and (config_list is not None or api_key or base_url or max_retries is not None):
            message = "a client= of your own has its list, keys, addresses and retries; give the model's name alone"
            raise ValueError(message)
        check_create_args(create_args, _NOT_ARGUMENTS, "in DragomanConfig")
        self._given: Json = {
            "model": model,
            "config_list": config_list,
            "api_key": api_key,
            "base_url": base_url,
            "streaming": streaming,
            "on_unsupported": on_unsupported,
            "client": client,
            "max_retries": max_retries,
            **create_args,
        }
        self._create_args = create_args
        self._streaming = streaming
        #: ag2 makes a client for each question; connections and engines are worth keeping, one set for each loop.
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncClient] = WeakKeyDictionary()

    def __repr__(self) -> str:
        """The model; keys stay out."""
        return f"<{type(self).__name__} {self.model!r}>"

    def __deepcopy__(self, memo: object) -> Self:
        return self.copy()

    @property
    def provider(self) -> Any:
        """What ag2's usage reports call it: a text, for ag2's own enumeration is closed."""
        return PROVIDER

    @property
    def model(self) -> str:
        """The model's name, or that of the list's first."""
        found = self._given["model"] or self._given["config_list"][0]["model"]
        return str(found)

    def copy(self, /, **overrides: Any) -> Self:
        """Make a config with other arguments; `model` takes the place of a list, and the other way round."""
        given = {**self._given, **overrides}
        for name, other in (("model", "config_list"), ("config_list", "model")):
            if name in overrides and other not in overrides:
                given[other] = None
        return type(self)(**given)

    def create(self) -> DragomanClient:
        """Make ag2's client; those of one config share their connections."""
        return DragomanClient(self)

    def create_files_client(self) -> FilesClient[Any]:
        """Refuse: files that are uploaded belong to one vendor."""
        message = "DragomanConfig has no files API; give the content itself (DocumentInput(data=…))"
        raise NotImplementedError(message)

    def connect(self) -> AsyncClient:
        """Return the `dragoman.core.AsyncClient` of the running loop; its `usage_summary` knows the cost."""
        given: AsyncClient | None = self._given["client"]
        if given is not None:
            return given
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            policy, most = self._given["on_unsupported"], self._given["max_retries"]
            retries: Json = {} if most is None else {"max_retries": most}
            self._clients[loop] = AsyncClient(config_list=self._entries(), on_unsupported=policy, **retries)
        return self._clients[loop]

    def _entries(self) -> Sequence[Mapping[str, Any]]:
        if self._given["config_list"] is not None:
            entries: Sequence[Mapping[str, Any]] = self._given["config_list"]
            return entries
        return [{key: self._given[key] for key in ("model", "api_key", "base_url") if self._given[key]}]

    def providers(self) -> list[str]:
        """Names of the providers that may answer."""
        return sorted({provider_and_model(entry)[0] for entry in self._entries()})

    def request(self) -> Json:
        """What every request has."""
        model = self.model if self._given["client"] is not None else ""
        stream = {"stream": True, "stream_options": {"include_usage": True}} if self._streaming else {}
        return {"model": model, **self._create_args, **stream}


class DragomanClient(LLMClient):  # type: ignore[misc]  # as above
    """ag2's client; made by `DragomanConfig`."""

    def __init__(self, config: DragomanConfig) -> None:
        self._config = config

    async def __call__(
        self,
        messages: Sequence[BaseEvent],
        context: ConversationContext,
        *,
        tools: Iterable[ToolSchema],
        response_schema: ResponseProto[Any] | None,
        serializer: SerializerProto,
    ) -> ModelResponse:
        """Ask once, and publish thoughts and text as they come. Failures are `openai`'s exceptions."""
        told = response_schema.system_prompt if response_schema else None
        prompt = chain(context.prompt, (told,) if told else ())
        completions = self._config.connect().chat.completions
        encoded = encode_tools(tools)
        request: Json = {
            **self._config.request(),
            "messages": encode_messages(prompt, messages, serializer),
            **encode_response_schema(response_schema),
            **({"tools": encoded} if encoded else {}),
        }
        for provider in self._config.providers():
            request = fitted(request, provider)
        if request.get("stream"):
            answer = await self._gather(await completions.create(**request), context)
        else:
            answer = read(await completions.create(**request))
            if answer.thoughts:
                await context.send(ModelReasoning(answer.thoughts))
        response = decode_answer(answer)
        if response.message is not None:
            await context.send(response.message)
        return response

    async def _gather(self, stream: Any, context: ConversationContext) -> Answer:
        gathering = Gathering()
        try:
            async for chunk in stream:
                text, thoughts = gathering.add(chunk)
                if thoughts:
                    await context.send(ModelReasoning(thoughts))
                if text:
                    await context.send(ModelMessageChunk(text))
        finally:
            await stream.close()
        return gathering.answer()
