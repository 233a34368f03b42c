"""Calls of tools on Anthropic's side that have no result: an answer was paused or cut, and the user went on.

The API refuses them, unless the answer is last (the model goes on from there), or the results of the caller's own tools
follow (code on Anthropic's side waits for them, and has its result after them):
https://platform.claude.com/docs/en/agents-and-tools/tool-use/server-tools.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dragoman.anthropic.draft import Draft
    from dragoman.core import Json

_CALLS = frozenset({"mcp_tool_use", "server_tool_use"})


def has_server_calls(blocks: list[Json]) -> bool:
    """Whether a tool on Anthropic's side was called."""
    return any(block["type"] in _CALLS for block in blocks)


def without_open_calls(turns: list[Json], draft: Draft) -> list[Json]:
    """Leave out the calls that can have no result any more."""
    contents = [turn["content"] if isinstance(turn["content"], list) else [] for turn in turns]
    calls = {block.get("id") for content in contents for block in content if block["type"] in _CALLS}
    answered = {block.get("tool_use_id") for content in contents for block in content if _is_answer(block)}
    if not answered <= calls:
        # Somebody has changed ids: what answers what cannot be told.
        return turns
    kept = list(turns)
    for index, (content, following) in enumerate(pairwise(contents)):
        lost = [block for block in content if block["type"] in _CALLS and block.get("id") not in answered]
        if lost and not any(block["type"] == "tool_result" for block in following):
            kept[index] = {**turns[index], "content": [block for block in content if block not in lost]}
            draft.warn(
                "open server call",
                "an assistant message calls a tool on Anthropic's side that was never answered, since the conversation "
                "went on without it; the call was left out.",
            )
    return kept


def _is_answer(block: Json) -> bool:
    """Whether a block is what a tool on Anthropic's side found; what the caller's own tools say is a `tool_result`."""
    kind: str = block["type"]
    return kind.endswith("_tool_result")
