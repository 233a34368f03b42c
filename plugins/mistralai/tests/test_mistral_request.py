"""The parameters of a chat request, one by one, and whether the SDK's own types take what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from mistralai.client import models

from dragoman.core import Call, InvalidRequest, Json, UnsupportedParameter
from dragoman.mistralai import Mistral

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}
LOOK = {"type": "function", "function": {"name": "look", "description": "Look.", "parameters": SCHEMA, "strict": True}}
BARE = {"type": "function", "function": {"name": "bare"}}
CUSTOM = {"type": "custom", "custom": {"name": "free"}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA, "strict": True}}


@pytest.mark.rule(182, 184, 185, 187, 188, 191)
@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("temperature", 1.5),
        ("temperature", 0),
        ("top_p", 0.4),
        ("max_tokens", 5),
        ("n", 2),
        ("stop", "END"),
        ("stop", ["END"]),
        ("frequency_penalty", 0.5),
        ("presence_penalty", 0.5),
        ("logprobs", True),
        ("top_logprobs", 3),
        ("metadata", {"team": "a"}),
        ("parallel_tool_calls", False),
        ("prompt_cache_key", "k"),
        ("prediction", {"type": "content", "content": "x"}),
        ("reasoning_effort", "high"),
        ("reasoning_effort", "none"),
        ("response_format", {"type": "json_object"}),
        ("response_format", FORMAT),
        ("tools", [LOOK]),
        ("tool_choice", "auto"),
        ("tool_choice", "any"),
        ("tool_choice", "none"),
        ("tool_choice", "required"),
        ("tool_choice", {"type": "function", "function": {"name": "look"}}),
        ("stream", True),
        ("safe_prompt", True),
    ],
)
def test_sent_as_it_is(encode: Callable[..., Json], param: str, value: Any) -> None:
    assert encode(**{param: value})[param] == value


@pytest.mark.rule(182, 186, 188)
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"max_completion_tokens": 5}, {"max_tokens": 5}),
        ({"seed": 7}, {"random_seed": 7}),
        ({"service_tier": "auto"}, {"service_tier": "auto"}),
        ({"service_tier": "default"}, {"service_tier": "standard_only"}),
        ({"service_tier": "standard_only"}, {"service_tier": "standard_only"}),
        (
            {
                "prediction": {
                    "type": "content",
                    "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
                }
            },
            {"prediction": {"type": "content", "content": "ab"}},
        ),
        (
            {"tools": [BARE]},
            {
                "tools": [
                    {
                        "type": "function",
                        "function": {"name": "bare", "parameters": {"type": "object", "properties": {}}},
                    }
                ]
            },
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": None, "strict": None}}]},
            {
                "tools": [
                    {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
                ]
            },
        ),
        ({"tools": [{"type": "image_generation"}]}, {"tools": [{"type": "image_generation"}]}),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "a", "schema": SCHEMA, "strict": None},
                }
            },
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}},
        ),
        ({"temperature": None, "tools": None, "tool_choice": None}, {}),
        ({"tools": []}, {}),
    ],
)
def test_said_in_mistrals_words(encode: Callable[..., Json], given: Json, expected: Json) -> None:
    body = encode(**given)
    assert {key: value for key, value in body.items() if key not in {"model", "messages"}} == expected


@pytest.mark.rule(185)
@pytest.mark.parametrize("mode", ["auto", "required"])
def test_allowed_tools_are_the_only_ones_sent(encode: Callable[..., Json], mode: str) -> None:
    allowed = {"mode": mode, "tools": [{"type": "function", "function": {"name": "look"}}]}
    body = encode(tools=[LOOK, BARE], tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
    assert body["tools"] == [LOOK]
    assert body["tool_choice"] == mode


@pytest.mark.rule(185)
def test_the_flat_form_of_a_choice(encode: Callable[..., Json]) -> None:
    flat = {"type": "function", "name": "look"}
    allowing = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [flat]}}
    assert encode(tools=[LOOK, BARE], tool_choice=allowing)["tools"] == [LOOK]
    named = encode(tools=[LOOK, BARE], tool_choice=flat)
    assert named["tool_choice"] == {"type": "function", "function": {"name": "look"}}


@pytest.mark.rule(185)
@pytest.mark.parametrize("policy", ["raise", "adapt", "ignore"])
@pytest.mark.parametrize("names", [[], ["smell"], ["look", "smell"]])
def test_allowed_tools_that_are_not_there(encode: Callable[..., Json], policy: str, names: list[str]) -> None:
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": name}} for name in names]}
    with pytest.raises(InvalidRequest, match="allowed_tools"):
        encode(policy=policy, tools=[LOOK], tool_choice={"type": "allowed_tools", "allowed_tools": allowed})


def test_without_tools_there_is_no_choice(encode: Callable[..., Json]) -> None:
    allowed = {"mode": "required", "tools": [CUSTOM]}
    for choice in ("required", "auto", "none", {"type": "allowed_tools", "allowed_tools": allowed}):
        body = encode(policy="ignore", tools=[CUSTOM], tool_choice=choice, parallel_tool_calls=False)
        assert not body.keys() & {"tools", "tool_choice", "parallel_tool_calls"}


@pytest.mark.rule(182)
@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("audio", {"voice": "alloy", "format": "wav"}),
        ("function_call", "auto"),
        ("functions", [LOOK["function"]]),
        ("logit_bias", {"5": -100}),
        ("modalities", ["text", "audio"]),
        ("moderation", {"model": "x"}),
        ("service_tier", "flex"),
        ("service_tier", "priority"),
        ("tool_choice", {"type": "custom", "custom": {"name": "free"}}),
        ("tools", [CUSTOM]),
        ("verbosity", "low"),
        ("web_search_options", {}),
    ],
)
def test_what_mistral_has_not_is_the_policys_business(make_call: Callable[..., Call], param: str, value: Any) -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        Mistral().encode(make_call(**{param: value}))
    assert caught.value.param == param
    call = make_call(policy="ignore", **{param: value})
    body = Mistral().encode(call).body
    assert body is not None
    assert not body.get(param)
    assert call.ledger.dropped == [param]


@pytest.mark.rule(182)
@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("stream_options", {"include_usage": True}),
        ("user", "u"),
        ("safety_identifier", "u"),
        ("store", True),
        ("prompt_cache_retention", "24h"),
        ("prompt_cache_options", {"mode": "explicit"}),
        ("verbosity", "medium"),
        ("modalities", ["text"]),
        ("logit_bias", {}),
    ],
)
def test_hints_and_defaults_are_left_out_in_silence(make_call: Callable[..., Call], param: str, value: Any) -> None:
    call = make_call(**{param: value})
    body = Mistral().encode(call).body
    assert body is not None
    assert param not in body
    assert call.ledger.report() == {}


def has_unknown(value: Any) -> bool:
    if isinstance(value, dict):
        return "is_unknown" in value or any(map(has_unknown, value.values()))
    return isinstance(value, list) and any(map(has_unknown, value))


@pytest.mark.rule(186, 187, 188, 189, 190)
def test_the_sdks_own_types_take_the_wire(encode: Callable[..., Json]) -> None:
    parts = [
        {"type": "text", "text": "a"},
        {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}},
        {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_id": "00000000-0000-0000-0000-000000000000"}},
    ]
    calls = [{"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
    body = encode(
        {"role": "developer", "content": "D"},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "seen"}]},
        tools=[LOOK, BARE],
        tool_choice={"type": "function", "function": {"name": "look"}},
        response_format=FORMAT,
        max_completion_tokens=5,
        seed=1,
        stop=["x"],
        n=2,
    )
    read = models.ChatCompletionRequest.model_validate(body).model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert not has_unknown(read)
    assert read["messages"][1]["content"] == body["messages"][1]["content"]
    assert read["messages"][2]["tool_calls"][0]["id"] == body["messages"][2]["tool_calls"][0]["id"]
    assert read["tools"] == body["tools"]
    assert {key: read[key] for key in ("max_tokens", "random_seed", "stop", "n")} == {
        "max_tokens": 5,
        "random_seed": 1,
        "stop": ["x"],
        "n": 2,
    }
