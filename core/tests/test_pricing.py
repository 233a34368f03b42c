"""What usage costs, where somebody knows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from dragoman.core import hookimpl, price_of_usage
from dragoman.core.plugins import plugins

USAGE = {"prompt_tokens": 1000, "completion_tokens": 0, "total_tokens": 1000}


class Prices:
    """Knows one provider, and fails at another."""

    @hookimpl
    def price_of(self, call: Any) -> Any:
        if call.provider == "broken":
            raise LookupError(call.model)
        if call.provider == "odd":
            return call.model
        if call.provider == "float":
            return 0.1
        known = call.provider == "here" and call.created > 0
        return Decimal(call.usage["prompt_tokens"]) / 1000 if known else None


@pytest.fixture(autouse=True)
def _prices() -> Any:
    made = Prices()
    plugins().register_hooks(made)
    yield
    plugins().unregister_hooks(made)


def test_a_price_that_somebody_knows() -> None:
    assert price_of_usage("here", "m", USAGE) == 1


def test_a_price_that_nobody_knows() -> None:
    assert price_of_usage("elsewhere", "m", USAGE) is None


def test_a_list_that_fails_is_no_price() -> None:
    with pytest.warns(UserWarning, match="price_of"):
        assert price_of_usage("broken", "m", USAGE) is None


@pytest.mark.parametrize("price", ["n/a", "nan", "inf", ""])
def test_what_is_no_price_is_told_with_its_plugin(price: str) -> None:
    with pytest.warns(UserWarning, match=r"price_of of .*test_pricing.* failed: ValueError: it gave .*US dollars"):
        assert price_of_usage("odd", price, USAGE) is None


def test_numbers_of_other_kinds_are_prices() -> None:
    assert price_of_usage("odd", "1.50", USAGE) == Decimal("1.5")
    assert price_of_usage("float", "m", USAGE) == Decimal("0.1")
