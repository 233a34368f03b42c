"""The table of parameters."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsBase,
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)

from dragoman.anthropic.models import facts_of
from dragoman.anthropic.request import COUNTED, PARAMETERS, encode_count_tokens, encode_request
from dragoman.core import DragomanWarning, InvalidRequest, Json, UnsupportedParameter

OBJECT = {"type": "object", "properties": {}, "additionalProperties": False}
FORMAT = {"type": "json_schema", "json_schema": {"name": "x", "schema": OBJECT}}
TOOL = {"type": "function", "function": {"name": "f"}}


@pytest.mark.rule(114)
def test_the_table_has_every_parameter_that_the_sdk_has() -> None:
    kinds = (CompletionCreateParamsBase, CompletionCreateParamsNonStreaming, CompletionCreateParamsStreaming)
    assert set(PARAMETERS) >= {name for kind in kinds for name in kind.__annotations__}
    assert set(COUNTED) < set(PARAMETERS)


@pytest.mark.rule(84, 126)
def test_the_least_request(encode: Any) -> None:
    sent = encode("claude-opus-4-1-20250805")
    assert sent.body == {
        "model": "claude-opus-4-1-20250805",
        "max_tokens": 32000,
        "messages": [{"role": "user", "content": "Hello"}],
    }
    assert sent.headers == {}
    assert sent.call.ledger.report() == {}


@pytest.mark.rule(102)
def test_null_is_absent(encode: Any) -> None:
    nulls = dict.fromkeys(set(PARAMETERS) - {"model", "messages"})
    assert encode(**nulls).body == encode().body


@pytest.mark.rule(84)
@pytest.mark.parametrize(
    ("model", "given", "sent_limit"),
    [
        ("claude-opus-5", {}, 128000),
        ("claude-opus-5", {"stream": True}, 128000),
        ("claude-3-haiku-20240307", {}, 4096),
        ("demo", {}, 8192),
        ("claude-opus-5", {"max_tokens": 5}, 5),
        ("claude-opus-5", {"max_completion_tokens": 6}, 6),
        ("claude-opus-5", {"max_completion_tokens": 6, "max_tokens": 6}, 6),
        ("demo", {"max_tokens": 10**6}, 10**6),
    ],
)
def test_the_limit(encode: Any, model: str, given: Json, sent_limit: int) -> None:
    assert encode(model, **given).body["max_tokens"] == sent_limit


@pytest.mark.rule(84)
def test_two_limits_that_differ(encode: Any) -> None:
    both = {"max_completion_tokens": 6, "max_tokens": 7}
    with pytest.raises(UnsupportedParameter) as caught:
        encode(**both)
    assert caught.value.param == "max_tokens"
    assert caught.value.reason == "max_completion_tokens is given too, and wins"
    assert encode(policy="ignore", **both).body["max_tokens"] == 6


@pytest.mark.rule(85)
@pytest.mark.parametrize("param", ["max_tokens", "max_completion_tokens"])
def test_a_limit_above_the_models(encode: Any, param: str) -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        encode(**{param: 64001})
    assert (caught.value.param, caught.value.reason) == (param, "this model writes at most 64000 tokens")
    with pytest.warns(DragomanWarning, match="clamped to 64000"):
        sent = encode(policy="adapt", **{param: 64001})
    assert sent.body["max_tokens"] == 64000
    assert sent.call.ledger.adapted == {param: "clamped to 64000"}


@pytest.mark.parametrize("value", ["10", 1.5, True])
def test_a_limit_is_a_whole_number(encode: Any, value: Any) -> None:
    with pytest.raises(InvalidRequest, match="max_tokens is"):
        encode(max_tokens=value)


@pytest.mark.parametrize("model", ["", None, 3])
def test_a_model_is_needed(encode: Any, model: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"^model is missing\. Name one of the provider's models\.$"):
        encode(model)


def test_other_facts_can_be_given(encode: Any) -> None:
    sent = encode("claude-opus-5-5", facts_for=lambda model: facts_of(model, {"max_output": 9}))
    assert sent.body["max_tokens"] == 9


@pytest.mark.rule(111)
@pytest.mark.parametrize(("stream", "sent_stream"), [(True, True), (False, None), (None, None)])
def test_stream(encode: Any, stream: Any, sent_stream: Any) -> None:
    options = {"include_usage": True, "include_obfuscation": False}
    body = encode(stream=stream, stream_options=options).body
    assert body.get("stream") is sent_stream
    assert "stream_options" not in body


@pytest.mark.rule(92)
@pytest.mark.parametrize(("stop", "sequences"), [("END", ["END"]), (["a", " b"], ["a", " b"]), ([], None)])
def test_stop(encode: Any, stop: Any, sequences: Any) -> None:
    assert encode(stop=stop).body.get("stop_sequences") == sequences


@pytest.mark.rule(92)
@pytest.mark.parametrize(("stop", "sequences"), [("\n", None), (["a", "\n\n", ""], ["a"])])
def test_stops_of_white_space(encode: Any, stop: Any, sequences: Any) -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        encode(stop=stop)
    assert (caught.value.param, caught.value.reason) == ("stop", "stop sequences of white space only are refused")
    with pytest.warns(DragomanWarning):
        sent = encode(policy="adapt", stop=stop)
    assert sent.call.ledger.adapted == {"stop": "sequences of white space only were left out"}
    assert sent.body.get("stop_sequences") == sequences


@pytest.mark.parametrize("stop", [3, ["a", None]])
def test_stops_are_text(encode: Any, stop: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"^stop is neither a string nor a list of strings\. Send one of them\.$"):
        encode(stop=stop)


@pytest.mark.rule(93, 94)
@pytest.mark.parametrize(
    ("param", "used", "unused"),
    [
        ("n", 2, 1),
        ("logprobs", True, False),
        ("top_logprobs", 2, 0),
        ("logit_bias", {"1": 5}, {}),
        ("seed", 0, None),
        ("presence_penalty", 0.5, 0),
        ("frequency_penalty", -0.5, 0.0),
        ("prediction", {"type": "content", "content": "x"}, None),
        ("audio", {"voice": "alloy", "format": "wav"}, None),
        ("modalities", ["text", "audio"], ["text"]),
        ("moderation", {"model": "m"}, None),
        ("verbosity", "low", "medium"),
    ],
)
def test_parameters_without_an_equivalent(encode: Any, param: str, used: Any, unused: Any) -> None:
    plain = encode().body
    with pytest.raises(UnsupportedParameter) as caught:
        encode(**{param: used})
    assert caught.value.param == param
    assert isinstance(caught.value.reason, str)
    for policy in ("warn", "adapt"):
        with pytest.warns(DragomanWarning, match=param):
            sent = encode(policy=policy, **{param: used})
        assert sent.body == plain
        assert sent.call.ledger.report() == {"dropped": [param]}
    sent = encode(**{param: unused})
    assert sent.body == plain
    assert sent.call.ledger.report() == {}


@pytest.mark.rule(96, 97)
@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("metadata", {"user_id": "u", "k": "v"}),
        ("store", True),
        ("prompt_cache_key", "k"),
        ("prompt_cache_retention", "24h"),
        ("prompt_cache_options", {"mode": "implicit"}),
    ],
)
def test_hints_are_left_out(encode: Any, caplog: pytest.LogCaptureFixture, param: str, value: Any) -> None:
    with caplog.at_level("DEBUG", "dragoman"):
        assert encode(**{param: value}).body == encode().body
    assert param in caplog.text


@pytest.mark.rule(95)
@pytest.mark.parametrize(
    "given", [{"user": "u-1"}, {"safety_identifier": "u-1"}, {"safety_identifier": "u-1", "user": "x@y.test"}]
)
def test_who_asks(encode: Any, given: Json) -> None:
    sent = encode(metadata={"k": "v"}, **given)
    assert sent.body["metadata"] == {"user_id": "u-1"}


@pytest.mark.rule(95)
def test_the_longest_name_of_who_asks(encode: Any) -> None:
    assert encode(user="x" * 256).body["metadata"] == {"user_id": "x" * 256}


@pytest.mark.rule(95)
@pytest.mark.parametrize("value", ["ada@example.org", "+41 44 123 45 67", "(044) 123-4567", "x" * 257])
@pytest.mark.parametrize("param", ["user", "safety_identifier"])
def test_who_asks_must_stay_unknown(encode: Any, param: str, value: str) -> None:
    with pytest.warns(DragomanWarning, match=f"{param} was left out") as caught:
        sent = encode(**{param: value})
    assert "metadata" not in sent.body
    assert sent.call.ledger.dropped == [param]
    assert value not in str(caught[0].message)


def test_who_asks_is_text(encode: Any) -> None:
    with pytest.raises(InvalidRequest, match="user is a int"):
        encode(user=3)


@pytest.mark.rule(98)
@pytest.mark.parametrize(
    ("tier", "sent_tier"), [("auto", "auto"), ("default", "standard_only"), ("standard_only", "standard_only")]
)
def test_service_tiers(encode: Any, tier: str, sent_tier: str) -> None:
    body = encode(service_tier=tier).body
    assert body["service_tier"] == sent_tier
    assert "speed" not in body


@pytest.mark.rule(98)
@pytest.mark.parametrize(("tier", "adapted"), [("flex", None), ("scale", None), ("fast", None), ("priority", "auto")])
@pytest.mark.filterwarnings("ignore::dragoman.core.DragomanWarning")
def test_other_service_tiers(encode: Any, tier: str, adapted: Any) -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        encode(service_tier=tier)
    assert (caught.value.param, caught.value.reason) == ("service_tier", f"there is no tier {tier!r}")
    sent = encode(policy="adapt", service_tier=tier)
    body = sent.body
    nearest = {"service_tier": '"auto", which uses priority capacity where the account has it'}
    assert sent.call.ledger.adapted == (nearest if adapted else {})
    assert body.get("service_tier") == adapted
    assert "speed" not in body
    assert "service_tier" not in encode(policy="warn", service_tier=tier).body


@pytest.mark.rule(112)
def test_keys_that_are_not_openais_go_untouched_and_win(encode: Any) -> None:
    own = {
        "thinking": {"type": "disabled"},
        "container": "c",
        "mcp_servers": [{"type": "url", "name": "x", "url": "https://x.test"}],
        "inference_geo": "us",
        "top_k": 5,
        "system": [
            {"type": "text", "text": f"{number}", "cache_control": {"type": "ephemeral"}} for number in range(6)
        ],
        "made_up": None,
    }
    messages = [{"role": "system", "content": "gone"}, {"role": "user", "content": "q"}]
    sent = encode("claude-opus-4-8", messages=messages, reasoning_effort="low", **own)
    assert {key: sent.body[key] for key in own} == own


@pytest.mark.rule(112)
def test_the_callers_extra_body_is_looked_at_and_left_to_core(make_call: Any, encode: Any) -> None:
    call = make_call()
    call.extra_body["container"] = "c"
    call.extra_headers = {"anthropic-beta": "x"}
    wire = encode_request(call)
    assert (wire.body, wire.headers) == (encode().body, {})
    call.extra_body["top_k"] = 5
    wire = encode_request(call)
    assert (wire.body, wire.headers) == (encode().body, {"anthropic-version": "2023-06-01"})


@pytest.mark.rule(88, 112)
def test_thinking_in_extra_body_is_thinking(make_call: Any) -> None:
    call = make_call(temperature=0.3)
    call.extra_body["thinking"] = {"type": "enabled", "budget_tokens": 1024}
    with pytest.raises(UnsupportedParameter, match="temperature"):
        encode_request(call)


@pytest.mark.rule(112, 123)
def test_automatic_caching_in_extra_body_is_one_of_the_four(make_call: Any) -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    parts = [{"type": "text", "text": text, **mark} for text in "abcd"]
    call = make_call(messages=[{"role": "user", "content": parts}])
    call.extra_body.update(mark)
    body = encode_request(call).body
    assert body is not None
    assert ["cache_control" in part for part in body["messages"][0]["content"]] == [False, True, True, True]


def count(call: Any) -> Any:
    wire = encode_count_tokens(call)
    assert wire.path == "/v1/messages/count_tokens"
    assert wire.headers == {}
    return wire.body


PROMPT: Json = {
    "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}],
    "tools": [TOOL],
    "tool_choice": "auto",
    "reasoning_effort": "low",
    "response_format": FORMAT,
}
NO_PROMPT: Json = {
    "max_tokens": 9000,
    "stream": True,
    "user": "u",
    "temperature": 0.1,
    "stop": "x",
    "n": 2,
    "top_k": 4,
}


@pytest.mark.rule(170)
def test_counting_takes_the_prompt_only(make_call: Any, encode: Any) -> None:
    body = count(make_call("claude-opus-4-8", **PROMPT, **NO_PROMPT, context_management={}))
    full = encode("claude-opus-4-8", **PROMPT).body
    assert body == {key: full[key] for key in full if key != "max_tokens"} | {"context_management": {}}


@pytest.mark.rule(170)
def test_what_is_counted_is_the_vendors(make_call: Any, schema_of: Any) -> None:
    body = count(make_call("claude-opus-4-8", **PROMPT, **NO_PROMPT))
    schema_of("MessageCountTokensParams").validate(body)


@pytest.mark.rule(170)
def test_counting_asks_the_models_facts_too(make_call: Any) -> None:
    call = make_call("claude-opus-4-8", messages=PROMPT["messages"], response_format=FORMAT)
    with pytest.raises(UnsupportedParameter, match="no structured outputs"):
        encode_count_tokens(call, lambda model: facts_of(model, {"structured_output": False}))


@pytest.mark.rule(170, 79)
def test_server_tools_are_not_counted(make_call: Any) -> None:
    native = {"type": "memory_20250818", "name": "memory"}
    search: Json = {"tools": [TOOL, native], "web_search_options": {}}
    with pytest.raises(UnsupportedParameter) as caught:
        count(make_call(**search))
    assert (caught.value.param, caught.value.reason) == ("tools", "server tools cannot be counted")
    call = make_call(policy="adapt", **search)
    with pytest.warns(DragomanWarning):
        body = count(call)
    assert call.ledger.adapted == {"tools": "they were left out of the count"}
    assert [tool["name"] for tool in body["tools"]] == ["f", "memory"]
    body = count(make_call(policy="ignore", web_search_options={}, tool_choice="auto"))
    assert list(body) == ["model", "messages"]


USED: Json = {
    "model": "claude-opus-4-8",
    "messages": [{"role": "user", "content": "Something else"}],
    "stream": True,
    "max_completion_tokens": 5000,
    "max_tokens": 5000,
    "reasoning_effort": "high",
    "tools": [TOOL],
    "functions": [{"name": "g"}],
    "web_search_options": {},
    "tool_choice": "required",
    "function_call": {"name": "f"},
    "parallel_tool_calls": False,
    "response_format": FORMAT,
    "temperature": 0.5,
    "top_p": 0.5,
    "stop": "x",
    "safety_identifier": "s",
    "user": "u",
    "service_tier": "default",
    "audio": {"voice": "alloy", "format": "wav"},
    "frequency_penalty": 1,
    "logit_bias": {"1": 1},
    "logprobs": True,
    "modalities": ["text", "audio"],
    "moderation": {"model": "m"},
    "n": 2,
    "prediction": {"type": "content", "content": "x"},
    "presence_penalty": 1,
    "seed": 1,
    "top_logprobs": 1,
    "verbosity": "high",
    "metadata": {"a": "b"},
    "prompt_cache_key": "k",
    "prompt_cache_options": {"mode": "explicit"},
    "prompt_cache_retention": "24h",
    "store": True,
    "stream_options": {"include_usage": True},
}


def test_the_example_of_every_parameter() -> None:
    assert set(USED) == set(PARAMETERS)


@pytest.mark.parametrize("policy", ["raise", "warn", "ignore", "adapt"])
@pytest.mark.parametrize("model", ["claude-fable-5-1", "claude-sonnet-4-5", "claude-3-haiku-20240307", "demo"])
@pytest.mark.parametrize("param", USED)
@pytest.mark.filterwarnings("ignore::dragoman.core.DragomanWarning")
def test_nothing_is_lost_in_silence(
    encode: Any, caplog: pytest.LogCaptureFixture, model: str, param: str, policy: str
) -> None:
    # Choices among tools mean something only where there are tools.
    base: Json = {"tools": [TOOL]} if param in {"tool_choice", "function_call", "parallel_tool_calls"} else {}
    plain = encode(model, policy="ignore", **base).body
    caplog.set_level("DEBUG", "dragoman")
    settings = {"model": model, "policy": policy, **base, param: USED[param]}
    if policy == "raise" and encode(**{**settings, "policy": "ignore"}).call.ledger.report():
        with pytest.raises(UnsupportedParameter) as caught:
            encode(**settings)
        assert caught.value.param.startswith(param)
        return
    sent = encode(**settings)
    ledger = sent.call.ledger
    accounted = [name for name in (*ledger.dropped, *ledger.adapted) if name.startswith(param)]
    assert sent.body != plain or accounted or f"has no use for {param}" in caplog.text
    assert accounted == [] or policy != "raise"
    left_out = sent.body == plain
    assert (f"has no use for {param}" in caplog.text) <= left_out
