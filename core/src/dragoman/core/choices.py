"""What a caller may choose from: what to do with unsupported parameters, who sends, and which providers there are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

from dragoman.core.errors import DragomanError
from dragoman.core.policy import POLICIES
from dragoman.core.provider import OnUnsupported, Provider, SenderKind

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


def check_providers(given: Any) -> tuple[Provider, ...]:
    """Return configured providers; raises `DragomanError` for one alone, for a class, and for a name."""
    if isinstance(given, Provider | type | str) or not isinstance(given, Iterable):
        message = f"providers= takes a list of providers, not {_shown(given)}"
        raise DragomanError(message)
    providers = tuple(given)
    for one in providers:
        if isinstance(one, type):
            message = f"providers= takes instances: {one.__name__}(…), and not the class"
            raise DragomanError(message)
        if isinstance(one, str):
            message = f"providers= takes instances; {one!r} needs none: its models are called '{one}/…'"
            raise DragomanError(message)
    return providers


def _shown(given: Any) -> str:
    return repr(given) if isinstance(given, str) else f"a single {getattr(given, '__name__', type(given).__name__)}"
