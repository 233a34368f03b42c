"""Words that a caller may choose from: what to do with unsupported parameters, and who sends."""

from __future__ import annotations

from typing import get_args

from dragoman.core.errors import DragomanError
from dragoman.core.policy import POLICIES
from dragoman.core.provider import OnUnsupported, SenderKind

#: The words for who sends.
SENDERS: tuple[SenderKind, ...] = get_args(SenderKind)


def check_policy(policy: str) -> OnUnsupported:
    """Return the policy; raises `DragomanError` for a word that is none."""
    for known in POLICIES:
        if policy == known:
            return known
    message = f"on_unsupported must be one of {', '.join(POLICIES)}, not {policy!r}"
    raise DragomanError(message)


def check_sender(kind: str) -> SenderKind:
    """Return the kind of sender; raises `DragomanError` for a word that is none."""
    for known in SENDERS:
        if kind == known:
            return known
    message = f"sender must be one of {', '.join(SENDERS)}, not {kind!r}"
    raise DragomanError(message)
