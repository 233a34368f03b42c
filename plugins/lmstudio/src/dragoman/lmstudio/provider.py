"""LM Studio: OpenAI's wire, narrowed to what its documentation lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dragoman.core import HOSTED_ONLY, CompatibleProvider, unsupported

if TYPE_CHECKING:
    from dragoman.core import Call, Json

#: What is not among the documented parameters, and has no effect.
_IGNORED = (*HOSTED_ONLY, "logprobs", "n", "parallel_tool_calls", "top_logprobs")
#: JSON mode in the one form that LM Studio has for it.
_ANY_OBJECT = {"type": "json_schema", "json_schema": {"name": "object", "schema": {"type": "object"}}}
_BAD_REQUEST = range(400, 500)


class LMStudio(CompatibleProvider):
    """https://lmstudio.ai/docs/developer/openai-compat/chat-completions.

    The first answer of a model that is not loaded yet takes as long as loading it: mind the timeout. LM Studio's own
    parameters (`ttl`, `top_k`, `repeat_penalty`, `draft_model`) go through `extra_body`.
    """

    name = "lmstudio"
    base_url = "http://127.0.0.1:1234/v1"
    base_url_env: ClassVar = ("LM_STUDIO_API_BASE",)
    start: ClassVar = "start it with `lms server start`, or set LM_STUDIO_API_BASE"
    key_env: ClassVar = ("LM_API_TOKEN",)
    absent: ClassVar = {
        **dict.fromkeys(_IGNORED, "LM Studio does not document it, and it has no effect"),
        "reasoning_effort": "LM Studio reads it at its /v1/responses only",
    }
    #: An object as `tool_choice` is refused.
    names_tools: ClassVar = False
    #: Only the older name is documented.
    renamed: ClassVar = {"max_completion_tokens": "max_tokens"}
    own_parameters: ClassVar = frozenset({"top_k"})

    def encode_chat(self, call: Call) -> Json:
        """Say JSON mode in LM Studio's words."""
        chat = super().encode_chat(call)
        if chat.get("response_format") == {"type": "json_object"}:
            _encode_json_mode(call, chat)
        return chat

    def decode_error(self, status: int, body: Any) -> Json:
        """LM Studio's errors are a bare text, mostly."""
        error = super().decode_error(status, body)
        if error["type"] is None and status in _BAD_REQUEST:
            error["type"] = "invalid_request_error"
        return error


def _encode_json_mode(call: Call, chat: Json) -> None:
    reason = "LM Studio has JSON mode with a schema only"
    nearest = "a schema that any object fits"
    if unsupported(call, "response_format", chat.pop("response_format"), reason=reason, nearest=nearest):
        chat["response_format"] = _ANY_OBJECT
