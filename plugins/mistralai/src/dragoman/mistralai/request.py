"""The parameters of OpenAI's chat request -> Mistral's.

Source: https://docs.mistral.ai/api (chat completions). Most are the same; the names that differ stand in the
provider's tables, and here is what differs in shape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.core import allowed_tools, tool_name, unsupported

if TYPE_CHECKING:
    from dragoman.core import Call, Json

#: OpenAI's tiers -> Mistral's requested tiers, where one is the other.
_TIERS = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}


def fit_parameters(call: Call, chat: Json) -> None:
    """Give `chat`, a new body with OpenAI's shapes, Mistral's. Raises `UnsupportedParameter` by the caller's policy."""
    if "tool_choice" in chat:
        _fit_tool_choice(call, chat)
    if "tools" in chat:
        _fit_tools(call, chat)
    if "service_tier" in chat:
        tier = chat.pop("service_tier")
        if tier in _TIERS:
            chat["service_tier"] = _TIERS[tier]
        else:
            unsupported(call, "service_tier", tier, reason="it can be asked for the tiers auto and default only")
    if isinstance(chat.get("prediction"), dict):
        chat["prediction"] = {**chat["prediction"], "content": _joined(chat["prediction"].get("content"))}
    if isinstance(chat.get("response_format"), dict):
        chat["response_format"] = _without_nulls(chat["response_format"])


def _fit_tools(call: Call, chat: Json) -> None:
    tools = [_encode_tool(tool) for tool in chat["tools"] if not _is_custom(call, "tools", tool)]
    if tools:
        chat["tools"] = tools
        return
    # What is said about tools is refused where there are none.
    for param in ("tools", "tool_choice", "parallel_tool_calls"):
        chat.pop(param, None)


def _encode_tool(tool: Json) -> Json:
    function = tool.get("function")
    if not isinstance(function, dict):
        # A tool of Mistral's own (an image generator, a document library).
        return tool
    # Parameters are required there, of tools without any too.
    whole = {"parameters": {"type": "object", "properties": {}}, **_without_nulls(function)}
    return {**tool, "function": {key: whole[key] for key in (*function, "parameters") if key in whole}}


def _is_custom(call: Call, param: str, value: Json) -> bool:
    """Whether this is about a tool that takes free text; the policy has then decided that it is left out."""
    if value.get("type") != "custom":
        return False
    unsupported(call, param, value, reason="it has function tools only")
    return True


def _fit_tool_choice(call: Call, chat: Json) -> None:
    choice = chat["tool_choice"]
    if not isinstance(choice, dict):
        return
    if choice.get("type") == "allowed_tools":
        chat["tools"], chat["tool_choice"] = allowed_tools(choice, chat.get("tools") or [])
    elif _is_custom(call, "tool_choice", choice):
        del chat["tool_choice"]
    elif choice.get("type") == "function":
        chat["tool_choice"] = {"type": "function", "function": {"name": tool_name(choice)}}


def _joined(content: Any) -> Any:
    """A prediction is one text there."""
    if not isinstance(content, list):
        return content
    return "".join(part.get("text") or "" for part in content)


def _without_nulls(value: Json) -> Json:
    """Leave out what an object says with null, one level deep and in `json_schema`: it is the same as absent."""
    found = {key: item for key, item in value.items() if item is not None}
    if isinstance(found.get("json_schema"), dict):
        found["json_schema"] = _without_nulls(found["json_schema"])
    return found
