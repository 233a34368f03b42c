"""A streamed answer, which put together again is the whole one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk

from dragoman.core import Call, Event, Json, StreamCutError, VendorError
from dragoman.ollama import Ollama
from dragoman.ollama.response import decode_chat
from dragoman.ollama.stream import ChatStream

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD = {"model": "llama3.2:latest", "created_at": "2023-08-04T08:52:19.385406455-07:00"}
LAST = {"done_reason": "stop", "total_duration": 9, "prompt_eval_count": 26, "eval_count": 298}


def line(done: bool = False, **message: Any) -> Json:
    beside = {"logprobs": message.pop("logprobs")} if "logprobs" in message else {}
    rest = {**LAST, "done": True} if done else {"done": False}
    return {**HEAD, "message": {"role": "assistant", "content": "", **message}, **beside, **rest}


def call_of(name: str, **more: Any) -> Json:
    return {"function": {"name": name, "arguments": {"a": 1}}, **more}


@pytest.fixture
def decoder(make_call: Callable[..., Call]) -> ChatStream:
    return ChatStream(make_call(stream=True), Ollama().decode_error)


def read(decoder: ChatStream, *lines: Json) -> list[Json]:
    chunks = [chunk for sent in lines for chunk in decoder.feed(Event(json.dumps(sent).encode()))]
    chunks += decoder.finish()
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk)
    return chunks


@pytest.mark.rule(1, 2, 3, 4, 9, 13, 14)
def test_text(decoder: ChatStream) -> None:
    chunks = read(decoder, line(content="Hel"), line(content="lo"), line(done=True))
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1691164339, "model": "llama3.2:latest"}
    assert all({key: chunk[key] for key in head} == head for chunk in chunks)
    extra = chunks[2]["choices"][0]["delta"].pop("extra_content")
    assert extra["ollama"]["total_duration"] == 9
    assert [chunk["choices"] for chunk in chunks] == [
        [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}, "finish_reason": None}],
        [{"index": 0, "delta": {"content": "lo"}, "finish_reason": None}],
        [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        [],
    ]
    assert chunks[3]["usage"] == {"prompt_tokens": 26, "completion_tokens": 298, "total_tokens": 324}


@pytest.mark.rule(10, 11, 12, 247, 248)
def test_tool_calls_in_several_lines(decoder: ChatStream) -> None:
    first, second = [call_of("look"), call_of("listen", id="call_x")], [call_of("smell")]
    # Ollama's own index starts anew here, and its last line says "stop".
    chunks = read(decoder, line(tool_calls=first), line(tool_calls=second), line(done=True))
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    calls = [call for delta in deltas for call in delta.get("tool_calls", [])]
    assert [call["index"] for call in calls] == [0, 1, 2]
    assert [call["function"] for call in calls] == [
        {"name": name, "arguments": '{"a":1}'} for name in ("look", "listen", "smell")
    ]
    assert len({call["id"] for call in calls}) == 3
    assert calls[1]["id"] == "call_x"
    assert deltas[0] == {"role": "assistant", "content": None}
    assert [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]][-1] == "tool_calls"


@pytest.mark.rule(251)
def test_thoughts_come_as_they_are_thought(decoder: ChatStream) -> None:
    chunks = read(decoder, line(thinking="H"), line(thinking="m."), line(content="Blue."), line(done=True))
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert deltas[:3] == [
        {"role": "assistant", "content": None, "reasoning_content": "H"},
        {"reasoning_content": "m."},
        {"content": "Blue."},
    ]


def test_the_last_line_may_bring_something(decoder: ChatStream) -> None:
    chunks = read(decoder, line(content="Hel"), line(done=True, content="lo"))
    assert [choice["delta"].get("content") for chunk in chunks for choice in chunk["choices"]] == ["Hel", "lo", None]


@pytest.mark.rule(250)
def test_an_error_in_the_middle(decoder: ChatStream) -> None:
    events = [line(content="Hel"), {"error": "an error was encountered while running the model"}]
    feed = (chunk for sent in events for chunk in decoder.feed(Event(json.dumps(sent).encode())))
    assert next(feed)["choices"][0]["delta"]["content"] == "Hel"
    with pytest.raises(VendorError, match="an error was encountered while running the model") as caught:
        next(feed)
    assert caught.value.status is None


@pytest.mark.rule(17)
@pytest.mark.parametrize("lines", [[], [line(content="Hel")], [line(tool_calls=[call_of("look")])]])
def test_a_stream_that_closes_before_its_last_line(decoder: ChatStream, lines: list[Json]) -> None:
    with pytest.raises(StreamCutError, match="before its last line"):
        read(decoder, *lines)


@pytest.mark.rule(19)
def test_what_is_unknown_or_too_much_does_no_harm(decoder: ChatStream) -> None:
    chunks = read(decoder, {}, line(tomorrow=1), line(done=True), line(content="late"))
    assert [choice["delta"].get("content") for chunk in chunks for choice in chunk["choices"]] == ["", None]


def joined(chunks: list[Json]) -> Json:
    """Put chunks together, as a program does that knows OpenAI's promises only."""
    head = {key: chunks[0][key] for key in ("id", "created", "model")}
    message: Json = {}
    whole: Json = {**head, "object": "chat.completion", "finish_reason": None, "usage": None, "logprobs": []}
    for chunk in chunks:
        assert {key: chunk[key] for key in head} == head
        whole["usage"] = chunk.get("usage") or whole["usage"]
        for choice in chunk["choices"]:
            assert whole["finish_reason"] is None, "nothing comes after the finish"
            whole["finish_reason"] = choice["finish_reason"]
            assert message or choice["delta"].get("role"), "the role comes first"
            whole["logprobs"] += (choice.get("logprobs") or {}).get("content") or []
            _add(message, choice["delta"])
    return {**whole, "message": message}


