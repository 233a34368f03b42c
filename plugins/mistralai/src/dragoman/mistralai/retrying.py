"""When a request is sent again: the SDK's own retries are bounded by time and cannot be counted."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dragoman.core import Call

_RETRIES = 2
_RETRIED = frozenset({408, 409, 429})
_SERVER_ERRORS = 500
#: Seconds: the first pause and the longest, and how long a server may ask us to wait.
_FIRST, _LONGEST, _PATIENCE = 0.5, 8.0, 60.0


def pauses(call: Call) -> Iterator[float]:
    """Yield the seconds before each retry, as many as the call may have (2 unless given)."""
    for number in range(_RETRIES if call.max_retries is None else call.max_retries):
        yield min(_FIRST * 2**number, _LONGEST) * random.uniform(0.75, 1)  # noqa: S311 (no secret: it spreads clients apart)


def wait_after(response: Any, pause: float) -> float | None:
    """Return the seconds to wait after this response, `pause` unless it asks for others; None: it stands."""
    if response.status_code not in _RETRIED and response.status_code < _SERVER_ERRORS:
        return None
    asked = _retry_after(response.headers)
    if asked is None:
        return pause
    return max(asked, 0.0) if asked <= _PATIENCE else None


def is_transport_error(exception: BaseException) -> bool:
    """Whether the connection failed or timed out, in `httpx` or `httpx2`, whichever the SDK is built on."""
    return any(cls.__name__ == "TransportError" for cls in type(exception).__mro__)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    text = headers.get("retry-after", "")
    with suppress(ValueError):
        return float(text)
    with suppress(ValueError):
        return parsedate_to_datetime(text).timestamp() - time.time()
    return None
