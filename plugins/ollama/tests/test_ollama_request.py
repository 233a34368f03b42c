"""The whole chat request."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core import Call, DragomanWarning, InvalidRequest, Json, UnsupportedParameter
from dragoman.ollama.request import encode_chat

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


@pytest.mark.rule(245)
def test_the_smallest_request_says_that_it_does_not_stream(make_call: Callable[..., Call]) -> None:
    body = {"model": "llama3.2", "messages": [{"role": "user", "content": "Hi"}], "stream": False}
    assert encode_chat(make_call()) == body
    assert encode_chat(make_call(stream=True, stream_options={"include_usage": True})) == {**body, "stream": True}
    assert encode_chat(make_call(stream=None, tools=[], temperature=None)) == body


@pytest.mark.rule(242)
@pytest.mark.parametrize(
    ("params", "wire"),
    [
        ({"temperature": 0}, {"options": {"temperature": 0}}),
        ({"temperature": 1, "top_p": 1}, {"options": {"temperature": 1, "top_p": 1}}),
        ({"max_tokens": 5}, {"options": {"num_predict": 5}}),
        ({"max_completion_tokens": 5}, {"options": {"num_predict": 5}}),
        ({"max_completion_tokens": 5, "max_tokens": 5}, {"options": {"num_predict": 5}}),
        ({"seed": 7}, {"options": {"seed": 7}}),
        ({"stop": "END"}, {"options": {"stop": ["END"]}}),
        ({"stop": ["A", "B"]}, {"options": {"stop": ["A", "B"]}}),
        ({"frequency_penalty": 0.5}, {"options": {"frequency_penalty": 0.5}}),
        ({"presence_penalty": -0.5}, {"options": {"presence_penalty": -0.5}}),
        ({"response_format": {"type": "text"}}, {}),
        ({"response_format": {"type": "json_object"}}, {"format": "json"}),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "x", "strict": True, "schema": SCHEMA},
                }
            },
            {"format": SCHEMA},
        ),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}, {"format": "json"}),
        ({"reasoning_effort": "none"}, {"think": False}),
        ({"reasoning_effort": "high"}, {"think": "high"}),
        ({"logprobs": True, "top_logprobs": 2}, {"logprobs": True, "top_logprobs": 2}),
        ({"keep_alive": 0, "num_ctx": 8192}, {"keep_alive": 0, "options": {"num_ctx": 8192}}),
        ({"n": 1, "logit_bias": {}, "parallel_tool_calls": True, "service_tier": "auto"}, {}),
        ({"user": "u", "metadata": {"a": "b"}, "store": True, "prompt_cache_key": "k", "safety_identifier": "s"}, {}),
    ],
)
def test_a_parameter_and_what_becomes_of_it(make_call: Callable[..., Call], params: Json, wire: Json) -> None:
    call = make_call(**params)
    before = copy.deepcopy(call.request)
    assert {
        key: value for key, value in encode_chat(call).items() if key not in {"model", "messages", "stream"}
    } == wire
    assert call.request == before
    assert call.ledger.report() == {}


@pytest.mark.rule(244)
@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("audio", {"voice": "alloy", "format": "wav"}),
        ("function_call", "auto"),
        ("functions", [{"name": "look"}]),
        ("logit_bias", {"1": 1}),
        ("modalities", ["text", "audio"]),
        ("moderation", {"model": "m"}),
        ("n", 2),
        ("parallel_tool_calls", False),
        ("prediction", {"type": "content", "content": "x"}),
        ("response_format", {"type": "grammar"}),
        ("service_tier", "flex"),
        ("verbosity", "low"),
        ("web_search_options", {}),
    ],
)
def test_what_ollama_does_not_have_follows_the_policy(make_call: Callable[..., Call], param: str, value: Any) -> None:
    with pytest.raises(UnsupportedParameter, match="Ollama") as caught:
        encode_chat(make_call(**{param: value}))
    assert caught.value.param == param
    call = make_call("warn", **{param: value})
    with pytest.warns(DragomanWarning, match=param):
        body = encode_chat(call)
    assert body.keys() == {"model", "messages", "stream"}
    assert call.ledger.dropped == [param]


def test_two_limits_that_differ(make_call: Callable[..., Call]) -> None:
    with pytest.raises(UnsupportedParameter, match="max_completion_tokens is given too"):
        encode_chat(make_call(max_tokens=5, max_completion_tokens=6))
    assert encode_chat(make_call("ignore", max_tokens=5, max_completion_tokens=6))["options"] == {"num_predict": 6}


def test_the_first_of_several_refusals_is_always_the_same(make_call: Callable[..., Call]) -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        encode_chat(make_call(verbosity="low", n=2, logit_bias={"1": 1}))
    assert caught.value.param == "logit_bias"


def test_a_request_without_messages(make_call: Callable[..., Call]) -> None:
    with pytest.raises(InvalidRequest, match="messages is empty"):
        encode_chat(make_call(messages=[]))
