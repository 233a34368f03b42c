"""Prices from the list."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from typing import Any

import pytest

from dragoman.core import Call
from dragoman.prices import price_of

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
