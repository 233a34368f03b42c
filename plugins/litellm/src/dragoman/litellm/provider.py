"""LiteLLM's proxy: OpenAI's wire, with what it keeps of the models behind it under keys of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dragoman.core import CompatibleProvider
from dragoman.litellm.extras import hide_server_calls, own_keys, show_server_calls
from dragoman.litellm.stream import ProxyStream

if TYPE_CHECKING:
    from dragoman.core import Call, Json, StreamDecoder


class LiteLLM(CompatibleProvider):
    """https://docs.litellm.ai/docs/proxy/user_keys.

    Parameters are not judged here: only the proxy knows which model an alias stands for, and whether to drop what
    that one lacks (`drop_params`). Without that it answers 400, `UnsupportedParamsError`.
    """

    name = "litellm"
    base_url = "http://127.0.0.1:4000/v1"
    base_url_env: ClassVar = ("LITELLM_API_BASE",)
    start: ClassVar = "start it with `litellm --config FILE`, or set LITELLM_API_BASE"
    key_env: ClassVar = ("LITELLM_API_KEY",)
    reasoning_keys: ClassVar = ("reasoning_content",)
    own_parameters: ClassVar = frozenset({"top_k"})

    def encode_message(self, message: Json) -> Json:
        """Send back what the proxy gave: without its thinking blocks a model behind it may refuse the turn."""
        wire = super().encode_message(message)
        if wire.get("role") != "assistant":
            return wire
        if wire.get("tool_calls"):
            calls = zip(wire["tool_calls"], message["tool_calls"], strict=True)
            wire["tool_calls"] = [{**call, **own_keys(sent)} for call, sent in calls]
        return show_server_calls({**wire, **own_keys(message)})

    def decode_choice(self, call: Call, choice: Json) -> Json:
        """Keep the calls that a vendor's own server has run apart from those that the client shall run."""
        del call
        return {**choice, "message": hide_server_calls(choice["message"])} if choice.get("message") else choice

    def decode_stream(self, call: Call) -> StreamDecoder | None:
        """What the proxy cuts into pieces that no OpenAI client can join is joined before."""
        inner = super().decode_stream(call)
        return None if inner is None else ProxyStream(inner)

    def decode_usage(self, usage: Json) -> Json:
        """Anthropic's counts of its cache stand at the top; the prompt's count includes them already."""
        found = super().decode_usage(usage)
        cache = {
            "cached_tokens": usage.get("cache_read_input_tokens"),
            "cache_write_tokens": usage.get("cache_creation_input_tokens"),
        }
        details = found.get("prompt_tokens_details") or {}
        counted = {name: number for name, number in cache.items() if number and not details.get(name)}
        return {**found, "prompt_tokens_details": {**details, **counted}} if counted else found

    def decode_error(self, status: int, body: Any) -> Json:
        """The proxy writes Python's None as a word."""
        error = super().decode_error(status, body)
        return {key: None if value == "None" else value for key, value in error.items()}
