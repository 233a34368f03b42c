"""What an OpenAI client must see of a recorded OpenAI answer: just what was recorded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from recorded_judge.expected import Answer, Json, Outcome, ToolCall, usage_numbers

if TYPE_CHECKING:
    from recorded_judge.traffic import Exchange


def expected(exchange: Exchange) -> Outcome:
    """The whole expectation for one exchange."""
    return _of_stream(exchange) if exchange.streamed else _of_body(exchange.body)


def _of_body(body: Json) -> Outcome:
    answers = {choice["index"]: _choice(choice) for choice in body["choices"]}
    return Outcome(
        id=body["id"],
        model=body["model"],
        answers=answers,
        usage=usage_numbers(body.get("usage")),
        service_tier=body.get("service_tier"),
    )


def _choice(choice: Json) -> Answer:
    message = choice["message"]
    return Answer(
        text=message.get("content"),
        refusal=message.get("refusal"),
        reasoning=message.get("reasoning_content"),
        calls=[_call(call) for call in message.get("tool_calls") or []],
        finish=choice["finish_reason"],
        annotations=message.get("annotations") or [],
        other={key: message[key] for key in ("function_call", "audio") if message.get(key)},
    )


def _call(call: Json) -> ToolCall:
    called = call.get("function") or call["custom"]
    text = called["input"] if call["type"] == "custom" else called["arguments"]
    return ToolCall(call["id"], called["name"], text, value_of(text))


def value_of(arguments: str) -> Any:
    """What the text says; None where the model was cut off and it says nothing."""
    try:
        return json.loads(arguments)
    except ValueError:
        return None


def _of_stream(exchange: Exchange) -> Outcome:
    events = [event for event in exchange.events() if event.get("id")]
    answers: dict[int, Answer] = {}
    for event in events:
        for choice in event["choices"]:
            answer = answers.setdefault(choice["index"], Answer())
            delta = choice.get("delta") or {}
            answer.text = _longer(answer.text, delta.get("content"))
            answer.refusal = _longer(answer.refusal, delta.get("refusal"))
            answer.finish = choice.get("finish_reason") or answer.finish
            for part in delta.get("tool_calls") or []:
                _extend(answer.calls, part)
    for answer in answers.values():
        for call in answer.calls:
            call.value = value_of(call.arguments)
    usage = next((event["usage"] for event in reversed(events) if event.get("usage")), None)
    finished = all(answer.finish for answer in answers.values())
    return Outcome(
        id=events[0]["id"],
        model=events[0]["model"],
        answers=answers,
        usage=usage_numbers(usage),
        service_tier=next((event["service_tier"] for event in events if event.get("service_tier")), None),
        error=None if finished else "APIConnectionError",
    )


def _longer(text: str | None, more: str | None) -> str | None:
    return text if more is None else (text or "") + more


def _extend(calls: list[ToolCall], part: Json) -> None:
    function = part.get("function") or {}
    if part["index"] == len(calls):
        calls.append(ToolCall(part["id"], function["name"], "", None))
    calls[part["index"]].arguments += function.get("arguments") or ""
