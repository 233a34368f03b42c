"""llama.cpp: its engine in this process, or its server at a base URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dragoman.core import HOSTED_ONLY, Capability, CompatibleProvider, Provider
from dragoman.llamacpp.options import EngineOptions, check_names
from dragoman.llamacpp.request import encode_rehearsal
from dragoman.llamacpp.source import DEMO

if TYPE_CHECKING:
    from dragoman.core import AsyncSender, Call, Capabilities, Json, Sender
    from dragoman.llamacpp.options import Pooling, ReasoningFormat

_TOO_LONG = "exceed_context_size_error"


class LlamaCpp(CompatibleProvider):
    """llama.cpp: https://github.com/ggml-org/llama.cpp/tree/master/tools/server.

    Without a base URL (argument or `LLAMACPP_API_BASE`) the engine runs in this process, and a model is the
    path of a .gguf file, a Hugging Face repository (`org/repo[:quant]`) or `demo`; `EngineOptions` explains
    the engine's options. With one, they are the server's own business. `parallel_tool_calls=True` asks for
    several calls at once unless the request says otherwise: OpenAI's default, but not llama.cpp's.
    """

    name = "llamacpp"
    base_url = ""
    base_url_env: ClassVar = ("LLAMACPP_API_BASE",)
    start: ClassVar = "start it with `llama-server -m FILE.gguf`, or set LLAMACPP_API_BASE"
    endpoints: ClassVar = frozenset({"chat", "completions", "embeddings", "models"})
    absent: ClassVar = dict.fromkeys(HOSTED_ONLY, "llama.cpp takes it without any effect")
    #: Only newer builds know the newer name.
    renamed: ClassVar = {"max_completion_tokens": "max_tokens"}
    #: An object it takes for "auto", without a word.
    names_tools: ClassVar = False
    reasoning_keys: ClassVar = ("reasoning_content",)
    own_parameters: ClassVar = frozenset({"top_k"})

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
        if self.sdk_options:
            # Those of a server's client; for the engine here they are without use, but no mistake.
            import openai

            check_names(self.sdk_options, LlamaCpp.__init__, Provider.__init__, openai.OpenAI)
        self.engine_options = EngineOptions(
            context_size, threads, gpu_layers, parallel, chat_template, reasoning_format, pooling
        )
        self.parallel_tool_calls = parallel_tool_calls
        if self.in_process:
            # The names of all others are paths and repositories.
            self.public_models = frozenset({DEMO})

    def __repr__(self) -> str:
        """Name and place."""
        return f"<LlamaCpp {self.name!r} in this process>" if self.in_process else super().__repr__()

    @property
    def in_process(self) -> bool:
        """Whether there is no server to talk to."""
        return not self.base_url and self.client is None and self.async_client is None

    def narrow_capabilities(self, shown: Capabilities) -> Capabilities:
        """The engine in this process reads text; what a server makes of images depends on its model."""
        return shown.but(images=Capability("no", "the engine in this process reads text")) if self.in_process else shown

    def encode_chat(self, call: Call) -> Json:
        """Ask for several calls at once if the caller wants that."""
        chat = super().encode_chat(call)
        if chat.get("tools") and self.parallel_tool_calls:
            chat.setdefault("parallel_tool_calls", True)
        return encode_rehearsal(chat) if call.model == DEMO and self.in_process else chat

    def decode_error(self, status: int, body: Any) -> Json:
        """The engine counts tokens in its error object: they stay."""
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
