"""What was used, counted while calls end."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from dragoman.core import Call, Provider
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


ODD: list[Any] = [
    {"prompt_tokens": "5"},
    {"prompt_tokens": 5, "completion_tokens": "x"},
    {"prompt_tokens": True, "total_tokens": 5},
    {"prompt_tokens": float("nan")},
    [1],
    "n/a",
    {},
]


@pytest.mark.parametrize("usage", ODD, ids=repr)
@pytest.mark.parametrize("price", [None, (Decimal(1), Decimal(1))])
def test_counts_that_are_none_are_not_known(usage: Any, price: Any) -> None:
    meter = UsageMeter(lambda call: Decimal(0), lambda: True)
    call = ended("m")
    call.usage, call.price = usage, price
    meter.count(call)
    counted = meter.summary().actual["here/m"]
    assert (counted.calls, counted.uncounted, counted.total_tokens, counted.cost) == (1, 1, 0, None)


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_is_given_whatever_its_usage_is(
    our_road: Any, server: Any, provider: Provider, diary: Any, stream: bool
) -> None:
    usage = {"prompt_tokens": "5"}
    end = server.event({"choices": [], "usage": usage})
    server.script(
        server.stream(server.chunk("Hello there", "stop"), end, server.event("[DONE]"))
        if stream
        else server.json({**server.COMPLETION, "usage": usage})
    )
    our_road.make(provider)
    if stream:
        assert our_road.text(our_road.stream(stream_options={"include_usage": True})) == "Hello there"
    else:
        assert our_road.create().choices[0].message.content == "Hello there"
    assert diary.outcomes == ["complete"]
    assert our_road.client.usage_summary.actual["here/m1"].uncounted == 1


def test_the_words_of_other_endpoints_are_priced() -> None:
    asked: list[Any] = []

    def price_of(call: Call) -> Decimal:
        asked.append(call.usage)
        return Decimal(2)

    meter = UsageMeter(price_of, lambda: True)
    call = ended("m")
    call.endpoint, call.usage = "images/generations", {"input_tokens": 7, "output_tokens": 9}
    meter.count(call)
    call.price = (Decimal(1000), Decimal(0))
    meter.count(call)
    counted = meter.summary().actual["here/m"]
    assert (counted.prompt_tokens, counted.completion_tokens, counted.cost) == (14, 18, 9)
    assert asked == [{"input_tokens": 7, "output_tokens": 9, "prompt_tokens": 7, "completion_tokens": 9}]


def test_only_calls_of_models_are_counted(colour: Any, server: Any, provider: Provider) -> None:
    client = colour.make(provider).client
    server.script(server.json({"object": "list", "data": []}), path="/files")
    server.script(server.json({"object": "list", "data": []}), path="/models")
    server.script(server.json({"id": "m1", "object": "model"}), path="/models/m1")
    server.script(server.json({"input_tokens": 3}), path="/chat/completions/count_tokens")
    colour.run(client.files.list())
    colour.run(client.models.list())
    colour.run(client.models.retrieve("m1"))
    summary = client.usage_summary
    assert (summary.actual, summary.cost) == ({}, 0)
