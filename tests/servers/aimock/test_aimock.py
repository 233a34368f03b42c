"""OpenAI's, Anthropic's and Ollama's class at a server that was written by others and fails on demand."""

from __future__ import annotations

import json
import os
from typing import Any

import openai
import pytest

if "DRAGOMAN_AIMOCK" not in os.environ:
    pytest.skip("`nox -s aimock` runs these: aimock is a program for node, which npm brings", allow_module_level=True)

GREETING = "Good morning to you, and a very fine day."
WANTED = [("get_weather", {"city": "Oslo", "days": 1}), ("get_weather", {"city": "Bergen", "days": 2})]
FORM = {
    "type": "json_schema",
    "json_schema": {
        "name": "person",
        "schema": {
            "type": "object",
            "properties": {"name": {"type": "string"}},
            "required": ["name"],
            "additionalProperties": False,
        },
    },
}


def chaos(**rates: str) -> dict[str, Any]:
    """What makes the server fail with this one request."""
    return {"extra_headers": {f"x-aimock-chaos-{name}": rate for name, rate in rates.items()}}


def text_of(chunks: list[Any]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def test_text_whole_and_streamed(seat: Any) -> None:
    choice = seat.choice("hello")
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", GREETING, "stop")
    chunks = seat.chunks("hello")
    assert text_of(chunks) == GREETING
    roles = [choice.delta.role for chunk in chunks for choice in chunk.choices]
    assert roles == ["assistant", *[None] * (len(roles) - 1)]
    ends = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    assert ends == ["stop"]
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1


def test_usage_in_a_stream_is_asked_for(seat: Any) -> None:
    *chunks, last = seat.chunks("hello", stream_options={"include_usage": True})
    assert (last.choices, text_of(chunks)) == ([], GREETING)
    assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens
    assert [chunk.usage for chunk in seat.chunks("hello") if chunk.usage] == []


@pytest.mark.parametrize("streamed", [False, True])
def test_tools_and_their_results(seat: Any, weather: Any, streamed: bool) -> None:
    history: list[Any] = [{"role": "user", "content": "What is the weather?"}]
    if streamed:
        with_tools = {"model": seat.model, "messages": history, "tools": [weather]}
        message = seat.run(final(seat, with_tools)) if seat.runner else final_now(seat, with_tools)
    else:
        choice = seat.choice(history, tools=[weather])
        assert choice.finish_reason == "tool_calls"
        message = choice.message
    assert message.content == "Let me look."
    assert [(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls] == WANTED
    assert len({call.id for call in message.tool_calls}) == 2
    results = [{"role": "tool", "tool_call_id": call.id, "content": "rain"} for call in message.tool_calls]
    answer = seat.choice([*history, message.model_dump(exclude_none=True), *results], tools=[weather])
    assert (answer.message.content, answer.finish_reason) == ("Rain, and sun.", "stop")


def final_now(seat: Any, request: dict[str, Any]) -> Any:
    with seat.client.chat.completions.stream(**request) as stream:
        return stream.get_final_completion().choices[0].message


async def final(seat: Any, request: dict[str, Any]) -> Any:
    async with seat.client.chat.completions.stream(**request) as stream:
        return (await stream.get_final_completion()).choices[0].message


def test_a_form_is_filled_in(seat: Any) -> None:
    assert json.loads(seat.choice("form", response_format=FORM).message.content) == {"name": "Ada"}


def test_models(seat: Any) -> None:
    assert "gpt-4o" in [model.id for model in seat.run(seat.client.models.list()).data]


STATUSES = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    413: openai.APIStatusError,
    422: openai.UnprocessableEntityError,
    500: openai.InternalServerError,
    503: openai.InternalServerError,
    529: openai.InternalServerError,
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("status", "expected"), STATUSES.items(), ids=map(str, STATUSES))
def test_a_status_is_its_own_exception(seat: Any, status: int, expected: type[Exception], streamed: bool) -> None:
    with pytest.raises(openai.APIStatusError, match="No") as caught:
        seat.ask(f"status {status}", stream=streamed)
    assert type(caught.value) is expected
    assert caught.value.status_code == status
    assert "none-is-needed" not in f"{caught.value!r} {caught.value.body}"


@pytest.mark.parametrize("streamed", [False, True])
def test_the_server_asks_to_wait(seat: Any, streamed: bool) -> None:
    with pytest.raises(openai.RateLimitError, match="Too many") as caught:
        seat.ask("busy", stream=streamed)
    assert caught.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize("streamed", [False, True])
def test_a_second_try(counted: Any, streamed: bool) -> None:
    seat = counted.seat
    text = text_of(seat.chunks("second")) if streamed else seat.choice("second").message.content
    assert text == "At the second try."
    assert counted.statuses == [429, 200]


def test_tries_end(counted: Any) -> None:
    with pytest.raises(openai.InternalServerError):
        counted.seat.ask("status 503")
    assert counted.statuses == [503, 503, 503]


def test_a_refusal_is_not_tried_again(counted: Any) -> None:
    with pytest.raises(openai.BadRequestError):
        counted.seat.ask("status 400")
    assert counted.statuses == [400]


@pytest.mark.rule(17)
def test_a_stream_that_is_cut_is_never_whole(seat: Any) -> None:
    seen: list[Any] = []
    with pytest.raises(openai.APIConnectionError, match=seat.provider):
        seat.read(seat.ask("cut", stream=True), seen)
    text = text_of(seen)
    assert text
    assert "a long answer of many words".startswith(text)
    assert [choice.finish_reason for chunk in seen for choice in chunk.choices if choice.finish_reason] == []


@pytest.mark.parametrize("streamed", [False, True])
def test_a_connection_that_is_dropped(seat: Any, streamed: bool) -> None:
    with pytest.raises(openai.APIConnectionError, match=f"{seat.provider}: connection failed") as caught:
        seat.ask("hello", stream=streamed, **chaos(disconnect="1"))
    assert caught.value.__cause__ is not None


def test_an_answer_that_is_no_json(seat: Any) -> None:
    with pytest.raises(openai.APIResponseValidationError, match="not JSON"):
        seat.ask("hello", **chaos(malformed="1"))


def test_a_stream_that_is_none(seat: Any) -> None:
    with pytest.raises(getattr(openai, seat.row.nonsense), match=seat.provider):
        seat.read(seat.ask("hello", stream=True, **chaos(malformed="1")), [])


@pytest.mark.parametrize("streamed", [False, True])
def test_a_server_that_is_too_slow(seat: Any, streamed: bool) -> None:
    with pytest.raises(openai.APITimeoutError):
        seat.ask("hello", stream=streamed, timeout=0.3, **chaos(latency="20000"))


def test_a_stream_that_is_given_up(seat: Any) -> None:
    stream = seat.ask("hello", stream=True)
    first = seat.run(anext(stream)) if seat.runner else next(stream)
    seat.run(stream.close())
    assert first.choices[0].delta.role == "assistant"
    assert seat.choice("hello").message.content == GREETING
