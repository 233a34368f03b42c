"""The choice of a tool at servers that read the words `none`, `auto` and `required` only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core.policy import unsupported

if TYPE_CHECKING:
    from dragoman.core.provider import Call, Json


def choose_by_offering(call: Call, chat: Json) -> None:
    """Say a `tool_choice` that names tools, in `chat`, by what is offered.

    Where it names all the tools that there are, that says the same. With others beside them it is the nearest
    thing, which the caller's policy decides about.
    """
    choice = chat.get("tool_choice")
    if not isinstance(choice, dict):
        return
    del chat["tool_choice"]
    allowed = choice.get("allowed_tools") or {"mode": "required", "tools": [choice]}
    names = {_name(tool) for tool in allowed["tools"]}
    tools = chat.get("tools") or []
    chosen = [tool for tool in tools if _name(tool) in names]
    reason = f"{call.provider} cannot be told to call certain tools only"
    hint = f"send only those tools, with tool_choice={allowed['mode']!r}"
    nearest = f"only {', '.join(sorted(names))} offered, and tool_choice={allowed['mode']!r}" if chosen else ""
    exact = bool(chosen) and chosen == tools
    if exact or unsupported(call, "tool_choice", choice, reason=reason, hint=hint, nearest=nearest):
        chat.update(tools=chosen, tool_choice=allowed["mode"])


def _name(tool: Json) -> str:
    return (tool.get("function") or tool.get("custom") or {}).get("name") or ""