def _add(message: Json, delta: Json) -> None:
    for key, value in delta.items():
        if key == "tool_calls":
            for call in value:
                calls = message.setdefault(key, [])
                assert call["index"] == len(calls)
                calls.append({name: part for name, part in call.items() if name != "index"})
        elif key == "role":
            assert key not in message, "the role comes once"
            message[key] = value
        elif isinstance(value, str):
            message[key] = (message.get(key) or "") + value
        else:
            message[key] = value


pieces = st.one_of(
    st.builds(lambda text: {"content": text}, st.text(max_size=3)),
    st.builds(lambda text: {"thinking": text}, st.text(max_size=3)),
    st.builds(
        lambda names: {"tool_calls": [call_of(name) for name in names]}, st.lists(st.sampled_from("ab"), max_size=2)
    ),
    st.just({"content": "x", "logprobs": [{"token": "x", "logprob": -0.5}]}),
    st.just({"images": ["AAAA"]}),
    st.just({"tool_calls": [call_of("c", id="call_c")], "thinking": "Hm.", "content": "y"}),
)


@pytest.mark.rule(17, 248)
@given(parts=st.lists(pieces, max_size=6), reason=st.sampled_from(["stop", "length", None]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_put_together_it_is_the_whole_answer(
    make_call: Callable[..., Call], parts: list[Json], reason: str | None
) -> None:
    call = make_call(stream=True)
    last = {**line(done=True), "done_reason": reason}
    streamed = joined(read(ChatStream(call, Ollama().decode_error), *(line(**part) for part in parts), last))
    message: Json = {"role": "assistant", "content": ""}
    for part in parts:
        for key, value in part.items():
            if key != "logprobs":
                message[key] = message[key] + value if key in message else value
    logprobs = [token for part in parts for token in part.get("logprobs", [])]
    whole = decode_chat(call, {**last, "message": message, "logprobs": logprobs})
    (choice,) = whole["choices"]
    del choice["message"]["refusal"]
    assert streamed["message"] == choice["message"]
    assert streamed["finish_reason"] == choice["finish_reason"]
    assert streamed["logprobs"] == (choice["logprobs"] or {"content": []})["content"]
    for key in ("id", "created", "model", "usage"):
        assert streamed[key] == whole[key]
