"""Anthropic's `system` and `messages` -> OpenAI's list of messages.

What an assistant said at a provider of Anthropic's dialect stands in the carry, block for block, as
`dragoman.anthropic` puts it there: so it goes back as it came. Elsewhere thoughts travel as `reasoning_content`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dragoman.core import InvalidRequest, pack, unpack
from dragoman.server.messages.carrier import is_ours, unload
from dragoman.server.messages.content import decode_block, decode_content, plain
from dragoman.server.messages.draft import blocks_of, text_of

if TYPE_CHECKING:
    from dragoman.core import Json
    from dragoman.server.messages.draft import Draft

#: The entry of the carry that Anthropic's blocks stand in, whatever the provider is called here.
CARRY = "anthropic"


def decode_messages(draft: Draft, messages: Any) -> None:
    """Write `messages`, the system prompt first. Raises `InvalidRequest` for what is no conversation."""
    if not isinstance(messages, list):
        msg = "messages: send a list of messages"
        raise InvalidRequest(msg)
    found: list[Json] = []
    if draft.body.get("system"):
        found.append({"role": "system", "content": decode_content(draft, draft.body["system"], "system")})
    for index, message in enumerate(messages):
        place = f"messages.{index}"
        role = message.get("role") if isinstance(message, dict) else None
        if role == "user":
            found += _user(draft, message.get("content"), f"{place}.content")
        elif role == "assistant":
            found.append(_assistant(draft, message.get("content"), f"{place}.content"))
        elif role == "system":
            content = decode_content(draft, message.get("content"), f"{place}.content")
            found.append({"role": "system", "content": content})
        else:
            msg = f"{place}.role: use user, assistant or system, not {role!r}"
            raise InvalidRequest(msg)
    draft.chat["messages"] = found


def restore_messages(draft: Draft) -> Json:
    """Return the request for a provider that reads it as it is: itself, but for blocks that are ours.

    Where those carry what Anthropic said, that stands in their place again.
    """
    messages = draft.body.get("messages")
    if not isinstance(messages, list) or not any(_has_ours(message) for message in messages):
        return draft.body
    restored = [
        {**message, "content": _restored(draft, message["content"])} if _has_ours(message) else message
        for message in messages
    ]
    return {**draft.body, "messages": restored}


def _has_ours(message: Any) -> bool:
    content = message.get("content") if isinstance(message, dict) else None
    return isinstance(content, list) and any(map(is_ours, content))


def _restored(draft: Draft, content: list[Json]) -> list[Json]:
    said, unedited = unpack(_assistant(draft, content, "messages"), CARRY)
    blocks: list[Json] = said["blocks"] if said is not None and unedited else unload(content)[1]
    return blocks


def _user(draft: Draft, content: Any, place: str) -> list[Json]:
    """Results of tools are messages of their own, and come first."""
    results: list[Json] = []
    parts: list[Json] = []
    for block, where in blocks_of(content, place):
        if block["type"] == "tool_result":
            results.append(_result(draft, block, where))
        else:
            parts += decode_block(draft, block, where)
    return results if results and not parts else [*results, {"role": "user", "content": plain(parts)}]


def _result(draft: Draft, block: Json, place: str) -> Json:
    """A tool's result. Whether it is an error is a remark that only Anthropic has: the text says what went wrong."""
    content = block.get("content")
    message: Json = {
        "role": "tool",
        "tool_call_id": text_of(block, place, "tool_use_id"),
        "content": "" if content is None else decode_content(draft, content, f"{place}.content"),
    }
    if draft.native:
        message.update({key: block[key] for key in ("is_error", "cache_control") if block.get(key)})
    elif block.get("is_error"):
        draft.drop("messages.tool_result.is_error")
    return message


@dataclass(slots=True)
class _Said:
    """What an assistant's turn says, by kind."""

    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: list[Json] = field(default_factory=list)


def _assistant(draft: Draft, content: Any, place: str) -> Json:
    """An assistant's turn: its text, its calls, its thoughts, and what only its maker understands."""
    pairs = list(blocks_of(content, place))
    cargo, blocks = unload([block for block, _ in pairs])
    said = _Said()
    for block, where in pairs:
        _sort(draft, said, block, where, cargo.get("arguments") or {})
    message: Json = {"role": "assistant", "content": "".join(said.texts) or (None if said.calls else "")}
    if said.calls:
        message["tool_calls"] = said.calls
    extra = cargo.get("extra_content") or {}
    if draft.native:
        extra = {**pack(message, CARRY, {"v": 1, "blocks": blocks}), **extra}
    elif any(said.thoughts):
        message["reasoning_content"] = "\n\n".join(filter(None, said.thoughts))
    return {**message, "extra_content": extra} if extra else message


def _sort(draft: Draft, said: _Said, block: Json, place: str, arguments: Json) -> None:
    kind = block["type"]
    if kind == "text":
        said.texts.append(text_of(block, place))
    elif kind == "thinking":
        said.thoughts.append(text_of(block, place, "thinking"))
    elif kind == "tool_use" and not str(block.get("id")).startswith("srvtoolu_"):
        said.calls.append(_call(block, place, arguments))
    elif kind == "image":
        msg = f"{place}: an assistant's message holds no image"
        raise InvalidRequest(msg)
    elif kind != "redacted_thinking" and not draft.native:
        # What was done on Anthropic's side is of no use elsewhere; the text tells what came of it.
        draft.drop(f"messages.{kind}")


def _call(block: Json, place: str, arguments: Json) -> Json:
    call_id, value = text_of(block, place, "id"), block.get("input") or {}
    if not isinstance(value, dict):
        msg = f"{place}.input: send an object"
        raise InvalidRequest(msg)
    written = arguments.get(call_id)
    if not isinstance(written, str) or not _says(written, value):
        written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return {
        "id": call_id,
        "type": "function",
        "function": {"name": text_of(block, place, "name"), "arguments": written},
    }


def _says(written: str, value: Json) -> bool:
    """Whether the text is what the model wrote for this input: it goes back letter by letter."""
    try:
        return bool(json.loads(written) == value)
    except (ValueError, RecursionError):
        return False
