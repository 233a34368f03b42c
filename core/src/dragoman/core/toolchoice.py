"""The choice of a tool at servers that read less of it than OpenAI does."""

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
    tools = chat.get("tools") or []
    if choice.get("type") == "allowed_tools":
        chosen, mode = allowed_tools(choice, tools)
    else:
        chosen, mode = [tool for tool in tools if tool_name(tool) == tool_name(choice)], "required"
    reason = f"{call.provider} cannot be told to call certain tools only"
    hint = f"send only those tools, with tool_choice={mode!r}"
    nearest = f"only {', '.join(sorted(map(tool_name, chosen)))} offered, and tool_choice={mode!r}" if chosen else ""
    exact = bool(chosen) and chosen == tools
    if exact or unsupported(call, "tool_choice", choice, reason=reason, hint=hint, nearest=nearest):
        chat.update(tools=chosen, tool_choice=mode)


def allowed_tools(choice: Json, tools: list[Json]) -> tuple[list[Json], str]:
    """Return those of the tools that a `tool_choice` of type `allowed_tools` leaves, and its mode.

    Raises `InvalidRequest` where it names a tool that is not there, or none.
    """
    allowed = choice.get("allowed_tools") or choice
    names = {tool_name(tool) for tool in allowed.get("tools") or ()}
    strange = names - {tool_name(tool) for tool in tools}
    if strange or not names:
        from dragoman.core.errors import InvalidRequest

        what = f"names {', '.join(sorted(strange))}, which tools does not have" if strange else "names no tool"
        message = f"tool_choice.allowed_tools {what}; name some of the request's tools, or use tool_choice='none'"
        raise InvalidRequest(message)
    return [tool for tool in tools if tool_name(tool) in names], allowed.get("mode") or "auto"


def tool_name(tool: Json) -> str:
    """Return the name in a tool or in a choice of one, flat or in an object of its own; else the tool's type."""
    return (tool.get("function") or tool.get("custom") or tool).get("name") or tool.get("type") or ""
