"""LM Studio's differences, in front of a fake of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from dragoman.core import Call, DragomanWarning, Json, UnsupportedParameter
from dragoman.lmstudio import LMStudio

if TYPE_CHECKING:
    from conftest import Caller, Fake


def tool(name: str) -> Json:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}


def named(name: str) -> Json:
    return {"type": "function", "function": {"name": name}}


def encode(policy: Any = "raise", **params: Any) -> Json:
    request = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **params}
    body = LMStudio().encode(Call("lmstudio", "m", request, on_unsupported=policy)).body
    assert body is not None
    return body


def test_address_and_token(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (LMStudio().base_url, LMStudio().api_key) == ("http://127.0.0.1:1234/v1", None)
    monkeypatch.setenv("LM_STUDIO_API_BASE", "http://studio:1234/")
    monkeypatch.setenv("LM_API_TOKEN", "lm-token")
    assert (LMStudio().base_url, LMStudio().api_key) == ("http://studio:1234/v1", "lm-token")


@pytest.mark.rule(267)
def test_json_mode_is_refused_or_becomes_a_schema(caller: Caller, fake: Fake) -> None:
    mode: Any = {"type": "json_object"}
    with pytest.raises(UnsupportedParameter, match="with a schema only"):
        caller.create(response_format=mode)
    assert fake.seen == []
    with pytest.warns(DragomanWarning, match="any object fits"):
        answer = caller.create(response_format=mode, extra_body={"dragoman": {"on_unsupported": "adapt"}})
    assert answer.choices[0].message.content == '{"a": 1}'
    assert fake.last["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert answer.choices[0].message.extra_content["dragoman"]["adapted"].keys() == {"response_format"}
    assert "response_format" not in encode("ignore", response_format=mode)


@pytest.mark.parametrize(
    "form", [{"type": "text"}, {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}]
)
def test_other_formats_pass(form: Json) -> None:
    assert encode(response_format=form)["response_format"] == form


@pytest.mark.rule(268)
def test_the_only_tool_can_be_named(caller: Caller, fake: Fake) -> None:
    chosen = caller.create(tools=[tool("look")], tool_choice=named("look")).choices[0]
    assert fake.last["tool_choice"] == "required"
    assert (chosen.finish_reason, chosen.message.content) == ("tool_calls", None)
    assert [call.function.name for call in chosen.message.tool_calls] == ["look"]


@pytest.mark.rule(268)
def test_one_tool_of_several_is_refused_or_offered_alone(caller: Caller, fake: Fake) -> None:
    tools: Any = [tool("look"), tool("go")]
    with pytest.raises(UnsupportedParameter, match="certain tools only"):
        caller.create(tools=tools, tool_choice=named("go"))
    assert fake.seen == []
    with pytest.warns(DragomanWarning, match="only go offered"):
        caller.create(tools=tools, tool_choice=named("go"), extra_body={"dragoman": {"on_unsupported": "adapt"}})
    assert (fake.last["tools"], fake.last["tool_choice"]) == ([tool("go")], "required")


@pytest.mark.rule(268)
def test_allowed_tools_are_offered_by_their_mode() -> None:
    tools = [tool("look"), tool("go")]

    def allowed(mode: str, *names: str) -> Json:
        return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [named(name) for name in names]}}

    assert encode(tools=tools, tool_choice=allowed("auto", "go", "look"))["tool_choice"] == "auto"
    with pytest.warns(DragomanWarning, match="only go offered"):
        body = encode("adapt", tools=tools, tool_choice=allowed("auto", "go"))
    assert (body["tools"], body["tool_choice"]) == ([tool("go")], "auto")


@pytest.mark.rule(268)
def test_nothing_is_offered_that_was_not_named() -> None:
    custom = {"type": "custom", "custom": {"name": "write"}}
    tools = [tool("look"), custom, {"type": "custom", "custom": {"name": "paint"}}]
    for choice in (named("nobody"), custom):
        with pytest.raises(UnsupportedParameter):
            encode(tools=tools, tool_choice=choice)
        assert "tool_choice" not in encode("ignore", tools=tools, tool_choice=choice)
    with pytest.warns(DragomanWarning, match="only write offered"):
        assert encode("adapt", tools=tools, tool_choice=custom)["tools"] == [custom]


@pytest.mark.parametrize("word", ["none", "auto", "required"])
def test_words_pass(word: str) -> None:
    assert encode(tools=[tool("look")], tool_choice=word)["tool_choice"] == word


@pytest.mark.rule(269, 270)
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_that_is_a_bare_text_is_openais(caller: Caller, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError, match="System role not supported") as caught:
        caller.create(model="gemma", messages=[{"role": "developer", "content": "Be brief."}], stream=stream)
    assert (caught.value.type, caught.value.code) == ("invalid_request_error", None)


@pytest.mark.rule(269)
def test_a_failure_of_the_server_is_no_fault_of_the_request(caller: Caller) -> None:
    with pytest.raises(openai.InternalServerError, match="Failed to load model") as caught:
        caller.create(model="huge")
    assert caught.value.type is None


@pytest.mark.rule(269)
def test_an_error_in_mid_stream_is_an_error(caller: Caller) -> None:
    with pytest.raises(openai.APIError, match="The model has crashed"):
        caller.create(model="broken", stream=True)


@pytest.mark.rule(271)
def test_thoughts_are_read_under_either_name_and_own_options_pass(caller: Caller, fake: Fake) -> None:
    answer = caller.create(extra_body={"ttl": 300})
    assert (answer.choices[0].message.content, answer.choices[0].message.reasoning_content) == ("Hello", "hm")
    assert fake.last["ttl"] == 300
    chunks = caller.create(stream=True)
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == "hm"
    assert "".join(delta.content or "" for delta in deltas) == "Hello"
    assert [bool(delta.role) for delta in deltas] == [True] + [False] * (len(deltas) - 1)


@pytest.mark.rule(272)
def test_the_model_that_answered_is_told(caller: Caller) -> None:
    answer = caller.create(model="nobody-has-this")
    assert (answer.model, answer.stats) == ("loaded-model", {})
    ChatCompletion.model_validate(answer.to_dict(), strict=True)
    chunks = caller.create(model="nobody-has-this", stream=True, stream_options={"include_usage": True})
    assert {chunk.model for chunk in chunks} == {"loaded-model"}
    assert chunks[-1].usage.total_tokens == 8
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk.to_dict(), strict=True)


@pytest.mark.rule(273)
def test_a_call_that_could_not_be_parsed_stays_text() -> None:
    text = '[TOOL_REQUEST]{"name": "look", "arguments": {oops[END_TOOL_REQUEST]'
    message = {"role": "assistant", "content": text, "tool_calls": []}
    body = {"id": "1", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    choice = LMStudio().decode(Call("lmstudio", "m", {}), body)["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": text}
    assert choice["finish_reason"] == "stop"


@pytest.mark.rule(223)
def test_the_limit_has_its_documented_name(caller: Caller, fake: Fake) -> None:
    assert caller.create(max_completion_tokens=1).choices[0].finish_reason == "length"
    assert "max_completion_tokens" not in fake.last


@pytest.mark.parametrize("param", ["logprobs", "parallel_tool_calls", "prediction", "verbosity", "reasoning_effort"])
def test_what_has_no_effect_is_refused(param: str) -> None:
    value = {"logprobs": True, "parallel_tool_calls": False}.get(param, "low")
    with pytest.raises(UnsupportedParameter, match="LM Studio"):
        encode(**{param: value})
    assert param not in encode("ignore", **{param: value})


def test_what_is_documented_passes() -> None:
    params = {"temperature": 0.5, "top_p": 0.5, "stop": ["x"], "seed": 1, "logit_bias": {"1": 1}, "presence_penalty": 1}
    assert {key: encode(**params)[key] for key in params} == params
