"""A call's price, from the list in the wheel of genai-prices (https://github.com/pydantic/genai-prices)."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dragoman.core import hookimpl

if TYPE_CHECKING:
    from decimal import Decimal

    from dragoman.core import Call, Json

#: dragoman's providers -> the list's. Others are no vendors with a price list, but servers of somebody's own.
_VENDORS = {"anthropic": "anthropic", "mistralai": "mistral", "openai": "openai", "together": "together"}


@hookimpl
def price_of(call: Call) -> Decimal | None:
    """Return US dollars, or None for a model that is not in the list."""
    vendor, model = _listed(call)
    if vendor is None or not call.usage:
        return None
    # The list is large, and wanted by those who ask for a price only.
    from dragoman.prices.rates import cost_of

    at = datetime.fromtimestamp(call.created or time.time(), UTC)
    return cost_of(vendor, model, _counts(call.usage), at, batch=call.context.get("processing") == "batch")


def _listed(call: Call) -> tuple[str | None, str]:
    """Return the list's names of the vendor and the model. Hugging Face's price is that of whoever serves."""
    if call.provider == "huggingface":
        model, _, server = call.model.partition(":")
        return (f"huggingface_{server}" if server else None), model
    return _VENDORS.get(call.provider), call.model


def _counts(usage: Json) -> dict[str, int]:
    """OpenAI's usage in the list's words; cached and audio tokens are parts of the whole, there as here."""
    prompt: Any = usage.get("prompt_tokens_details") or {}
    completion: Any = usage.get("completion_tokens_details") or {}
    counts = {
        "input_tokens": usage.get("prompt_tokens"),
        "cache_read_tokens": prompt.get("cached_tokens"),
        "cache_write_tokens": prompt.get("cache_write_tokens"),
        "input_audio_tokens": prompt.get("audio_tokens"),
        "output_tokens": usage.get("completion_tokens"),
        "output_audio_tokens": completion.get("audio_tokens"),
    }
    return {name: count for name, count in counts.items() if count}
