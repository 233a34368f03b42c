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
    total = _said(usage, ("total_tokens",))
    return sum(pair_of(usage)) if total is None or not _is_count(total) else int(total)


def pair_of(usage: Any) -> tuple[int, int]:
    """Tokens of the prompt and of the completion, in the words of chats or of responses; 0: not known."""
    prompt, completion = (_said(usage, names) for names in (_PROMPT, _COMPLETION))
    return int((_is_count(prompt) and prompt) or 0), int((_is_count(completion) and completion) or 0)


def counted(usage: Any) -> Json | None:
    """Return usage in the words of chats, which those of responses (`input_tokens`, …) are put into.

    None: it does not say what was used, or not in numbers.
    """
    said = [_said(usage, names) for names in (_PROMPT, _COMPLETION)]
    if all(value is None for value in said) or not all(map(_is_count, said)):
        return None
    prompt, completion = pair_of(usage)
    words = {"input_tokens_details": "prompt_tokens_details", "output_tokens_details": "completion_tokens_details"}
    named = {ours: usage[theirs] for theirs, ours in words.items() if usage.get(theirs)}
    kept = usage if "prompt_tokens" in usage else {}
    return {**named, **kept, "prompt_tokens": prompt, "completion_tokens": completion}


def _said(usage: Any, names: tuple[str, ...]) -> Any:
    return next((usage[name] for name in names if name in usage), None) if isinstance(usage, dict) else None


def _is_count(value: Any) -> bool:
    """Whether it is a number, or nothing: embeddings have no completion."""
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or (isinstance(value, int) and not isinstance(value, bool))
