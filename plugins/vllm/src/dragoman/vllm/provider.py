"""vLLM: OpenAI's wire, from a server that knows most of OpenAI's parameters and takes the rest in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dragoman.core import HOSTED_ONLY, CompatibleProvider
from dragoman.vllm.mistral import encode_messages

if TYPE_CHECKING:
    from dragoman.core import Call, Json

#: What a refusal says -> what its reader can do.
_ADVICE = {
    "--enable-auto-tool-choice": 'start it with these flags; tool_choice="required" or a tool\'s name work without',
    "Unexpected role 'user' after role 'tool'": 'use VLLM(mistral_tokenizer=True) and on_unsupported="adapt"',
}


class VLLM(CompatibleProvider):
    """https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html.

    `mistral_tokenizer=True` is for servers started with `--tokenizer-mode mistral`, which hold the history to
    Mistral's rules: see `dragoman.vllm.mistral`. vLLM's own parameters (`top_k`, `chat_template_kwargs`, …) go
    through `extra_body`.
    """

    name = "vllm"
    base_url = "http://127.0.0.1:8000/v1"
    base_url_env: ClassVar = ("VLLM_API_BASE",)
    start: ClassVar = "start it with `vllm serve MODEL`, or set VLLM_API_BASE"
    key_env: ClassVar = ("VLLM_API_KEY",)
    #: Its request has no field for them; it notes them in its log and goes on.
    absent: ClassVar = dict.fromkeys(HOSTED_ONLY, "vLLM takes it without any effect")
    #: Today's name and that of older versions; each reads its own.
    reasoning_keys: ClassVar = ("reasoning", "reasoning_content")
    own_parameters: ClassVar = frozenset({"top_k"})

    def __init__(self, *, mistral_tokenizer: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.mistral_tokenizer = mistral_tokenizer

    def encode_chat(self, call: Call) -> Json:
        """Hold the history to Mistral's rules where the server does."""
        chat = super().encode_chat(call)
        if self.mistral_tokenizer:
            chat["messages"] = encode_messages(call, chat["messages"])
        return chat

    def decode_error(self, status: int, body: Any) -> Json:
        """Add advice to refusals that leave their reader alone."""
        error = super().decode_error(status, body)
        advice = next((f" ({advice})" for text, advice in _ADVICE.items() if text in error["message"]), "")
        return {**error, "message": error["message"] + advice}
