"""Which tool the model may, must or must not call.

Source: https://platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools#controlling-claudes-output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.anthropic.schemas import closed_schema, unenforceable
from dragoman.core import InvalidRequest

if TYPE_CHECKING:
    from anthropic.types import ToolChoiceParam
    from dragoman.anthropic.draft import Draft
    from dragoman.core import Json

_WORDS: dict[str, ToolChoiceParam] = {
    "auto": {"type": "auto"},
    "none": {"type": "none"},
    "required": {"type": "any"},
}
_FORCED = frozenset({"any", "tool"})


def encode_choice(draft: Draft, value: Any, param: str = "tool_choice") -> None:
    """`tool_choice` -> `tool_choice`; `param` is what the caller called it.

    Raises `InvalidRequest` for a choice that cannot be made: of a tool that is not there, or of a tool where there
    are none.
    """
    if not draft.body.get("tools"):
        if value in ("auto", "none"):
            return
        msg = f"{param} asks for a tool call, but the request has no tools. Add the tools, or leave {param} out."
        raise InvalidRequest(msg)
    if isinstance(value, dict) and value.get("type") == "allowed_tools":
        value = _allow(draft, value.get("allowed_tools") or {})
    choice = _choice(draft, value, param)
    if choice["type"] in _FORCED:
        choice = _forced(draft, choice, value, param)
    draft.body["tool_choice"] = choice


def encode_function_call(draft: Draft, value: Any) -> None:
    """The choice in OpenAI's first tool interface."""
    encode_choice(draft, value, "function_call")


def encode_parallel(draft: Draft, value: Any) -> None:
    """`parallel_tool_calls: false`; true is the default, and without tools it means nothing."""
    if value is not False or not draft.body.get("tools"):
        return
    choice: Json = draft.body.get("tool_choice") or {"type": "auto"}
    if choice["type"] != "none":
        draft.body["tool_choice"] = {**choice, "disable_parallel_tool_use": True}


def _choice(draft: Draft, value: Any, param: str) -> Json:
    if isinstance(value, str) and value in _WORDS:
        return {**_WORDS[value]}
    if isinstance(value, dict):
        if value.get("type") in {"auto", "any", "none", "tool"}:
            return value
        name = _named(value)
        if isinstance(name, str):
            return {"type": "tool", "name": _defined(draft, name, param)}
    msg = f"{param} {value!r} is unknown. Use auto, none, required, or name a function or a custom tool."
    raise InvalidRequest(msg)


def _named(value: Json) -> Any:
    """The name in `{"type": "function", "function": {…}}`, in the custom tools' form, or in the legacy one."""
    holder = value.get("function") or value.get("custom") or value
    return holder.get("name") if isinstance(holder, dict) else None


def _defined(draft: Draft, name: str, param: str) -> str:
    wire = draft.wire_name(name)
    if all(tool.get("name") != wire for tool in draft.body["tools"]):
        msg = f"{param} names {name!r}, which is not among the tools of the request. Add it, or choose another."
        raise InvalidRequest(msg)
    return wire


def _allow(draft: Draft, allowed: Json) -> str:
    """Leave only the allowed tools in the request: there is no choice among a subset. Returns the mode."""
    names = {draft.wire_name(str(_named(tool))) for tool in allowed.get("tools") or () if isinstance(tool, dict)}
    draft.body["tools"] = [tool for tool in draft.body["tools"] if tool.get("name") in names]
    if not draft.body["tools"]:
        msg = "tool_choice.allowed_tools allows none of the request's tools. Name some of them, or use none."
        raise InvalidRequest(msg)
    draft.warn(
        "allowed_tools",
        "there is no choice among a part of the tools, so only the allowed ones were sent. A different set in every "
        "request costs the prompt cache.",
    )
    return "required" if allowed.get("mode") == "required" else "auto"


def _forced(draft: Draft, choice: Json, value: Any, param: str) -> Json:
    """Some models cannot be made to call a tool, and some not while they think."""
    if not draft.facts.forced:
        adapt = draft.unsupported(
            param,
            value,
            reason="this model cannot be forced to call a tool",
            hint='use tool_choice="auto", or response_format for JSON',
            nearest="auto, strict tools, and an instruction",
        )
        return _urged(draft, choice) if adapt else {"type": "auto"}
    if draft.facts.forced_with_thinking or "thinking" not in draft.body or not draft.thinks:
        return choice
    adapt = draft.unsupported(
        "reasoning_effort",
        draft.call.request.get("reasoning_effort"),
        reason="this model cannot think where tool_choice forces a call",
        hint='leave out one of reasoning_effort and tool_choice, or choose on_unsupported="adapt"',
        nearest="the call is forced and thinking left out",
    )
    del draft.body["thinking"]
    if not adapt:
        draft.body.pop("output_config", None)
    return choice


def _urged(draft: Draft, choice: Json) -> Json:
    wanted = choice.get("name")
    for index, tool in enumerate(draft.body["tools"]):
        if wanted in (None, tool.get("name")) and "input_schema" in tool:
            closed = closed_schema(tool["input_schema"])
            if not unenforceable(closed):
                draft.body["tools"][index] = {**tool, "input_schema": closed, "strict": True}
    draft.instruct(f"Answer by calling the tool {wanted}." if wanted else "Answer by calling one of the tools.")
    kept = {key: choice[key] for key in choice if key not in {"type", "name"}}
    return {"type": "auto", **kept}
