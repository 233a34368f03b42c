"""Anthropic's tools and the choice among them -> OpenAI's.

Source: https://platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.core import InvalidRequest

if TYPE_CHECKING:
    from dragoman.core import Json
    from dragoman.server.messages.draft import Draft

_WORDS = {"auto": "auto", "any": "required", "none": "none"}
#: Settings that say how a tool is loaded or cached, and not what it does.
_HINTS = frozenset({"cache_control", "defer_loading", "eager_input_streaming"})
_TRANSLATED = frozenset({"type", "name", "description", "input_schema", "strict"})


def decode_tools(draft: Draft, tools: Any) -> None:
    """Add the tools, in their order. Those that are Anthropic's own go by the policy where the provider has none."""
    if not isinstance(tools, list):
        msg = "tools: send a list of tools"
        raise InvalidRequest(msg)
    found: list[Json] = []
    for index, tool in enumerate(tools):
        place = f"tools.{index}"
        if not isinstance(tool, dict):
            msg = f"{place}: a tool is an object"
            raise InvalidRequest(msg)
        if draft.native:
            # Its plugin knows a tool of this dialect when it sees one.
            found.append(tool)
        elif tool.get("type") in (None, "custom"):
            found.append(_function(draft, tool, place))
        else:
            draft.unsupported(
                f"{place} ({tool['type']})",
                tool,
                reason="this tool is Anthropic's own",
                hint='give the model a tool with an input_schema, or choose on_unsupported="adapt" to leave it out',
            )
    if found:
        draft.chat["tools"] = found


def _function(draft: Draft, tool: Json, place: str) -> Json:
    name, schema = tool.get("name"), tool.get("input_schema")
    if not isinstance(name, str) or not name:
        msg = f"{place}.name: give the tool a name"
        raise InvalidRequest(msg)
    if not isinstance(schema, dict):
        msg = f"{place}.input_schema: send a JSON schema"
        raise InvalidRequest(msg)
    for key in tool.keys() - _TRANSLATED - _HINTS:
        if tool[key] not in (None, [], ["direct"]):
            draft.unsupported(f"{place}.{key}", tool[key], reason="tools have no such setting")
    described = {"description": tool["description"]} if tool.get("description") else {}
    strict = {"strict": True} if tool.get("strict") is True else {}
    return {"type": "function", "function": {"name": name, **described, "parameters": schema, **strict}}


def decode_choice(draft: Draft, choice: Any) -> None:
    """`tool_choice` -> `tool_choice` and `parallel_tool_calls`; without tools it says nothing."""
    kind = choice.get("type") if isinstance(choice, dict) else None
    if not isinstance(kind, str) or kind not in {*_WORDS, "tool"}:
        msg = f"tool_choice: use type auto, any, tool or none, not {kind!r}"
        raise InvalidRequest(msg)
    if not draft.chat.get("tools"):
        return
    if kind == "tool":
        if not isinstance(choice.get("name"), str):
            msg = "tool_choice.name: name the tool"
            raise InvalidRequest(msg)
        draft.chat["tool_choice"] = {"type": "function", "function": {"name": choice["name"]}}
    else:
        draft.chat["tool_choice"] = _WORDS[kind]
    if choice.get("disable_parallel_tool_use") is True and kind != "none":
        draft.chat["parallel_tool_calls"] = False
