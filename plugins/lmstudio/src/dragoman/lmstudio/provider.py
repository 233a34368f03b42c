"""LM Studio: OpenAI's wire, narrowed to what its documentation lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dragoman.core import CompatibleProvider, unsupported

if TYPE_CHECKING:
    from dragoman.core import Call, Json

#: What is not among the documented parameters, and has no effect.
_IGNORED = (
    *("audio", "function_call", "functions", "logprobs", "metadata", "modalities", "moderation", "n"),
    *("parallel_tool_calls", "prediction", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"),
    *("safety_identifier", "service_tier", "store", "top_logprobs", "user", "verbosity", "web_search_options"),
)
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
    key_env: ClassVar = ("LM_API_TOKEN",)
    absent: ClassVar = {
        **dict.fromkeys(_IGNORED, "LM Studio does not document it, and it has no effect"),
        "reasoning_effort": "LM Studio reads it at its /v1/responses only",
    }
    #: Only the older name is documented.
    renamed: ClassVar = {"max_completion_tokens": "max_tokens"}

    def encode_chat(self, call: Call) -> Json:
        """Say JSON mode and the choice of a tool in LM Studio's words."""
        chat = super().encode_chat(call)
        if chat.get("response_format") == {"type": "json_object"}:
            _encode_json_mode(call, chat)
        if isinstance(chat.get("tool_choice"), dict):
            _encode_tool_choice(call, chat)
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


def _encode_tool_choice(call: Call, chat: Json) -> None:
    """Choose by what is offered: LM Studio reads words only. Where all tools are meant, that says the same."""
    choice = chat.pop("tool_choice")
    allowed = choice.get("allowed_tools") or {"mode": "required", "tools": [choice]}
    names = {_name(tool) for tool in allowed["tools"]}
    tools = chat.get("tools") or []
    chosen = [tool for tool in tools if _name(tool) in names]
    reason = "LM Studio cannot be told to call certain tools only"
    nearest = f"only {', '.join(sorted(names))} offered, and tool_choice={allowed['mode']!r}" if chosen else ""
    if (chosen and chosen == tools) or unsupported(call, "tool_choice", choice, reason=reason, nearest=nearest):
        chat.update(tools=chosen, tool_choice=allowed["mode"])


def _name(tool: Json) -> str:
    return (tool.get("function") or tool.get("custom") or {}).get("name") or ""
