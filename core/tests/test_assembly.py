"""Streams put together for hooks, against what the SDK makes of the same chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from dragoman.core import Call, Chunks
from dragoman.core.assembly import Assembly

if TYPE_CHECKING:
    from collections.abc import Callable

CALL = Call("p", "m", {}, id="chatcmpl-7", created=7)
TEXT = st.text(max_size=5)
STEPS: st.SearchStrategy[Callable[[Chunks], dict[str, Any]]] = st.one_of(
    TEXT.map(lambda text: lambda chunks: chunks.delta(content=text)),
    TEXT.map(lambda text: lambda chunks: chunks.delta(refusal=text)),
    TEXT.map(lambda text: lambda chunks: chunks.delta(reasoning_content=text)),
    TEXT.map(lambda text: lambda chunks: chunks.tool_call(f"call_{chunks.tool_calls}", "f", text)),
    TEXT.map(
        lambda text: (
            lambda chunks: (
                chunks.tool_arguments(chunks.tool_calls - 1, text) if chunks.tool_calls else chunks.delta(content=text)
            )
        )
    ),
)


@given(st.lists(STEPS, max_size=12))
def test_as_the_sdk_does_it(steps: list[Callable[[Chunks], dict[str, Any]]]) -> None:
    builder = Chunks(CALL)
    chunks = [
        builder.role(),
        *(step(builder) for step in steps),
        builder.finish("stop"),
        builder.usage({"total_tokens": 1}),
    ]
    assembly, state = Assembly(), ChatCompletionStreamState()
    for chunk in chunks:
        assembly.add(chunk)
        state.handle_chunk(ChatCompletionChunk.construct(**chunk))
    ours = assembly.completion()["choices"][0]
    theirs = state.current_completion_snapshot.choices[0].to_dict()
    message: Any = {key: value for key, value in theirs["message"].items() if value is not None}
    for call in message.get("tool_calls") or ():
        call.pop("index", None)
        call["function"].pop("parsed_arguments", None)
    message.pop("parsed", None)
    assert ours["message"] == message
    assert ours["finish_reason"] == "stop"
    assert assembly.completion()["usage"] == {"total_tokens": 1}


def test_values_of_other_kinds() -> None:
    assembly = Assembly()
    for delta in (
        {"extra": {"a": 1, "b": None, "list": [{"x": [1]}]}, "n": 1},
        {"extra": {"a": 2, "b": "t", "list": [{"y": 2}, 5]}, "n": None},
        {"extra": {"b": "u"}, "n": 3},
    ):
        assembly.add({"choices": [{"delta": delta}]})
    assembly.add({"choices": [{"index": 1, "logprobs": {"content": [1]}}], "usage": None})
    assembly.add({"choices": [{"index": 1, "logprobs": {"content": [2]}}]})
    first, second = assembly.completion()["choices"]
    assert first["message"] == {"extra": {"a": 2, "b": "tu", "list": [{"x": [1]}, {"y": 2}, 5]}, "n": 3}
    assert second == {"index": 1, "message": {}, "finish_reason": None, "logprobs": {"content": [1, 2]}}


def test_nothing_of_a_chunk_is_lost_beside_its_text() -> None:
    from dragoman.core.assembly import Assembly

    def chunk(delta: Any, finish: Any = None, **more: Any) -> dict[str, Any]:
        return {"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}

    assembly = Assembly()
    for one in (
        chunk({"role": "assistant", "content": ""}, usage=None, service_tier=None),
        chunk({"content": "a"}, usage=None, service_tier="flex"),
        chunk({"content": "b"}, usage={"total_tokens": 2}),
        chunk({"content": "c"}),
        {"id": "c", "choices": [{"index": 1, "delta": {"content": "other"}, "finish_reason": "stop"}]},
        chunk({"content": "d"}, "length"),
        chunk({}, model="n"),
    ):
        assembly.add(one)
    whole = assembly.completion()
    assert (whole["usage"], whole["service_tier"], whole["model"]) == ({"total_tokens": 2}, "flex", "n")
    first, second = whole["choices"]
    assert (first["message"]["content"], first["finish_reason"]) == ("abcd", "length")
    assert second["message"]["content"] == "other"
