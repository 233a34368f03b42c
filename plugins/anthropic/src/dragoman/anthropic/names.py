"""Which tools are called differently at Anthropic, or look differently there.

Everything here is a function of the request alone (tools and history), so that the answer is read back with
the maps the question was written with, and so that every turn of a conversation writes a name alike.
A tool's name must match `^[a-zA-Z0-9_-]{1,128}$`
(https://platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools).
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from dragoman.anthropic.schemas import must_wrap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dragoman.core import Json

WEB_SEARCH = "web_search"

_VALID_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_INVALID = re.compile(r"[^a-zA-Z0-9_-]")
_DATED_TYPE = re.compile(r"_\d{8}$")


def tool_names(chat: Json) -> dict[str, str]:
    """Return original -> wire for the names that Anthropic refuses; the others go as they are.

    A rewritten name ends with a digest of the original: it does not depend on what else is called, so a
    name that comes up later in the conversation changes none that were sent before.
    """
    # The server tool's own name is fixed; a function of that name has to give way.
    reserved = {WEB_SEARCH} if chat.get("web_search_options") is not None else set()
    names = dict.fromkeys(_names_in(chat))
    valid = {name for name in names if _VALID_NAME.fullmatch(name)}
    if len(valid) == len(names) and reserved.isdisjoint(valid):
        return {}
    taken = valid | reserved
    renamed: dict[str, str] = {}
    for name in names:
        if name in valid and name not in reserved:
            continue
        renamed[name] = _free_name(name, taken)
        taken.add(renamed[name])
    return renamed


def original_names(chat: Json) -> dict[str, str]:
    """Return wire -> original for the names that `tool_names` rewrote."""
    return {wire: original for original, wire in tool_names(chat).items()}


def wrapped_tools(chat: Json) -> frozenset[str]:
    """Original names of the functions whose arguments travel under the key `value` of the tool's input.

    Anthropic wants a plain object at the top of `input_schema`; other schemas are nested one level.
    """
    return frozenset(
        function["name"]
        for function in _functions_in(chat)
        if isinstance(function.get("name"), str) and must_wrap(function.get("parameters"))
    )


def custom_tools(chat: Json) -> frozenset[str]:
    """Original names of OpenAI's custom tools; their text travels under the key `input` of the tool's input."""
    return frozenset(
        tool["custom"]["name"]
        for tool in chat.get("tools") or ()
        if is_custom(tool) and isinstance(tool["custom"].get("name"), str)
    )


def answers_in_function_call(chat: Json) -> bool:
    """Whether the request is in OpenAI's first tool interface: one `function_call`, instead of `tool_calls`."""
    return bool(chat.get("functions")) and not chat.get("tools")


def is_native(tool: Any) -> bool:
    """Whether an entry of `tools` is Anthropic's own already (a schema of its form, or a dated server tool)."""
    if not isinstance(tool, dict) or "function" in tool or isinstance(tool.get("custom"), dict):
        return False
    kind = tool.get("type")
    return "input_schema" in tool or (isinstance(kind, str) and bool(_DATED_TYPE.search(kind) or kind == "mcp_toolset"))


def is_custom(tool: Any) -> bool:
    """Whether an entry of `tools` is one of OpenAI's custom (free text) tools."""
    return isinstance(tool, dict) and tool.get("type") == "custom" and isinstance(tool.get("custom"), dict)


def _functions_in(chat: Json) -> Iterator[Json]:
    for tool in chat.get("tools") or ():
        if isinstance(tool, dict) and isinstance(tool.get("function"), dict):
            yield tool["function"]
    yield from (function for function in chat.get("functions") or () if isinstance(function, dict))


def _names_in(chat: Json) -> Iterator[str]:
    """Every name of a client's tool, in order: definitions, then history. Native tools keep theirs."""
    for holder in _named_in(chat):
        if isinstance(holder, dict) and isinstance(holder.get("name"), str):
            yield holder["name"]


def _named_in(chat: Json) -> Iterator[Any]:
    yield from _functions_in(chat)
    for tool in chat.get("tools") or ():
        if is_custom(tool):
            yield tool["custom"]
    for message in chat.get("messages") or ():
        # Most messages have a role and a text only.
        if not isinstance(message, dict) or not ("tool_calls" in message or "function_call" in message):
            continue
        if message.get("role") == "assistant":
            yield message.get("function_call")
            yield from (
                call.get("function") or call.get("custom")
                for call in message.get("tool_calls") or ()
                if isinstance(call, dict)
            )


def _free_name(name: str, taken: set[str]) -> str:
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    readable = _INVALID.sub("_", name)[:100]
    # One length of digest is enough in practice; the longer ones are for names made to collide.
    return next(
        free
        for length in range(8, len(digest))
        if (free := f"{readable or 'tool'}_{digest[:length]}"[:128]) not in taken
    )
