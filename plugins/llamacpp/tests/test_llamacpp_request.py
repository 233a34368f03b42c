"""OpenAI's chat -> llama.cpp's."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from dragoman.core import Call, DragomanWarning, Json, UnsupportedParameter
from dragoman.llamacpp import LlamaCpp

USER = {"role": "user", "content": "hi"}


def call(policy: Any = "raise", **params: Any) -> Call:
    request = {"model": "m", "messages": [USER], **params}
    return Call("llamacpp", "m", request, on_unsupported=policy)


def encode_chat(asked: Call, **options: Any) -> Json:
    return LlamaCpp(**options).encode_chat(asked)


def function(name: str) -> Json:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}


def chosen(name: str) -> Json:
    return {"type": "function", "function": {"name": name}}


def test_what_the_engine_knows_passes_through() -> None:
    params = {
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["a"],
        "seed": 1,
        "n": 2,
        "logit_bias": {"5": 1},
        "logprobs": True,
        "top_logprobs": 2,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.1,
        "reasoning_effort": "none",
        "response_format": {"type": "json_object"},
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 5,
    }
    assert encode_chat(call(**params)) == {"model": "m", "messages": [USER], **params}


def test_the_request_itself_is_not_changed() -> None:
    history = {"role": "assistant", "content": None, "tool_calls": [{"id": "a", **chosen("f")}], "reasoning": "r"}
    asked = call(max_completion_tokens=5, tools=[function("f")], tool_choice=chosen("f"))
    asked.request["messages"] = [{"role": "developer", "content": "d"}, history, USER]
    before = copy.deepcopy(asked.request)
    encode_chat(asked, parallel_tool_calls=True)
    assert asked.request == before


@pytest.mark.parametrize(
    "param", ["audio", "functions", "prediction", "service_tier", "verbosity", "web_search_options"]
)
def test_what_the_engine_would_pass_over_is_refused(param: str) -> None:
    with pytest.raises(UnsupportedParameter, match=param):
        encode_chat(call(**{param: {"x": 1}}))


def test_the_caller_may_choose_to_leave_it_out() -> None:
    asked = call("ignore", web_search_options={})
    assert "web_search_options" not in encode_chat(asked)
    assert asked.ledger.dropped == ["web_search_options"]


def test_hints_and_defaults_are_dropped_without_a_word() -> None:
    asked = call(user="u", store=False, metadata={"a": "b"}, modalities=["text"], service_tier="auto", temperature=None)
    assert encode_chat(asked) == {"model": "m", "messages": [USER]}
    assert not asked.ledger.report()


@pytest.mark.rule(226, 292, 299)
def test_thoughts_of_the_history_stay_and_developer_becomes_system() -> None:
    thought = {"role": "assistant", "content": "a", "reasoning": "r", "thinking_blocks": [1]}
    asked = call()
    asked.request["messages"] = [{"role": "developer", "content": "d"}, thought, USER]
    system, answered, _ = encode_chat(asked)["messages"]
    assert system == {"role": "system", "content": "d"}
    assert answered == {"role": "assistant", "content": "a", "reasoning_content": "r"}


@pytest.mark.rule(264)
@pytest.mark.parametrize("written", ["", "{bad", "[1]", None])
def test_the_engine_reads_such_a_history(desk: Any, tool: Json, written: str | None) -> None:
    tool_call = {"id": "a", "type": "function", "function": {"name": "get_weather", "arguments": written}}
    history = [
        USER,
        {"role": "assistant", "content": None, "tool_calls": [tool_call]},
        {"role": "tool", "tool_call_id": "a", "content": "sun"},
    ]
    assert desk.ask(history, tools=[tool])["choices"][0]["message"]["content"] == "The tool answered: sun"


@pytest.mark.rule(290)
def test_several_calls_are_asked_for_only_if_the_provider_is_told_to() -> None:
    tools = [function("f")]
    assert "parallel_tool_calls" not in encode_chat(call(tools=tools))
    assert encode_chat(call(tools=tools), parallel_tool_calls=True)["parallel_tool_calls"] is True
    said = encode_chat(call(tools=tools, parallel_tool_calls=False), parallel_tool_calls=True)
    assert said["parallel_tool_calls"] is False
    assert "parallel_tool_calls" not in encode_chat(call(), parallel_tool_calls=True)


@pytest.mark.parametrize("choice", ["none", "auto", "required"])
def test_the_words_of_tool_choice_pass_through(choice: str) -> None:
    assert encode_chat(call(tools=[function("f")], tool_choice=choice))["tool_choice"] == choice


def test_choosing_the_only_tool_means_requiring_a_call() -> None:
    wire = encode_chat(call(tools=[function("f")], tool_choice=chosen("f")))
    assert wire["tool_choice"] == "required"


def test_choosing_one_of_several_follows_the_policy() -> None:
    params = {"tools": [function("f"), function("g")], "tool_choice": chosen("g")}
    with pytest.raises(UnsupportedParameter, match="send only those tools"):
        encode_chat(call(**params))
    asked = call("adapt", **params)
    with pytest.warns(DragomanWarning, match="only g offered"):
        wire = encode_chat(asked)
    assert (wire["tools"], wire["tool_choice"]) == ([function("g")], "required")
    assert asked.ledger.adapted == {"tool_choice": "only g offered, and tool_choice='required'"}
    ignored = encode_chat(call("ignore", **params))
    assert ignored["tools"] == params["tools"]
    assert "tool_choice" not in ignored


def test_choosing_a_tool_that_is_not_there_is_never_adapted() -> None:
    asked = call("ignore", tools=[function("f")], tool_choice=chosen("nope"))
    assert "tool_choice" not in encode_chat(asked)
    assert asked.ledger.dropped == ["tool_choice"]
