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
    def price_of(self, call: Any) -> Decimal | None:
        if call.provider == "broken":
            raise LookupError(call.model)
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
