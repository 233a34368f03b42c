"""Tools and the choice among them -> what Ollama has: tools that the model may call, or none.

Source: https://docs.ollama.com/capabilities/tool-calling; the choice has no place in the request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.core import allowed_tools, tool_name, unsupported

if TYPE_CHECKING:
    from dragoman.core import Call, Json

_HINT = 'use tool_choice="auto" and ask for the call in the prompt, or response_format for JSON'


def encode_tools(call: Call) -> list[Json]:
    """Return the tools that the model shall see. `tool_choice="none"` is the same as no tools."""
    offered, choice = call.request.get("tools") or [], call.request.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        offered, choice = allowed_tools(choice, offered)
    tools: list[Json] = []
    for tool in offered:
        if tool.get("type", "function") == "function":
            tools.append(_function(tool))
        else:
            unsupported(call, "tools", tool, reason=f"Ollama has functions only, and no tool of type {tool['type']!r}")
    return _chosen(call, tools, choice)


def _function(tool: Json) -> Json:
    """Return the tool as it is; Ollama's templates want parameters, be there none."""
    function = tool.get("function") or {}
    if function.get("parameters") is not None:
        return tool
    return {**tool, "function": {**function, "parameters": {"type": "object", "properties": {}}}}


def _chosen(call: Call, tools: list[Json], choice: Any) -> list[Json]:
    if choice in (None, "auto"):
        return tools
    if choice == "none":
        return []
    offered, which = tools, "the tools are offered"
    if isinstance(choice, dict):
        name = tool_name(choice)
        offered, which = [tool for tool in tools if tool_name(tool) == name], f"only {name!r} is offered"
    adapt = unsupported(
        call,
        "tool_choice",
        call.request["tool_choice"],
        reason="Ollama cannot make a model call a tool",
        hint=_HINT,
        nearest=f"{which}, and whether it is called is left to the model" if offered else "",
    )
    return offered if adapt else tools
