"""`temperature` and `top_p`: gone from the newest models and from API version 2026-10-21.

Models that still have them read them in requests of version 2023-06-01
(https://platform.claude.com/docs/en/api/migration-2026-10-21).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core import is_default

if TYPE_CHECKING:
    from dragoman.anthropic.draft import Draft

#: The header that brings sampling back; sent only where a request needs it.
OLD_VERSION = {"anthropic-version": "2023-06-01"}
_SAMPLING = frozenset({"temperature", "top_p", "top_k"})
_LEAST_TOP_P = 0.95


def encode_temperature(draft: Draft, value: float) -> None:
    """Temperature goes from 0 to 1 there, and 1 is the default as it is at OpenAI; it is never rescaled."""
    if draft.facts.sampling == "free":
        draft.body["temperature"] = value
        return
    if is_default("temperature", value) or _refused(draft, "temperature", value):
        return
    if draft.thinks:
        draft.unsupported("temperature", value, reason="while the model thinks, only 1 is accepted")
        return
    if value > 1:
        if not draft.unsupported("temperature", value, reason="the highest is 1", nearest="clamped to 1"):
            return
        value = 1
    draft.body["temperature"] = value


def encode_top_p(draft: Draft, value: float) -> None:
    """The share of probability that is sampled from."""
    if draft.facts.sampling == "free":
        draft.body["top_p"] = value
        return
    if is_default("top_p", value) or _refused(draft, "top_p", value):
        return
    if draft.thinks and value < _LEAST_TOP_P:
        reason = f"while the model thinks, only {_LEAST_TOP_P} to 1 are accepted"
        draft.unsupported("top_p", value, reason=reason)
        return
    if draft.facts.sampling == "one" and "temperature" in draft.body:
        draft.unsupported("top_p", value, reason="this model takes temperature or top_p, not both")
        return
    draft.body["top_p"] = value


def _refused(draft: Draft, param: str, value: float) -> bool:
    if draft.facts.sampling != "none":
        return False
    draft.unsupported(param, value, reason="this model has no sampling parameters")
    return True


def version_header(draft: Draft) -> dict[str, str]:
    """The old version, if the body or the caller's addition to it has sampling, and the model reads it there."""
    sent = draft.body.keys() | draft.call.extra_body.keys()
    needed = draft.facts.sampling in {"both", "one"} and not sent.isdisjoint(_SAMPLING)
    return {**OLD_VERSION} if needed else {}
