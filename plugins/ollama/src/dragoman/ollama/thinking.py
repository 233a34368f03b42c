"""How much the model shall think: OpenAI's `reasoning_effort` -> Ollama's levels.

Which of them a model has is in the `thinking.values` of `/api/show`; an unknown level is answered with the model's
default, without a word. Source: https://docs.ollama.com/capabilities/thinking.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core import unsupported

if TYPE_CHECKING:
    from dragoman.core import Call

_LEVELS = frozenset({"none", "low", "medium", "high"})
_NEAREST = {"minimal": "low", "xhigh": "high", "max": "high"}


def encode_effort(call: Call, effort: str, *, own_name: str) -> str | None:
    """Return "none" or a level; None: the policy leaves the effort out. `own_name`: Ollama's name of the parameter."""
    if effort in _LEVELS:
        return effort
    nearest = _NEAREST.get(effort, "")
    adapt = unsupported(
        call,
        "reasoning_effort",
        effort,
        reason=f"the levels that Ollama's models share are low, medium and high, and {effort!r} is none of them",
        hint=f"where /api/show lists it for the model, say extra_body={{{own_name!r}: {effort!r}}}",
        nearest=nearest,
    )
    return nearest if adapt else None
