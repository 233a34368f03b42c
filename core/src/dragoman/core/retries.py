"""When a request is sent again, and after how long: the rules of the Stainless SDKs, for senders without one."""

from __future__ import annotations

import math
import random
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dragoman.core.provider import Call

_RETRIES = 2
_RETRIED = frozenset({408, 409, 429})
_SERVER_ERRORS = 500
#: Seconds: the first pause and the longest, and how long a server may ask us to wait.
_FIRST, _LONGEST, _PATIENCE = 0.5, 8.0, 120.0


def retry_pauses(call: Call) -> Iterator[float | None]:
    """Yield once for each attempt: the seconds before the next one, and None with the last.

    A call has as many retries as its `max_retries` says, 2 unless given.
    """
    for number in range(_RETRIES if call.max_retries is None else call.max_retries):
        yield min(_FIRST * 2.0 ** min(number, 10), _LONGEST) * random.uniform(0.75, 1)  # noqa: S311 (no secret: it spreads clients apart)
    yield None


def retry_wait(
    status: int, headers: Mapping[str, str], pause: float | None, patience: float = _PATIENCE
) -> float | None:
    """Return the seconds to wait after this answer, `pause` unless it asks for others; None: it stands.

    The statuses 408, 409, 429 and 5xx are tried again, and what `x-should-retry` says so of. `headers` has its names in
    lower case. `pause` None: there is no other attempt. `patience`: the seconds that a server may ask for.
    """
    wanted = headers.get("x-should-retry")
    retriable = status in _RETRIED or status >= _SERVER_ERRORS
    if pause is None or wanted == "false" or not (retriable or wanted == "true"):
        return None
    asked = _retry_after(headers)
    if asked is None:
        return pause
    return max(asked, 0.0) if asked <= patience else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read how many seconds the server asks us to wait: a number, or a date; None: it does not say."""
    with suppress(KeyError, ValueError):
        if math.isfinite(milliseconds := float(headers["retry-after-ms"])):
            return milliseconds / 1000
    text = headers.get("retry-after", "")
    with suppress(ValueError):
        return seconds if math.isfinite(seconds := float(text)) else None
    # Numbers that no date has are too large for the system.
    with suppress(OverflowError, ValueError):
        return parsedate_to_datetime(text).timestamp() - time.time()
    return None
