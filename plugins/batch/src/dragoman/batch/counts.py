"""Tokens of answers, as their providers counted them; what is no count is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.core import count_in, counts_of

if TYPE_CHECKING:
    from dragoman.core import Json


def tokens_of(usage: Any) -> int:
    """Tokens that an answer used, all together."""
    total = _known(usage, "total_tokens")
    return sum(pair_of(usage)) if total is None else total


def pair_of(usage: Any) -> tuple[int, int]:
    """Tokens of the prompt and of the completion, in the words of chats or of responses; 0: not known."""
    prompt = _known(usage, "prompt_tokens", "input_tokens")
    return prompt or 0, _known(usage, "completion_tokens", "output_tokens") or 0


def counted(usage: Any) -> Json | None:
    """Return usage in the words of chats, which those of responses (`input_tokens`, …) are put into.

    None: it does not say what was used, or not in numbers.
    """
    counts = counts_of(usage)
    if counts is None:
        return None
    words = {"input_tokens_details": "prompt_tokens_details", "output_tokens_details": "completion_tokens_details"}
    named = {ours: usage[theirs] for theirs, ours in words.items() if usage.get(theirs)}
    kept = usage if "prompt_tokens" in usage else {}
    return {**named, **kept, "prompt_tokens": counts[0], "completion_tokens": counts[1]}


def _known(usage: Any, *names: str) -> int | None:
    try:
        return count_in(usage, *names)
    except ValueError:
        return None
