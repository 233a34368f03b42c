"""Tool definitions and the choice among them.

Source: https://platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.anthropic.assistant import INPUT_KEY
from dragoman.anthropic.content import cache_marker
from dragoman.anthropic.names import is_custom, is_native
from dragoman.anthropic.schemas import closed_schema, enforceable_pattern, input_schema, unenforceable
from dragoman.core import InvalidRequest

if TYPE_CHECKING:
    from anthropic.types import ToolParam, WebSearchTool20250305Param
    from dragoman.anthropic.draft import Draft
    from dragoman.core import Json

#: What most tools are: a type, and a definition under the type's name.
_DEFINED = frozenset({"type", "function", "custom"})
#: Anthropic's own settings of a tool, which may stand beside `function` or `custom`.
_TOOL_SETTINGS = ("allowed_callers", "defer_loading", "eager_input_streaming", "input_examples")


def encode_tools(draft: Draft, tools: Any) -> None:
    """Add the `tools` of the request, in their order; Anthropic's own kinds of tools go as they are."""
    if not isinstance(tools, list):
        msg = f"tools is a {type(tools).__name__}. Send a list."
        raise InvalidRequest(msg)
    for index, tool in enumerate(tools):
        place = f"tools[{index}]"
        if isinstance(tool, dict) and isinstance(tool.get("function"), dict):
            _add(draft, {**_function(draft, tool["function"], place), **_settings(draft, tool)})
        elif is_custom(tool):
            _add(draft, {**_custom(draft, tool["custom"], place), **_settings(draft, tool)})
        elif is_native(tool):
            _add(draft, tool)
        else:
            msg = (
                f"{place} is no function, no custom tool and none of Anthropic's own. Give it a type and a definition."
            )
            raise InvalidRequest(msg)


def encode_functions(draft: Draft, functions: Any) -> None:
    """Add the functions of OpenAI's first tool interface."""
    for index, function in enumerate(functions):
        _add(draft, _function(draft, function, f"functions[{index}]"))


def encode_web_search(draft: Draft, options: Json) -> None:
    """`web_search_options` -> the web search tool that runs on Anthropic's side; every model has this version."""
    size = options.get("search_context_size")
    if size not in (None, "medium"):
        draft.unsupported(
            "web_search_options.search_context_size",
            size,
            reason="the amount of search results cannot be chosen",
            nearest="a search with the provider's own amount of results",
        )
    tool: WebSearchTool20250305Param = {"type": "web_search_20250305", "name": "web_search"}
    place = (options.get("user_location") or {}).get("approximate")
    if isinstance(place, dict):
        given = {key: place[key] for key in ("city", "region", "country", "timezone") if place.get(key)}
        tool["user_location"] = {"type": "approximate", **given}  # type: ignore[typeddict-item]  # keys from the tuple above
    _add(draft, tool)


def _add(draft: Draft, tool: Any) -> None:
    draft.body.setdefault("tools", []).append(tool)


def _name(draft: Draft, definition: Any, place: str) -> str:
    name = definition.get("name") if isinstance(definition, dict) else None
    if not isinstance(name, str):
        msg = f"{place} has no name. Give the tool one."
        raise InvalidRequest(msg)
    return draft.wire_name(name)


def _function(draft: Draft, function: Any, place: str) -> Json:
    schema = input_schema(function.get("parameters") if isinstance(function, dict) else None)
    tool: ToolParam = {"name": _name(draft, function, place), "input_schema": schema}
    if function.get("description"):
        tool["description"] = function["description"]
    if function.get("strict") is True and (enforced := _enforced(draft, schema, place)) is not None:
        tool["input_schema"] = enforced
        tool["strict"] = True
    return {**tool}


def _enforced(draft: Draft, schema: Json, place: str) -> Json | None:
    """The schema in the form that Anthropic can enforce; None: the tool goes without `strict`."""
    closed = closed_schema(schema)
    problems = unenforceable(closed)
    if problems:
        reason = f"{place}: Anthropic cannot enforce {', '.join(problems)}"
    elif not draft.facts.structured_output:
        reason = "this model has no strict tools"
    else:
        return closed
    hint = 'leave strict out, simplify the schema, or choose on_unsupported="adapt"'
    nearest = "the tool was sent without strict"
    draft.unsupported("tools.function.strict", True, reason=reason, hint=hint, nearest=nearest)
    return None


def _custom(draft: Draft, custom: Json, place: str) -> Json:
    """A free-text tool is a function with one string.

    A regular expression can be that string's `pattern`, enforced by `strict`; other grammars cannot be enforced.
    """
    text: Json = {"type": "string"}
    strict: Json = {}
    format_ = custom.get("format") or {}
    if format_.get("type") == "grammar":
        grammar = format_.get("grammar") or {}
        definition = grammar.get("definition")
        regex = grammar.get("syntax") == "regex" and enforceable_pattern(definition)
        if regex and draft.facts.structured_output:
            text["pattern"] = f"^(?:{definition})$"
            strict = {"strict": True}
        elif draft.unsupported(
            "tools.custom.format",
            format_,
            reason=f"{place}: this grammar cannot be enforced",
            nearest="the grammar became the description of the tool's input",
        ):
            text["description"] = f"Must match this {grammar.get('syntax')} grammar:\n{definition}"
    schema: Json = {"type": "object", "properties": {INPUT_KEY: text}, "required": [INPUT_KEY]}
    if strict:
        schema["additionalProperties"] = False
    described = {"description": custom["description"]} if custom.get("description") else {}
    return {"name": _name(draft, custom, place), **described, "input_schema": schema, **strict}


def _settings(draft: Draft, tool: Json) -> Json:
    if tool.keys() <= _DEFINED:
        return {}
    settings = {key: tool[key] for key in _TOOL_SETTINGS if key in tool}
    if not draft.call.stream:
        settings.pop("eager_input_streaming", None)
    return {**settings, **cache_marker(tool, draft.ttl)}
