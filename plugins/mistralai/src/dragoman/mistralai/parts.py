"""Mistral's content chunks, as an answer has them: read for people, and put together from a stream.

Source: https://docs.mistral.ai/capabilities/reasoning (thinking chunks). A stream sends a thought in many
chunks of the same type; whole answers have one.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dragoman.core import Json

#: What a stream cuts into pieces, by type: the key that the pieces are joined under.
_CUT = {"text": "text", "thinking": "thinking"}


def as_parts(content: Any) -> list[Json]:
    """Return content, a text or a list of chunks, as a list of chunks; an empty text is no chunk."""
    if isinstance(content, list):
        return content
    return [{"type": "text", "text": content}] if content else []


def text_of(parts: Iterable[Json]) -> str:
    """Join what the answer says."""
    return "".join(part.get("text") or "" for part in parts if part.get("type") == "text")


def thoughts_of(parts: Iterable[Json]) -> str:
    """Join what the model thought, references left out."""
    return "".join(text_of(as_parts(part.get("thinking"))) for part in parts if part.get("type") == "thinking")


def joined(parts: Iterable[Json]) -> list[Json]:
    """Put the pieces of a stream together: neighbours of one type are one chunk, the last word on each key counts."""
    runs: list[list[Json]] = []
    for part in parts:
        if runs and _goes_on(runs[-1][-1], part):
            runs[-1].append(part)
        else:
            runs.append([part])
    return [_one(run) for run in runs]


def _goes_on(last: Json, part: Json) -> bool:
    # A signature seals a thought: what follows is another.
    return last.get("type") == part.get("type") and part.get("type") in _CUT and not last.get("signature")


def _one(run: list[Json]) -> Json:
    first = run[0]
    if len(run) == 1 and first.get("type") != "thinking":
        return first
    key = _CUT[first["type"]]
    whole = {name: value for part in run for name, value in part.items()}
    if key == "text":
        return {**whole, "text": text_of(run)}
    pieces = itertools.chain.from_iterable(as_parts(part.get("thinking")) for part in run)
    return {**whole, "thinking": joined(pieces)}
