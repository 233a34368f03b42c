"""What is changed on the way to OpenAI, and that nothing else is."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from dragoman.core import Call, UnsupportedParameter
from dragoman.openai.request import encode_chat, encode_message

USER = {"role": "user", "content": "hi"}


def encode(model: str, *, own: bool = True, policy: Any = "raise", **params: Any) -> Any:
    messages = params.pop("messages", [USER])
    request = {"model": model, "messages": messages, **params}
    call = Call(provider="openai", model=model, request=request, on_unsupported=policy)
    before = copy.deepcopy(request)
    body = encode_chat(call, own_address=own)
    assert request == before
    return body


@pytest.mark.rule(222)
def test_a_plain_request_is_untouched_key_order_included() -> None:
    params = {"temperature": 0.2, "max_tokens": 5, "stop": ["x"], "seed": 1, "logit_bias": {"1": 2}, "unknown": [1]}
    body = encode("gpt-4o", **params)
    assert json.dumps(body) == json.dumps({"model": "gpt-4o", "messages": [USER], **params})


@pytest.mark.rule(223)
@pytest.mark.parametrize("model", ["o1", "o3-mini", "o4-mini-2025-04-16", "gpt-5", "gpt-5.4-mini", "ft:o4-mini:acme"])
def test_max_tokens_is_renamed_for_reasoning_models(model: str) -> None:
    body = encode(model, max_tokens=7)
    assert "max_tokens" not in body
    assert body["max_completion_tokens"] == 7
    for same in (7, None):
        body = encode(model, max_tokens=7, max_completion_tokens=same)
        assert (body["max_completion_tokens"], "max_tokens" in body) == (7, False)


@pytest.mark.rule(223)
def test_two_limits_follow_the_policy() -> None:
    with pytest.raises(UnsupportedParameter, match="max_tokens: max_completion_tokens is given too, and wins"):
        encode("gpt-5", max_tokens=7, max_completion_tokens=9)
    body = encode("gpt-5", policy="ignore", max_tokens=7, max_completion_tokens=9)
    assert (body["max_completion_tokens"], "max_tokens" in body) == (9, False)


@pytest.mark.rule(223)
@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4.1", "gpt-5-chat-latest", "chatgpt-4o-latest"])
def test_max_tokens_stays_for_the_others(model: str) -> None:
    assert encode(model, max_tokens=7)["max_tokens"] == 7


@pytest.mark.rule(224)
@pytest.mark.parametrize(
    ("param", "value"),
    [("temperature", 0.2), ("top_p", 0.5), ("presence_penalty", 1), ("logprobs", True), ("logit_bias", {"1": 1})],
)
def test_sampling_is_refused_where_it_always_is(param: str, value: Any) -> None:
    with pytest.raises(UnsupportedParameter, match=param) as caught:
        encode("o3", **{param: value})
    assert caught.value.param == param
    body = encode("o3", policy="ignore", **{param: value})
    assert param not in body


@pytest.mark.rule(224)
def test_sampling_at_its_default_is_no_use() -> None:
    assert encode("gpt-5", temperature=1, top_p=1, logprobs=False) == {"model": "gpt-5", "messages": [USER]}


@pytest.mark.rule(224)
def test_models_that_can_stop_reasoning_take_sampling() -> None:
    assert encode("gpt-5.4", temperature=0.2)["temperature"] == 0.2


@pytest.mark.rule(230)
def test_stop_is_refused_where_it_always_is() -> None:
    with pytest.raises(UnsupportedParameter, match="stop"):
        encode("o4-mini", stop=["x"])
    assert encode("o3-mini", stop=["x"])["stop"] == ["x"]


@pytest.mark.rule(226)
@pytest.mark.parametrize("role", ["system", "developer"])
def test_the_callers_role_is_kept(role: str) -> None:
    message = {"role": role, "content": "be brief"}
    assert encode("gpt-5", messages=[message, USER])["messages"] == [message, USER]


@pytest.mark.rule(227)
def test_other_providers_keys_are_taken_out_of_history() -> None:
    message = {
        "role": "assistant",
        "content": "yes",
        "reasoning_content": "hm",
        "thinking_blocks": [{}],
        "extra_content": {"anthropic": {"visible": "…"}},
        "audio": None,
        "function_call": None,
        "refusal": None,
        "annotations": [],
    }
    kept = {"role": "assistant", "content": "yes", "refusal": None, "annotations": []}
    assert encode_message(message, own_address=True) == kept


@pytest.mark.rule(227)
def test_a_compatible_server_keeps_what_may_be_its_own() -> None:
    google = {"thought_signature": "s"}
    extra = {"google": google, "anthropic": {"visible": "d", "blocks": []}, "dragoman": {"dropped": ["n"]}}
    message = {"role": "assistant", "content": "yes", "reasoning_content": "hm", "extra_content": extra}
    kept = {**message, "extra_content": {"google": google}}
    assert encode_message(message, own_address=False) == kept
    only_ours = {"role": "assistant", "content": "yes", "extra_content": {"dragoman": {}}}
    assert encode_message(only_ours, own_address=False) == {"role": "assistant", "content": "yes"}


@pytest.mark.rule(228)
def test_an_assistant_without_anything_says_nothing() -> None:
    assert encode_message({"role": "assistant", "content": None}, own_address=True)["content"] == ""
    called = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
    assert encode_message(called, own_address=True) == called


@pytest.mark.rule(227)
def test_what_peers_keep_in_a_tool_call_goes_where_it_may_be_owned() -> None:
    """Gemini's endpoint wants its signature back, OpenAI's own refuses the key."""
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    signed = {**call, "extra_content": {"google": {"thought_signature": "s"}}}
    history = [USER, {"role": "assistant", "content": None, "tool_calls": [signed]}]
    assert encode("gpt-4o", messages=history)["messages"][1]["tool_calls"] == [call]
    assert encode("gemini-3", own=False, messages=history)["messages"][1]["tool_calls"] == [signed]
