"""Chunks: the shapes, and whole answers cut into them, put together again by the SDK itself."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from dragoman.core import Call, Chunks
from dragoman.core.assembly import Assembly
from dragoman.core.chunks import cut

CALL = Call("p", "m", {}, id="chatcmpl-7", created=7)
HEAD = {"id": "chatcmpl-7", "object": "chat.completion.chunk", "created": 7, "model": "m"}


def completion(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    choices = [
        {"index": index, "message": {"role": "assistant", **message}, "finish_reason": reason, "logprobs": logprobs}
        for index, (message, reason, logprobs) in enumerate(
            (dict(message), message.pop("finish", "stop"), message.pop("logprobs", None))
            for message in map(copy.deepcopy, messages)
        )
    ]
    for choice in choices:
        choice["message"].pop("finish", None)
        choice["message"].pop("logprobs", None)
    return {"id": "x", "object": "chat.completion", "created": 3, "model": "vendor-m", "choices": choices, **more}


USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
TOOLS = [
    {"id": f"call_{n}", "type": "function", "function": {"name": f"f{n}", "arguments": '{"a": "b"}'}} for n in range(2)
]
TOKEN = {"token": "a", "logprob": -0.5, "bytes": None, "top_logprobs": []}
ANSWERS = {
    "text": completion({"content": "Hi"}, usage=USAGE, system_fingerprint="fp"),
    "tools": completion({"content": None, "tool_calls": TOOLS, "finish": "tool_calls"}),
    "refusal": completion({"content": None, "refusal": "No.", "finish": "content_filter"}),
    "choices": completion({"content": "a"}, {"content": "b", "finish": "length"}, service_tier="default"),
    "carried": completion({"content": "a", "extra_content": {"acme": {"blocks": [1]}}}),
    "logprobs": completion({"content": "a", "logprobs": {"content": [TOKEN], "refusal": None}}),
}


def without_nothing(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nothing(item) for key, item in value.items() if item is not None}
    return [without_nothing(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", ANSWERS)
def test_a_cut_answer_is_put_together_by_the_sdk(name: str) -> None:
    state = ChatCompletionStreamState()
    before = copy.deepcopy(ANSWERS[name])
    for chunk in cut(CALL, ANSWERS[name]):
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    found = without_nothing(state.current_completion_snapshot.model_dump())
    for choice in found["choices"]:
        choice["message"].pop("parsed", None)
        for call in choice["message"].get("tool_calls", ()):
            call.pop("index", None)
            call["function"].pop("parsed_arguments", None)
    expected = without_nothing(ChatCompletion.model_validate(ANSWERS[name]).model_dump())
    assert found == expected
    assert ANSWERS[name] == before


@pytest.mark.parametrize("name", ANSWERS)
def test_a_cut_answer_is_put_together_by_us(name: str) -> None:
    assembly = Assembly()
    chunks = cut(CALL, ANSWERS[name])
    before = copy.deepcopy(chunks)
    for chunk in chunks:
        assembly.add(chunk)
    assert without_nothing(assembly.completion()) == without_nothing(ANSWERS[name])
    assert chunks == before


def test_what_is_missing_comes_from_the_call() -> None:
    chunks = cut(CALL, {"choices": [{"message": {"content": "a"}}]})
    assert {key: chunks[0][key] for key in HEAD} == HEAD
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert cut(CALL, {}) == []


def test_the_shapes() -> None:
    chunks = Chunks(CALL)
    made = [
        chunks.role(),
        chunks.delta(content="a"),
        chunks.tool_call("1", "f", "{"),
        chunks.tool_arguments(0, "}"),
        chunks.tool_call("2", "g", custom=True),
        chunks.tool_arguments(1, "x", custom=True),
        chunks.finish("tool_calls", extra_content={"acme": {}}),
    ]
    assert all({key: chunk[key] for key in HEAD} == HEAD for chunk in made)
    assert [chunk["choices"][0]["delta"] for chunk in made] == [
        {"role": "assistant", "content": ""},
        {"content": "a"},
        {"tool_calls": [{"index": 0, "id": "1", "type": "function", "function": {"name": "f", "arguments": "{"}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]},
        {"tool_calls": [{"index": 1, "id": "2", "type": "custom", "custom": {"name": "g", "input": ""}}]},
        {"tool_calls": [{"index": 1, "custom": {"input": "x"}}]},
        {"extra_content": {"acme": {}}},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in made] == [None] * 6 + ["tool_calls"]
    assert chunks.usage(USAGE) == {**HEAD, "choices": [], "usage": USAGE}
    second = Chunks(CALL, index=1)
    second.id, second.model = "other", "other-m"
    assert (second.role()["id"], second.role()["model"], second.role()["choices"][0]["index"]) == (
        "other",
        "other-m",
        1,
    )
