"""Failures on the way to a vendor's batch API: what may work later, what was refused, and what nobody gets past."""

from __future__ import annotations

from typing import Any

_RETRIED = frozenset({408, 409, 429})
_SERVER_ERRORS = 500
#: What no request gets past.
_HOPELESS = frozenset({401, 403})


def may_work_later(exception: Exception) -> bool:
    """Whether the same may be asked again."""
    import openai

    status = _status(exception)
    retried = status is not None and (status in _RETRIED or status >= _SERVER_ERRORS)
    return retried or isinstance(exception, openai.APIConnectionError)


def is_refusal(exception: Exception) -> bool:
    """Whether the vendor refused what was asked, and not whoever asks."""
    return _status(exception) not in _HOPELESS | {None} and not may_work_later(exception)


def _status(exception: Exception) -> int | None:
    status: Any = getattr(exception, "status_code", None)
    return status if isinstance(status, int) else None
