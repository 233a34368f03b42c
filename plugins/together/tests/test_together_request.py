"""Parameters of a chat request, on the wire."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core import Call, DragomanWarning, InvalidRequest, Json, UnsupportedParameter
from dragoman.together import Together
from dragoman.together.request import ABSENT, fit_stop

if TYPE_CHECKING:
    from collections.abc import Callable

HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def encode(make_call: Callable[..., Call]) -> Callable[..., Json]:
    """Encode a request and see that it was left as it is."""

    def run(policy: Any = "raise", **request: Any) -> Json:
        call = make_call(policy, **request)
        before = copy.deepcopy(call.request)
        wire = Together(api_key="k").encode(call)
        assert call.request == before
        assert wire.body is not None
        return wire.body

    return run


def tool(name: str) -> Json:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}, "strict": True}}


@pytest.mark.rule(206, 211, 214, 222)
def test_what_together_knows_is_sent_as_it_is(encode: Callable[..., Json]) -> None:
    params = {
        "frequency_penalty": 0.5,
        "logit_bias": {"5": -100},
        "max_tokens": 10,
        "n": 2,
        "parallel_tool_calls": False,
        "presence_penalty": 0.1,
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
        "seed": 7,
        "stop": ["END"],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 1.7,
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "tools": [tool("look")],
        "top_p": 0.4,
        "user": "u-1",
    }
    assert encode(**params) == {"model": "openai/gpt-oss-20b", **params, "messages": HELLO}


@pytest.mark.rule(207)
def test_the_limit_has_its_old_name_and_none_is_invented(encode: Callable[..., Json]) -> None:
    assert encode(max_completion_tokens=12)["max_tokens"] == 12
    assert "max_completion_tokens" not in encode(max_completion_tokens=12)
    assert encode() == {"model": "openai/gpt-oss-20b", "messages": HELLO}


@pytest.mark.rule(220)
def test_a_prompt_is_never_cut_by_default(encode: Callable[..., Json]) -> None:
    assert "context_length_exceeded_behavior" not in encode(max_tokens=10**6)


@pytest.mark.rule(208)
@pytest.mark.parametrize(("given", "sent"), [("END", ["END"]), (["a", "b"], ["a", "b"]), ([], [])])
def test_stop_is_a_list(given: Any, sent: list[str]) -> None:
    body = {"stop": given}
    fit_stop(body)
    assert body == {"stop": sent}


@pytest.mark.rule(212)
def test_efforts_that_together_has(encode: Callable[..., Json]) -> None:
    for effort in ("low", "medium", "high"):
        body = encode(reasoning_effort=effort)
        assert body["reasoning_effort"] == effort
        assert "reasoning" not in body
    body = encode(reasoning_effort="none")
    assert body["reasoning"] == {"enabled": False}
    assert "reasoning_effort" not in body


@pytest.mark.rule(212)
@pytest.mark.parametrize(("asked", "nearest"), [("minimal", "low"), ("xhigh", "high"), ("max", "high")])
def test_other_efforts_are_refused_or_adapted(encode: Callable[..., Json], asked: str, nearest: str) -> None:
    with pytest.raises(UnsupportedParameter, match="reasoning_effort") as caught:
        encode(reasoning_effort=asked)
    assert caught.value.param == "reasoning_effort"
    with pytest.warns(DragomanWarning, match=f"{nearest} instead of {asked}"):
        assert encode("adapt", reasoning_effort=asked)["reasoning_effort"] == nearest
    assert "reasoning_effort" not in encode("ignore", reasoning_effort=asked)


@pytest.mark.rule(212)
def test_an_effort_nobody_knows_has_no_nearest_one(encode: Callable[..., Json]) -> None:
    with pytest.warns(DragomanWarning, match="left out"):
        assert "reasoning_effort" not in encode("adapt", reasoning_effort="heroic")


@pytest.mark.parametrize("param", sorted(ABSENT))
def test_what_together_does_not_know_is_never_sent(encode: Callable[..., Json], param: str) -> None:
    value = {"something": "set"} if param != "service_tier" else "flex"
    assert param not in encode("ignore", **{param: value})
    assert param not in encode(**{param: None})


@pytest.mark.parametrize("param", ["audio", "modalities", "prediction", "service_tier", "verbosity"])
def test_what_would_change_the_answer_is_refused(encode: Callable[..., Json], param: str) -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        encode(**{param: "other"})
    assert (caught.value.param, caught.value.reason) == (param, ABSENT[param])


@pytest.mark.parametrize("param", ["metadata", "prompt_cache_key", "safety_identifier", "store"])
def test_hints_are_left_out_without_a_word(encode: Callable[..., Json], param: str) -> None:
    assert encode(**{param: "x"}) == {"model": "openai/gpt-oss-20b", "messages": HELLO}


@pytest.mark.rule(211)
@pytest.mark.parametrize("choice", ["auto", "none", "required"])
def test_tool_choice_is_the_models_to_honour(encode: Callable[..., Json], choice: str) -> None:
    assert encode(tools=[tool("look")], tool_choice=choice)["tool_choice"] == choice


@pytest.mark.rule(211)
@pytest.mark.parametrize(
    "named", [{"type": "function", "function": {"name": "read"}}, {"type": "function", "name": "read"}]
)
def test_allowed_tools_are_the_only_ones_sent(encode: Callable[..., Json], named: Json) -> None:
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [named]}}
    body = encode(tools=[tool("look"), tool("read")], tool_choice=choice)
    assert body["tools"] == [tool("read")]
    assert body["tool_choice"] == "required"
    with pytest.raises(InvalidRequest, match="allowed_tools"):
        encode(tools=[tool("look")], tool_choice=choice)


def test_the_first_tool_interface_is_refused_by_name(encode: Callable[..., Json]) -> None:
    functions = [{"name": "look", "parameters": {}}]
    with pytest.raises(UnsupportedParameter, match="use tools") as caught:
        encode(functions=functions)
    assert caught.value.param == "functions"
    with pytest.raises(UnsupportedParameter) as caught:
        encode(functions=functions, function_call="auto")
    assert caught.value.param == "function_call"
    assert encode("ignore", functions=functions, function_call="auto") == encode()
    assert encode(tools=[tool("look")], function_call="auto")["function_call"] == "auto"
