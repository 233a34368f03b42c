"""What may go into every request: the parameters of OpenAI's `create`, looked at before the first one is made."""

from __future__ import annotations

import difflib
import inspect
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def check_create_args(given: Mapping[str, Any], own: frozenset[str], where: str) -> None:
    """Raise TypeError for names that `create` does not have, and ValueError for those that the client says itself."""
    if refused := sorted(own & given.keys()):
        message = f"{', '.join(refused)} cannot be set {where}: the client says it itself"
        raise ValueError(message)
    if unknown := sorted(given.keys() - _names()):
        close = difflib.get_close_matches(unknown[0], _names(), 1)
        advice = f"did you mean {close[0]}?" if close else "what only its provider knows belongs into extra_body"
        message = f"{unknown[0]!r} cannot be set {where}: it is no parameter of a chat; {advice}"
        raise TypeError(message)


@cache
def _names() -> frozenset[str]:
    from openai.resources.chat.completions import AsyncCompletions

    return frozenset(inspect.signature(AsyncCompletions.create).parameters) - {"self"}
