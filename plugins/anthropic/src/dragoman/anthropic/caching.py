"""Cache breakpoints: the API takes four.

Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.anthropic.content import LONG_MARKER, SHORT_MARKER

if TYPE_CHECKING:
    from dragoman.core import Json

MOST = 4


def limit_breakpoints(body: Json, automatic: Any = None) -> None:
    """Keep the last four breakpoints of the prompt (tools, system, messages), as OpenAI does with its own.

    A request that asks for automatic caching (`automatic`, the `cache_control` beside `messages`) has used one of them.
    One that may live for five minutes must not come before one of an hour: OpenAI's gets the hour, which is no less
    than it asks for.
    """
    most = MOST - bool(automatic)
    spots = [
        (holder, index)
        for holder in _lists_of(body)
        for index, block in enumerate(holder)
        if block.get("cache_control")
    ]
    surplus = max(0, len(spots) - most)
    for holder, index in spots[:surplus]:
        holder[index] = {key: value for key, value in holder[index].items() if key != "cache_control"}
    long = _is_long(automatic)
    for holder, index in reversed(spots[surplus:]):
        marker = holder[index]["cache_control"]
        if long and marker is SHORT_MARKER:
            holder[index] = {**holder[index], "cache_control": LONG_MARKER}
        long = long or _is_long(marker)


def _is_long(marker: Any) -> bool:
    return isinstance(marker, dict) and marker.get("ttl") == LONG_MARKER["ttl"]


def _lists_of(body: Json) -> list[list[Json]]:
    contents = [message["content"] for message in body["messages"]]
    return [found for found in (body.get("tools"), body.get("system"), *contents) if isinstance(found, list)]
