"""Tokens of answers, as their providers counted them; what is no count is not known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dragoman.core import Json

#: Names of the prompt's and of the completion's tokens: chats', and those of responses.
_PROMPT, _COMPLETION = ("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens")


def tokens_of(usage: Any) -> int:
    """Tokens that an answer used, all together."""
    total = _count(usage, ("total_tokens",))
    return sum(pair_of(usage)) if total is None else total


def pair_of(usage: Any) -> tuple[int, int]:
    """Tokens of the prompt and of the completion, in the words of chats or of responses; 0: not known."""
    return _count(usage, _PROMPT) or 0, _count(usage, _COMPLETION) or 0


def counted(usage: Any) -> Json | None:
    """Return usage in the words of chats, which those of responses (`input_tokens`, …) are put into; None: no usage."""
    if _count(usage, _PROMPT) is None and _count(usage, _COMPLETION) is None:
        return None
    prompt, completion = pair_of(usage)
    words = {"input_tokens_details": "prompt_tokens_details", "output_tokens_details": "completion_tokens_details"}
    named = {ours: usage[theirs] for theirs, ours in words.items() if usage.get(theirs)}
    kept = usage if "prompt_tokens" in usage else {}
    return {**named, **kept, "prompt_tokens": prompt, "completion_tokens": completion}


def _count(usage: Any, names: tuple[str, ...]) -> int | None:
    """Return the first of these that there is; None: it is no number."""
    value = next((usage[name] for name in names if name in usage), None) if isinstance(usage, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if isinstance(value, int) or math.isfinite(value) else None
