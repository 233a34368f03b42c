"""What was used, counted while calls end."""

from __future__ import annotations

from decimal import Decimal

import pytest

from dragoman.core import Call
from dragoman.core.usage import UsageMeter


def ended(model: str) -> Call:
    call = Call("here", model, {}, "chat/completions", created=1)
    call.outcome, call.usage = "complete", {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    return call


@pytest.mark.timeout(10)
@pytest.mark.parametrize("before", [1, 5_000])
def test_a_call_that_ends_while_prices_are_looked_up(before: int) -> None:
    """Python may collect a stream that was left at any time; its call ends in the thread that counts."""
    late = [ended("late") for _ in range(5_000)]

    def price_of(call: Call) -> Decimal:
        while late:
            meter.count(late.pop())
        return Decimal(1)

    meter = UsageMeter(price_of, lambda: True)
    for _ in range(before):
        meter.count(ended("early"))
    counted = {name: (usage.calls, usage.cost) for name, usage in meter.summary().total.items()}
    assert counted == {"here/early": (before, before), "here/late": (5_000, 5_000)}
