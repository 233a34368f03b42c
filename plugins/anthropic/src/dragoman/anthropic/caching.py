"""Cache breakpoints: the API takes four.

Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dragoman.core import Json

MOST = 4


def limit_breakpoints(body: Json, *, automatic: bool = False) -> None:
    """Keep the last four breakpoints of the prompt (tools, system, messages), as OpenAI does with its own.

    A request that asks for automatic caching (`cache_control` beside `messages`) has used one of them.
    """
    most = MOST - automatic
    spots = [
        (holder, index)
        for holder in _lists_of(body)
        for index, block in enumerate(holder)
        if block.get("cache_control")
    ]
    for holder, index in spots[: max(0, len(spots) - most)]:
        holder[index] = {key: value for key, value in holder[index].items() if key != "cache_control"}


def _lists_of(body: Json) -> list[list[Json]]:
    contents = [message["content"] for message in body["messages"]]
    return [found for found in (body.get("tools"), body.get("system"), *contents) if isinstance(found, list)]
