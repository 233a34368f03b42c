"""Tool results: which call a message answers, and what it says.

The API wants all results of an assistant's turn in the one user turn that follows it, before any text
(https://platform.claude.com/docs/en/agents-and-tools/tool-use/handle-tool-calls).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dragoman.anthropic.content import USER_PARTS, cache_marker, encode_content, is_blank
from dragoman.core import InvalidRequest

if TYPE_CHECKING:
    from dragoman.anthropic.assistant import OpenCall
    from dragoman.anthropic.draft import Draft
    from dragoman.core import Json

#: What a repaired conversation says for a call without a result.
NO_RESULT = "No result was recorded for this call."
#: What an error says that says nothing: the API refuses one without content.
NO_REASON = "The call failed without a message."


class Results:
    """The calls of one assistant turn, and their results as they come in."""

    def __init__(self, ttl: str | None = None) -> None:
        self._ttl = ttl
        #: Whether the turn has called anything.
        self.expected = False
        self.open: list[OpenCall] = []
        self.blocks: list[Json] = []
        self._answered: set[str] = set()

    def expect(self, calls: list[OpenCall]) -> None:
        """Wait for the results of these calls."""
        self.expected = self.expected or bool(calls)
        self.open.extend(calls)

    def take(self, message: Json, place: str) -> None:
        """Add the result in a `tool` (or legacy `function`) message; `InvalidRequest` if no call waits for it."""
        call = self._find(message, place)
        self.open.remove(call)
        self._answered.add(call.original if call.original is not None else call.name)
        self.blocks.append(encode_result(message, call.wire, place, self._ttl))

    def _find(self, message: Json, place: str) -> OpenCall:
        if message["role"] == "function":
            wanted = str(message.get("name"))
            matching = [call for call in self.open if call.original is None and call.name == wanted]
        else:
            wanted = str(message.get("tool_call_id") or "")
            matching = [call for call in self.open if call.original == wanted]
        if matching:
            return matching[0]
        if wanted in self._answered:
            msg = f"{place} is a second result for the call {wanted!r}. Keep one of them."
        else:
            msg = (
                f"{place} answers {wanted!r}, which the assistant turn before it did not call. "
                "Remove it, or send the call too."
            )
        raise InvalidRequest(msg)

    def close(self, draft: Draft) -> list[Json]:
        """Return all the results, in the caller's order; a call without one is an error, or repaired under "adapt"."""
        if self.open:
            missing = ", ".join(repr(call.original or call.name) for call in self.open)
            if draft.call.on_unsupported != "adapt":
                msg = (
                    f"No tool message answers the call(s) {missing}. Anthropic wants a result for every call right "
                    'after the turn that made it: add them, or choose on_unsupported="adapt" to send error results.'
                )
                raise InvalidRequest(msg)
            draft.unsupported(
                "messages.tool_calls", missing, reason="calls have no results", nearest="error results were added"
            )
            for call in self.open:
                self.blocks.append(
                    {"type": "tool_result", "tool_use_id": call.wire, "content": NO_RESULT, "is_error": True}
                )
        return self.blocks


def encode_result(message: Json, wire_id: str, place: str, ttl: str | None = None) -> Json:
    """One result. `is_error: true` or `status: "error"`, which OpenAI's schema does not have, are understood.

    `ttl` is what the request says of all its cache breakpoints. One inside a result is as good as one after it, where
    it is among the four that are taken.
    """
    content, inner = _without_markers(_result_content(message.get("content"), f"{place}.content", ttl))
    block: Json = {"type": "tool_result", "tool_use_id": wire_id, **(cache_marker(message, ttl) or inner)}
    failed = message.get("is_error") is True or message.get("status") == "error"
    if content or failed:
        block["content"] = content or NO_REASON
    if failed:
        block["is_error"] = True
    return block


def _without_markers(content: str | list[Json]) -> tuple[str | list[Json], Json]:
    """Return the content without cache breakpoints, and the last of them as one for the whole of it."""
    markers = [] if isinstance(content, str) else [part["cache_control"] for part in content if "cache_control" in part]
    if isinstance(content, str) or not markers:
        return content, {}
    bare = [{key: value for key, value in part.items() if key != "cache_control"} for part in content]
    return bare, {"cache_control": markers[-1]}


def _result_content(content: Any, place: str, ttl: str | None) -> str | list[Json]:
    """Text as it is, parts as blocks, and any other value as JSON; an empty text cannot be sent at all."""
    if content is None:
        return ""
    if isinstance(content, str):
        return "" if is_blank(content) else content
    if isinstance(content, list) and all(
        isinstance(part, dict) and isinstance(part.get("type"), str) for part in content
    ):
        return encode_content(content, place, USER_PARTS, ttl)
    return json.dumps(content, ensure_ascii=False)
