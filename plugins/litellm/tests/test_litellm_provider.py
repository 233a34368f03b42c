"""What the tapes do not show: addresses, counts that are there, headers."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.core import Call, Client
from dragoman.litellm import LiteLLM
from dragoman.testing import FakeVendor, Scripted

ASK: Any = {"role": "user", "content": "Hi"}


def test_address_and_key(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (LiteLLM().base_url, LiteLLM().api_key) == ("http://127.0.0.1:4000/v1", None)
    monkeypatch.setenv("LITELLM_API_BASE", "https://proxy.test/v1/")
    monkeypatch.setenv("LITELLM_API_KEY", "sk-proxy")
    assert (LiteLLM().base_url, LiteLLM().api_key) == ("https://proxy.test/v1", "sk-proxy")


def test_the_usual_address_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Yes"}, "finish_reason": "stop"}
    with FakeVendor(Scripted.json({"id": "c", "choices": [choice]})) as vendor, Client() as client:
        monkeypatch.setattr(LiteLLM, "base_url", vendor.url)
        client.chat.completions.create(model="litellm/m", messages=[{"role": "user", "content": "Hi"}])
    assert "authorization" not in vendor.seen[0].fields


def test_counts_that_are_there_stay() -> None:
    details = {"cached_tokens": 3, "audio_tokens": 1}
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": details, "cache_read_input_tokens": 5}
    assert LiteLLM().decode_usage(usage)["prompt_tokens_details"] == details
    assert "prompt_tokens_details" not in LiteLLM().decode_usage({"prompt_tokens": 9, "completion_tokens": 1})


@pytest.mark.rule(276)
def test_the_proxys_headers_are_told() -> None:
    headers = {"x-litellm-model-id": "deployment-1", "x-litellm-response-cost": "0.0012"}
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    with (
        FakeVendor(Scripted.json({"id": "c", "choices": [choice]}, headers=headers)) as vendor,
        Client(providers=[LiteLLM(base_url=vendor.url)]) as client,
    ):
        raw = client.chat.completions.with_raw_response.create(model="litellm/m", messages=[ASK])
    assert {name: raw.headers[name] for name in headers} == headers


@pytest.mark.rule(17)
def test_a_stream_that_was_cut_gets_no_end() -> None:
    decoder = LiteLLM().decode_stream(Call("litellm", "m", {}))
    assert decoder is not None
    assert list(decoder.finish()) == []


@pytest.mark.rule(227, 279)
def test_what_the_proxy_says_of_a_call_goes_back_to_it() -> None:
    """Gemini's signature of a call is one of the proxy's fields there."""
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    signed = {**call, "provider_specific_fields": {"thought_signature": "s"}}
    foreign = {**call, "id": "2", "extra_content": {"google": {"thought_signature": "s"}}}
    server: Any = {**call, "id": "srvtoolu_1"}
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [signed, foreign],
        "provider_specific_fields": {"server_tool_calls": [server]},
    }
    body = LiteLLM().encode(Call("litellm", "m", {"messages": [message]})).body
    assert body is not None
    assert body["messages"][0]["tool_calls"] == [server, signed, {**call, "id": "2"}]
