"""What a client really got: read from the SDK's objects, and held against the promises of OpenAI's stream."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pydantic
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from recorded_judge.expected import Answer, Json, Outcome, ToolCall, usage_numbers
from recorded_judge.openai_answers import value_of

if TYPE_CHECKING:
    from collections.abc import Iterable


def as_json(thing: Any) -> Json:
    """An SDK object as JSON, with the keys that were sent and no others."""
    data: Json = thing.to_dict(mode="json", warnings=False)
    return data


def outcome_of_body(body: Json) -> Outcome:
    """Read a whole answer."""
    answers = {}
    for choice in body["choices"]:
        message = choice["message"]
        answers[choice["index"]] = Answer(
            text=message.get("content"),
            refusal=message.get("refusal"),
            reasoning=message.get("reasoning_content"),
            calls=[_call(call) for call in message.get("tool_calls") or []],
            finish=choice["finish_reason"],
            annotations=message.get("annotations") or [],
            other={key: message[key] for key in ("function_call", "audio") if message.get(key)},
        )
    return Outcome(
        id=body["id"],
        model=body["model"],
        answers=answers,
        usage=usage_numbers(body.get("usage")),
        service_tier=body.get("service_tier"),
        created=body.get("created"),
    )


def _call(call: Json) -> ToolCall:
    called = call.get("function") or call["custom"]
    text = called["input"] if call["type"] == "custom" else called["arguments"]
    return ToolCall(call["id"], called["name"], text, value_of(text))


def outcome_of_chunks(chunks: list[Json], error: Exception | None) -> Outcome:
    """Put chunks together the way every OpenAI client does."""
    answers: dict[int, Answer] = {}
    usage = None
    tier = None
    for chunk in chunks:
        usage = chunk.get("usage") or usage
        tier = tier or chunk.get("service_tier")
        for choice in chunk.get("choices") or []:
            answer = answers.setdefault(choice["index"], Answer())
            delta = choice.get("delta") or {}
            answer.text = _plus(answer.text, delta.get("content"))
            answer.refusal = _plus(answer.refusal, delta.get("refusal"))
            answer.reasoning = _plus(answer.reasoning, delta.get("reasoning_content"))
            answer.annotations = answer.annotations + (delta.get("annotations") or [])
            answer.finish = choice.get("finish_reason") or answer.finish
            for part in delta.get("tool_calls") or []:
                _extend(answer.calls, part)
    for answer in answers.values():
        for call in answer.calls:
            call.value = value_of(call.arguments)
    named = [chunk for chunk in chunks if chunk.get("id")] or [{}]
    kind = None if error is None else type(error).__name__
    return Outcome(
        id=named[0].get("id"),
        model=named[0].get("model"),
        answers=answers,
        usage=usage_numbers(usage),
        service_tier=tier,
        error=kind,
        created=named[0].get("created"),
    )


def _plus(text: str | None, more: str | None) -> str | None:
    return text if more is None else (text or "") + more


def _extend(calls: list[ToolCall], part: Json) -> None:
    function = part.get("function") or {}
    while part["index"] >= len(calls):
        calls.append(ToolCall(part.get("id"), function.get("name") or "", "", None))
    calls[part["index"]].arguments += function.get("arguments") or ""


def faults_of_body(body: Json) -> list[str]:
    """Why the SDK's own type refuses an answer; empty if it does not."""
    return _refused(ChatCompletion, body)


def faults_of_chunk(chunk: Json) -> list[str]:
    """Why the SDK's own type refuses a chunk."""
    return _refused(ChatCompletionChunk, chunk)


def _refused(cls: type[pydantic.BaseModel], data: Json) -> list[str]:
    try:
        cls.model_validate(data, strict=True)
    except pydantic.ValidationError as error:
        return [f"{cls.__name__}: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False)]
    return []


def faults_of_chunks(chunks: list[Json], *, usage: bool | None, whole: bool = True) -> list[str]:
    """Which promises of OpenAI's stream the chunks break. `usage`: whether it was asked for (None: unknown)."""
    faults = [fault for chunk in chunks for fault in _refused(ChatCompletionChunk, chunk)]
    for key in ("id", "created", "model"):
        values = {chunk.get(key) for chunk in chunks}
        if len(values) != 1:
            faults.append(f"{len(values)} different values of {key}")
    for index in sorted({choice["index"] for chunk in chunks for choice in chunk["choices"]}):
        choices = [choice for chunk in chunks for choice in chunk["choices"] if choice["index"] == index]
        faults += [f"choice {index}: {fault}" for fault in _faults_of_choice(choices, whole=whole)]
    return faults + _faults_of_usage(chunks, usage)


def _faults_of_choice(choices: list[Json], *, whole: bool) -> Iterable[str]:
    deltas = [choice.get("delta") or {} for choice in choices]
    roles = [number for number, delta in enumerate(deltas) if delta.get("role") is not None]
    if roles != [0]:
        yield f"role in chunks {roles}"
    ends = [number for number, choice in enumerate(choices) if choice.get("finish_reason")]
    if whole and ends != [len(choices) - 1]:
        yield f"finish_reason in chunks {ends} of {len(choices)}"
    carried = [number for number, delta in enumerate(deltas) if delta.get("extra_content")]
    if carried and carried != ends:
        yield f"extra_content in chunks {carried}, finish_reason in {ends}"
    reason = choices[ends[-1]]["finish_reason"] if ends else None
    yield from _faults_of_calls(
        [part for delta in deltas for part in delta.get("tool_calls") or []], reason, whole=whole
    )


def _faults_of_calls(parts: list[Json], reason: str | None, *, whole: bool) -> Iterable[str]:
    arguments: list[str] = []
    for part in parts:
        function = part.get("function") or {}
        first = part["index"] == len(arguments)
        if first:
            arguments.append("")
            if not (part.get("id") and function.get("name") and part.get("type") == "function"):
                yield f"call {part['index']} begins without id, name or type"
        elif part["index"] > len(arguments):
            yield f"call index {part['index']} after {len(arguments)} calls"
            return
        elif any(part.get(key) is not None for key in ("id", "type")) or function.get("name") is not None:
            yield f"call {part['index']}: id, type or name repeated"
        arguments[part["index"]] += function.get("arguments") or ""
    for number, text in enumerate(arguments):
        if whole and reason != "length" and not _is_json(text):
            yield f"call {number}: arguments are no JSON: {text[:80]!r}"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _faults_of_usage(chunks: list[Json], asked: bool | None) -> list[str]:
    places = [number for number, chunk in enumerate(chunks) if chunk.get("usage")]
    if asked is False and places:
        return [f"usage unasked in chunks {places}"]
    if asked and places and (places != [len(chunks) - 1] or chunks[-1]["choices"]):
        return [f"usage in chunks {places} of {len(chunks)}"]
    return []
