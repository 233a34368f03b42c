"""What a usage costs by the list, which is asked once for the rates of a model; from then on they are multiplied."""

from __future__ import annotations

from bisect import bisect_left
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from genai_prices import Usage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import TieredPrices

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from genai_prices.types import ModelInfo, ModelPrice, Provider

#: What went through a vendor's batch API, in the list's words.
_BATCH = {"processing": "batch"}
_INPUT, _OTHERS = "input_tokens", ("cache_read_tokens", "cache_write_tokens", "output_tokens")
_KNOWN = 1024
#: Rates are for so many tokens.
_UNIT = 1_000_000


class Rates:
    """The rates of one set of prices, for each tier of prompts' lengths.

    Within a tier a cost is a sum of counts times rates. What a token costs is the list's to say: it is asked for the
    costs of a few usages, and the rates are the differences.
    """

    def __init__(self, prices: ModelPrice) -> None:
        self.prices = prices
        tiered = [price for price in vars(prices).values() if isinstance(price, TieredPrices)]
        self._starts = sorted({tier.start for price in tiered for tier in price.tiers})
        self._found: dict[int, dict[str, Decimal]] = {}
        #: Whether a call has a price of its own, whatever it used.
        self._by_call = bool(self._ask({}))

    def cost(self, counts: Mapping[str, int]) -> Decimal:
        """Return US dollars for positive counts. Raises `ValueError` for usage that cannot be."""
        prompt = counts.get(_INPUT, 0)
        cached = counts.get("cache_read_tokens", 0) + counts.get("cache_write_tokens", 0)
        plain = counts.keys() <= {_INPUT, *_OTHERS} and all(type(count) is int for count in counts.values())
        if self._by_call or not plain or prompt <= 0 or cached > prompt or min(counts.values()) < 0:
            return self._ask(counts)
        tier = bisect_left(self._starts, prompt)
        rates = self._found.get(tier)
        if rates is None:
            rates = self._found[tier] = self._rates(prompt)
        return sum((rates[name] * count for name, count in counts.items()), start=Decimal(0)) / _UNIT

    def _rates(self, prompt: int) -> dict[str, Decimal]:
        base = self._ask({_INPUT: prompt})
        others = {name: (self._ask({_INPUT: prompt, name: prompt}) - base) * _UNIT / prompt for name in _OTHERS}
        return {_INPUT: base * _UNIT / prompt, **others}

    def _ask(self, counts: Mapping[str, int]) -> Decimal:
        return self.prices.calc_price(Usage(**counts))["total_price"]


class _Entry:
    """What the list has for a vendor's model; `found` is None for nothing."""

    def __init__(self, vendor: str, model: str) -> None:
        self.snapshot = get_snapshot()
        self.rates: Rates | None = None
        self.found: tuple[Provider, ModelInfo] | None = None
        try:
            self.found = self.snapshot.find_provider_model(model, None, vendor, None)
        except LookupError:
            return


_entry = lru_cache(maxsize=_KNOWN)(_Entry)


def cost_of(vendor: str, model: str, counts: Mapping[str, int], at: datetime, *, batch: bool) -> Decimal | None:
    """Return US dollars, None for a model that is not in the list. Raises `ValueError` for usage that cannot be."""
    entry = _entry(vendor, model)
    if entry.snapshot is not get_snapshot():
        # The program has a newer list (`UpdatePrices`).
        _entry.cache_clear()
        entry = _entry(vendor, model)
    if entry.found is None:
        return None
    provider, found = entry.found
    if batch:
        # Without a price for batches the list gives that of calls, which is another one.
        if not any(variant.when == _BATCH for variant in found.price_variants or ()):
            return None
        usage = Usage(**counts)
        return found.calc_price(usage, provider, genai_request_timestamp=at, price_context=_BATCH).total_price
    prices = found.get_prices(at)
    rates = entry.rates
    if rates is None or rates.prices is not prices:
        rates = entry.rates = Rates(prices)
    return rates.cost(counts)
