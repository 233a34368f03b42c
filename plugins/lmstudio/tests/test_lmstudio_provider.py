"""What the tapes do not show: addresses, and more values of the parameters."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.core import Call, Client, DragomanWarning, Json, UnsupportedParameter
from dragoman.lmstudio import LMStudio
from dragoman.testing import FakeVendor, Scripted


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


def test_the_usual_address_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Yes"}, "finish_reason": "stop"}
    with FakeVendor(Scripted.json({"id": "c", "choices": [choice]})) as vendor, Client() as client:
        monkeypatch.setattr(LMStudio, "base_url", vendor.url)
        client.chat.completions.create(model="lmstudio/m", messages=[{"role": "user", "content": "Hi"}])
    assert "authorization" not in vendor.seen[0].fields


@pytest.mark.parametrize(
    "form", [{"type": "text"}, {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}]
)
def test_other_formats_pass(form: Json) -> None:
    assert encode(response_format=form)["response_format"] == form


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


@pytest.mark.parametrize("param", ["logprobs", "parallel_tool_calls", "prediction", "verbosity", "reasoning_effort"])
def test_what_has_no_effect_is_refused(param: str) -> None:
    value = {"logprobs": True, "parallel_tool_calls": False}.get(param, "low")
    with pytest.raises(UnsupportedParameter, match="LM Studio"):
        encode(**{param: value})
    assert param not in encode("ignore", **{param: value})


def test_what_is_documented_passes() -> None:
    params = {"temperature": 0.5, "top_p": 0.5, "stop": ["x"], "seed": 1, "logit_bias": {"1": 1}, "presence_penalty": 1}
    assert {key: encode(**params)[key] for key in params} == params
