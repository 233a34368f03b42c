"""What usage costs, for code that counts by itself and has no client to ask."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from dragoman.core.hooks import Hooks
from dragoman.core.plugins import plugins
from dragoman.core.provider import Call

if TYPE_CHECKING:
    from decimal import Decimal

    from dragoman.core.provider import Json


def price_of_usage(provider: str, model: str, usage: Json) -> Decimal | None:
    """Return what OpenAI's `usage` costs today at a provider, in US dollars; None if nobody knows."""
    call = Call(provider, model, {}, created=int(time.time()))
    call.usage = usage
    return Hooks(plugins()).price_of(call)
