"""Tools at the engine's own HTTP server, through every provider class that reaches it."""

from __future__ import annotations

import json
from typing import Any

import pytest

QUESTION = "What is the weather in Oslo and Bergen?"
WANTED = [("get_weather", {"city": "Oslo", "days": 1}), ("get_weather", {"city": "Bergen", "days": 2})]


def called(message: Any) -> list[tuple[str, Any]]:
    return [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls]


def assembled(chunks: list[Any]) -> list[dict[str, str]]:
    """The calls of a stream, put together as clients do: by index, each with one id and one name."""
    calls: list[dict[str, str]] = []
    for chunk in chunks:
        for choice in chunk.choices:
            for piece in choice.delta.tool_calls or ():
                if piece.index == len(calls):
                    calls.append({"id": piece.id, "name": piece.function.name, "arguments": ""})
                else:
                    assert (piece.id, piece.function.name) == (None, None)
                calls[piece.index]["arguments"] += piece.function.arguments or ""
    return calls


@pytest.mark.rule(5, 8)
def test_parallel_calls_and_their_results(seat: Any, weather: Any) -> None:
    asked = {"tools": [weather], "parallel_tool_calls": True}
    choice = seat.choice(QUESTION, **asked)
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == seat.row.silence
    assert called(choice.message) == WANTED
    ids = [call.id for call in choice.message.tool_calls]
    assert len(set(ids)) == len(ids)
    results = [
        {"role": "tool", "tool_call_id": call_id, "content": sky}
        for call_id, sky in zip(ids, ["rain", "sun"], strict=True)
    ]
    history = [{"role": "user", "content": QUESTION}, choice.message.model_dump(exclude_none=True), *results]
    answer = seat.choice(history, tools=[weather])
    assert (answer.message.content, answer.finish_reason) == ("The tools answered: rain | sun", "stop")
    texts = [choice.delta.content or "" for chunk in seat.chunks(history, tools=[weather]) for choice in chunk.choices]
    assert "".join(texts) == answer.message.content


@pytest.mark.rule(10, 11, 12)
def test_calls_in_a_stream(seat: Any, weather: Any) -> None:
    chunks = seat.chunks(QUESTION, tools=[weather], parallel_tool_calls=True)
    calls = assembled(chunks)
    assert [(call["name"], json.loads(call["arguments"])) for call in calls] == WANTED
    assert all(call["id"] for call in calls)
    assert calls[0]["id"] != calls[1]["id"]
    ends = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    assert ends == ["tool_calls"]


def test_a_call_that_is_asked_for(seat: Any, weather: Any) -> None:
    choice = seat.choice("Tell me about Oslo", tools=[weather], tool_choice="required")
    assert called(choice.message) == [("get_weather", {"city": "Oslo", "days": 1})]
    assert choice.finish_reason == "tool_calls"


def test_a_call_that_is_cut_short(seat: Any, weather: Any) -> None:
    answer = seat.ask("Tell me about Oslo", tools=[weather])
    cut = seat.choice("Tell me about Oslo", tools=[weather], max_tokens=answer.usage.completion_tokens - 8)
    assert cut.finish_reason == "length"
    ends = [
        choice.finish_reason
        for chunk in seat.chunks("Tell me about Oslo", tools=[weather], max_tokens=answer.usage.completion_tokens - 8)
        for choice in chunk.choices
        if choice.finish_reason
    ]
    assert ends == ["length"]
