"""llama.cpp: its engine in this process, or its server at a base URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dragoman.core import Provider
from dragoman.llamacpp.options import EngineOptions
from dragoman.llamacpp.request import encode_chat, encode_rehearsal
from dragoman.llamacpp.response import ChatStream, decode_chat
from dragoman.llamacpp.source import DEMO

if TYPE_CHECKING:
    from dragoman.core import AsyncSender, Call, Json, Sender, StreamDecoder, Wire
    from dragoman.llamacpp.options import Pooling, ReasoningFormat

_CHAT = "chat/completions"
_TOO_LONG = "exceed_context_size_error"


class LlamaCpp(Provider):
    """llama.cpp: https://github.com/ggml-org/llama.cpp/tree/master/tools/server.

    Without a base URL (argument or `LLAMACPP_API_BASE`) the engine runs in this process, and a model is the
    path of a .gguf file, a Hugging Face repository (`org/repo[:quant]`) or `demo`; `EngineOptions` explains
    the engine's options. With one, they are the server's own business. `parallel_tool_calls=True` asks for
    several calls at once unless the request says otherwise: OpenAI's default, but not llama.cpp's.
    """

    name = "llamacpp"
    base_url = ""
    base_url_env: ClassVar = ("LLAMACPP_API_BASE",)
    endpoints: ClassVar = frozenset({"chat", "completions", "embeddings", "models"})

    def __init__(  # noqa: PLR0913 (each is one option of the engine, all are named)
        self,
        *,
        context_size: int = EngineOptions.context_size,
        threads: int | None = None,
        gpu_layers: int | None = None,
        parallel: int = EngineOptions.parallel,
        chat_template: str | None = None,
        reasoning_format: ReasoningFormat = EngineOptions.reasoning_format,
        pooling: Pooling | None = None,
        parallel_tool_calls: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.engine_options = EngineOptions(
            context_size, threads, gpu_layers, parallel, chat_template, reasoning_format, pooling
        )
        self.parallel_tool_calls = parallel_tool_calls

    def __repr__(self) -> str:
        """Name and place."""
        return f"<LlamaCpp {self.name!r} in this process>" if self.in_process else super().__repr__()

    @property
    def in_process(self) -> bool:
        """Whether there is no server to talk to."""
        return not self.base_url and self.client is None and self.async_client is None

    def normalise_base_url(self, url: str) -> str:
        """Add the `/v1` and the scheme that people leave out."""
        url = url.rstrip("/")
        if not url:
            return url
        url = url if "://" in url else f"http://{url}"
        return url if url.endswith("/v1") else f"{url}/v1"

    def encode(self, call: Call) -> Wire:
        """Chats are fitted to the dialect; the other endpoints are OpenAI's own."""
        wire = super().encode(call)
        if call.endpoint == _CHAT:
            wire.body = encode_chat(call, parallel_tool_calls=self.parallel_tool_calls)
            if call.model == DEMO and self.in_process:
                wire.body = encode_rehearsal(wire.body)
        return wire

    def decode(self, call: Call, body: Json) -> Json:
        """Chats are put straight; the other endpoints are OpenAI's own."""
        return decode_chat(call, body) if call.endpoint == _CHAT else body

    def decode_stream(self, call: Call) -> StreamDecoder | None:
        """Chunks are put straight one by one."""
        return ChatStream(call, self.decode_error)

    def decode_error(self, status: int, body: Any) -> Json:
        """The engine counts tokens in its error object: they stay, and the code becomes OpenAI's."""
        error = super().decode_error(status, body)
        sent = body.get("error") if isinstance(body, dict) else None
        if isinstance(sent, dict) and sent.get("type") == _TOO_LONG:
            numbers = {key: sent[key] for key in ("n_prompt_tokens", "n_ctx") if key in sent}
            return {**error, "code": "context_length_exceeded", **numbers}
        return error

    def sender(self) -> Sender | None:
        """The engine in this process, or None: the openai SDK talks to the server."""
        if not self.in_process:
            return None
        from dragoman.llamacpp.senders import EngineSender

        return EngineSender(self.engine_options)

    def async_sender(self) -> AsyncSender | None:
        """`sender` for the asynchronous side."""
        if not self.in_process:
            return None
        from dragoman.llamacpp.senders import AsyncEngineSender

        return AsyncEngineSender(self.engine_options)
