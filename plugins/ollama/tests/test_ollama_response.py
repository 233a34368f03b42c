"""A whole answer."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from openai.types.chat import ChatCompletion

from dragoman.core import Call, DragomanWarning, Json, unpack
from dragoman.ollama.messages import encode_messages
from dragoman.ollama.response import decode_chat

if TYPE_CHECKING:
    from collections.abc import Callable


def answer(message: Json | None = None, **more: Any) -> Json:
    return {
        "model": "llama3.2:latest",
        "created_at": "2023-08-04T08:52:19.385406455-07:00",
        "message": {"role": "assistant", "content": "", **(message or {"content": "Hello"})},
        "done": True,
        "done_reason": "stop",
        "total_duration": 9,
        "prompt_eval_count": 26,
        "eval_count": 298,
        **more,
    }


def calls(*names: str, **more: Any) -> list[Json]:
    return [
        {"function": {"name": name, "arguments": {"b": 1, "a": "é"}, "index": n}, **more}
        for n, name in enumerate(names)
    ]


@pytest.fixture
def decode(make_call: Callable[..., Call]) -> Callable[..., Json]:
    def run(body: Json) -> Json:
        before = copy.deepcopy(body)
        decoded = decode_chat(make_call(), body)
        assert body == before
        assert ChatCompletion.model_validate(decoded).choices
        return decoded

    return run


@pytest.mark.rule(1, 2, 3, 4, 6, 16, 20, 249)
def test_an_answer_of_text(decode: Callable[..., Json]) -> None:
    decoded = decode(answer())
    extra = decoded["choices"][0]["message"].pop("extra_content")
    assert decoded == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1691164339,
        "model": "llama3.2:latest",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello", "refusal": None},
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": {"prompt_tokens": 26, "completion_tokens": 298, "total_tokens": 324},
    }
    assert extra["ollama"].keys() == {"done_reason", "total_duration", "visible"}


@pytest.mark.rule(249)
def test_a_prompt_that_is_wholly_cached_has_no_count(decode: Callable[..., Json]) -> None:
    body = answer()
    del body["prompt_eval_count"]
    assert decode(body)["usage"] == {"prompt_tokens": 0, "completion_tokens": 298, "total_tokens": 298}


@pytest.mark.rule(5, 8, 246)
def test_tool_calls(decode: Callable[..., Json]) -> None:
    choice = decode(answer({"content": "", "tool_calls": calls("look", "listen")}))["choices"][0]
    first, second = choice["message"]["tool_calls"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    assert first["function"] == {"name": "look", "arguments": '{"b":1,"a":"é"}'}
    assert second["function"]["name"] == "listen"
    assert first["id"] != second["id"]
    assert all(call["id"].startswith("call_") and len(call["id"]) == 29 for call in (first, second))


@pytest.mark.rule(246)
def test_ids_are_ollamas_own_where_it_has_some(decode: Callable[..., Json]) -> None:
    message = {
        "tool_calls": [*calls("look", id="call_gsiiy8py"), *calls("look", id="call_gsiiy8py"), *calls("look", id="")]
    }
    body = answer(message)
    ids = [call["id"] for call in decode(body)["choices"][0]["message"]["tool_calls"]]
    assert ids[0] == "call_gsiiy8py"
    assert len(set(ids)) == 3
    assert ids == [call["id"] for call in decode(body)["choices"][0]["message"]["tool_calls"]]


@pytest.mark.rule(12, 246)
@pytest.mark.parametrize(
    ("arguments", "text"),
    [({}, "{}"), (None, "{}"), ("", "{}"), ('{"a": 1}', '{"a": 1}'), ({"n": 2**70}, f'{{"n":{2**70}}}')],
)
def test_arguments_are_text(decode: Callable[..., Json], arguments: Any, text: str) -> None:
    body = answer({"tool_calls": [{"function": {"name": "look", "arguments": arguments}}]})
    assert decode(body)["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == text


@pytest.mark.rule(7, 8, 246)
@pytest.mark.parametrize(
    ("sent", "plain", "called"),
    [
        ("stop", "stop", "tool_calls"),
        ("length", "length", "length"),
        ("load", "stop", "tool_calls"),
        ("unload", "stop", "tool_calls"),
        (None, "stop", "tool_calls"),
    ],
)
def test_finish_reasons(decode: Callable[..., Json], sent: str | None, plain: str, called: str) -> None:
    body = answer(done_reason=sent)
    choice = decode(body)["choices"][0]
    assert choice["finish_reason"] == plain
    assert choice["message"]["extra_content"]["ollama"].get("done_reason") == sent
    assert decode(answer({"tool_calls": calls("look")}, done_reason=sent))["choices"][0]["finish_reason"] == called


@pytest.mark.rule(7)
def test_an_unknown_reason_is_told(decode: Callable[..., Json]) -> None:
    with pytest.warns(DragomanWarning, match="unknown done_reason 'tired'"):
        choice = decode(answer(done_reason="tired"))["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["extra_content"]["ollama"]["done_reason"] == "tired"


@pytest.mark.rule(251, 252)
def test_thoughts(decode: Callable[..., Json]) -> None:
    message = decode(answer({"content": "Blue.", "thinking": "Hm."}))["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("Blue.", "Hm.")
    inline = decode(answer({"content": "<think>Hm.</think>Blue."}))["choices"][0]["message"]
    assert inline["content"] == "<think>Hm.</think>Blue."
    assert "reasoning_content" not in inline


def test_thoughts_alone_leave_an_empty_text(decode: Callable[..., Json]) -> None:
    assert decode(answer({"content": "", "thinking": "Hm."}))["choices"][0]["message"]["content"] == ""


def test_log_probabilities(decode: Callable[..., Json]) -> None:
    top = [{"token": "Hi", "logprob": -0.1, "bytes": [72, 105]}, {"token": "Yo", "logprob": -2.5}]
    found = decode(answer(logprobs=[{"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": top}]))
    (token,) = ChatCompletion.model_validate(found).choices[0].logprobs.content  # type: ignore[union-attr, misc]  # they are there
    assert (token.token, token.logprob, token.bytes) == ("Hi", -0.1, [72, 105])
    assert [(each.token, each.bytes) for each in token.top_logprobs] == [("Hi", [72, 105]), ("Yo", None)]


@pytest.mark.rule(19, 249)
def test_what_has_no_place_is_carried_under_a_seal(decode: Callable[..., Json]) -> None:
    body = answer({"content": "Here.", "images": ["AAAA"], "thinking": None}, remote_host="https://ollama.com")
    message = decode(body)["choices"][0]["message"]
    data, unedited = unpack(message, "ollama")
    assert data is not None
    assert unedited
    assert (data["images"], data["remote_host"], data["total_duration"]) == (["AAAA"], "https://ollama.com", 9)


@pytest.mark.rule(242, 251)
def test_an_answer_goes_back_as_it_came(decode: Callable[..., Json], make_call: Callable[..., Call]) -> None:
    sent = {
        "role": "assistant",
        "content": "Let me look.",
        "thinking": "Hm.",
        "tool_calls": [{"id": "call_1", "function": {"name": "look", "arguments": {"b": 1, "a": [1.0, "é"]}}}],
    }
    message = decode(answer(sent))["choices"][0]["message"]
    assert encode_messages(make_call(), [message]) == [sent]


def test_a_body_without_a_message_is_no_answer(make_call: Callable[..., Call]) -> None:
    with pytest.raises(LookupError):
        decode_chat(make_call(), {"model": "m", "done": True})


def test_an_answer_that_says_little(decode: Callable[..., Json]) -> None:
    decoded = decode({"message": {"role": "assistant"}, "done": True})
    assert (decoded["created"], decoded["model"]) == (1700000000, "llama3.2")
    assert decoded["choices"][0]["message"]["content"] == ""
