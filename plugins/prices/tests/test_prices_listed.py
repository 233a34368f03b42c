"""Prices from the list."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import Usage
from genai_prices.data_snapshot import DataSnapshot, get_snapshot, set_custom_snapshot
from genai_prices.types import ModelPrice

from dragoman.core import Call
from dragoman.prices import price_of
from dragoman.prices.rates import Rates

#: 2025-11-22: the list keeps what was valid when.
THEN = 1_763_800_000
#: 2026-11-28: there are prices for batches.
NOW = 1_795_867_200


def call(provider: str, model: str, **usage: Any) -> Call:
    return Call(provider, model, {}, created=THEN, usage=usage or None)


@pytest.mark.parametrize(
    ("provider", "model", "usage", "dollars"),
    [
        ("openai", "gpt-4.1", {"prompt_tokens": 1_000_000, "completion_tokens": 1_000_000}, "10"),
        ("anthropic", "claude-sonnet-4-5", {"prompt_tokens": 1000, "completion_tokens": 100}, "0.0045"),
        (
            "anthropic",
            "claude-sonnet-4-5",
            {
                "prompt_tokens": 1000,
                "completion_tokens": 100,
                "prompt_tokens_details": {"cached_tokens": 200, "cache_write_tokens": 100},
            },
            # 700 at 3, 200 at 0.30, 100 at 3.75, and 100 at 15 dollars a million.
            "0.004035",
        ),
    ],
)
def test_the_vendors_prices(provider: str, model: str, usage: Any, dollars: str) -> None:
    found = price_of(call(provider, model, **usage))
    assert isinstance(found, Decimal)
    assert found == Decimal(dollars)


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("mistralai", "mistral-large-latest"),
        ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
        ("huggingface", "openai/gpt-oss-120b:groq"),
    ],
)
def test_other_vendors_are_in_the_list(provider: str, model: str) -> None:
    found = price_of(call(provider, model, prompt_tokens=1000, completion_tokens=10))
    assert found is not None
    assert Decimal(0) < found < 1


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "a-model-that-nobody-has"),
        ("ollama", "llama3.2"),
        ("huggingface", "openai/gpt-oss-120b"),
        ("huggingface", "openai/gpt-oss-120b:somebody"),
        ("litellm", "gpt-4.1"),
    ],
)
def test_an_unknown_price_is_none(provider: str, model: str) -> None:
    assert price_of(call(provider, model, prompt_tokens=1000)) is None


def _usages() -> list[dict[str, int]]:
    """All kinds of tokens, on both sides of where tiers begin."""
    found: list[dict[str, int]] = [{}, {"output_tokens": 7}]
    for prompt in (1, 7, 199_999, 200_000, 200_001, 271_999, 272_000, 272_001, 3_333_333):
        parts = {"cache_read_tokens": prompt // 3, "cache_write_tokens": prompt // 5}
        found += [{"input_tokens": prompt}, {"input_tokens": prompt, **parts, "output_tokens": 12_347}]
        found += [{"input_tokens": prompt, "input_audio_tokens": prompt // 2, "output_tokens": 3}]
    return found


def test_rates_cost_what_the_list_calculates() -> None:
    vendors = [one for one in get_snapshot().providers if one.id in {"anthropic", "mistral", "openai", "together"}]
    usages, compared = _usages(), 0
    for vendor in vendors:
        for model in vendor.models:
            for at in (datetime.fromtimestamp(moment, UTC) for moment in (THEN, NOW)):
                rates = Rates(model.get_prices(at))
                for usage in usages:
                    whole = model.calc_price(Usage(**usage), vendor, genai_request_timestamp=at).total_price
                    assert rates.cost(usage) == whole, (vendor.id, model.id, usage)
                    compared += 1
    assert compared > 10_000


def test_the_list_is_asked_once_for_many_usages(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    real = ModelPrice.calc_price
    monkeypatch.setattr(ModelPrice, "calc_price", lambda self, usage: asked.append(usage) or real(self, usage))
    price_of(call("openai", "gpt-4.1", prompt_tokens=5, completion_tokens=6))
    asked.clear()
    found = [price_of(call("openai", "gpt-4.1", prompt_tokens=n, completion_tokens=n)) for n in range(1, 50)]
    assert found == [Decimal(n) / 100_000 for n in range(1, 50)]
    assert asked == []


def test_a_newer_list_counts_at_once() -> None:
    asking = call("openai", "gpt-4.1", prompt_tokens=1_000_000)
    assert price_of(asking) == 2
    set_custom_snapshot(DataSnapshot(providers=[], from_auto_update=False))
    try:
        assert price_of(asking) is None
    finally:
        set_custom_snapshot(None)
    assert price_of(asking) == 2


def test_without_usage_there_is_no_price() -> None:
    assert price_of(call("openai", "gpt-4.1")) is None


def test_the_list_is_not_loaded_before_it_is_needed() -> None:
    code = "import sys, dragoman.prices; print('genai_prices' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"  # noqa: S603 (our own code)


def test_a_client_finds_the_hook() -> None:
    from dragoman.core.plugins import plugins

    assert plugins().hooks.price_of(call=call("openai", "gpt-4.1", prompt_tokens=1_000_000)) == 2


@pytest.mark.parametrize(
    ("provider", "model", "share"),
    [
        ("openai", "gpt-5.4-mini", Decimal("0.5")),
        ("anthropic", "claude-sonnet-4-5", Decimal("0.5")),
        # Nobody has listed what Together's batches cost.
        ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo", None),
    ],
)
def test_batches_have_prices_of_their_own(provider: str, model: str, share: Decimal | None) -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 100}
    alone, batch = (Call(provider, model, {}, created=NOW, usage=usage) for _ in range(2))
    batch.context["processing"] = "batch"
    price = price_of(alone)
    assert price
    assert price_of(batch) == (None if share is None else price * share)
