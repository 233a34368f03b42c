"""What the tapes do not show: addresses, models' names, headers, other endpoints."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest

from dragoman.core import AsyncClient, Call, Client, Json
from dragoman.huggingface import HuggingFace
from dragoman.testing import FakeVendor, Scripted

ASK: Any = [{"role": "user", "content": "Hi"}]
SAID = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]}


def answered(body: Json) -> FakeVendor:
    return FakeVendor(Scripted(json.dumps(body).encode(), headers={"content-type": "application/json"}))


def test_address_and_token(monkeypatch: pytest.MonkeyPatch) -> None:
    assert HuggingFace().base_url == "https://router.huggingface.co/v1"
    assert HuggingFace(base_url="http://127.0.0.1:8080").base_url == "http://127.0.0.1:8080/v1"
    monkeypatch.setenv("HF_TOKEN", "token-hf")
    assert HuggingFace().api_key == "token-hf"
    assert "token-hf" not in repr(HuggingFace())


def test_ids_that_are_no_counts_stay() -> None:
    def read(tool_call_id: Any) -> Any:
        call = {"id": tool_call_id, "type": "function", "function": {"name": "look", "arguments": "{}"}}
        body = {"id": "1", "choices": [{"index": 0, "message": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]}
        found = HuggingFace().decode(Call("huggingface", "m", {}, id="x"), body)
        return found["choices"][0]["message"]["tool_calls"][0]["id"]

    for kept in ("75314f724", "functions.weather:0", "493956123"):
        assert read(kept) == kept
    for counted in ("0", "12", 0, None):
        assert read(counted) == "call_x_0_0"


@pytest.mark.rule(283)
@pytest.mark.parametrize("model", ["org/name", "org/name:groq", "org/name:fastest", "openai/gpt-oss-120b:cheapest"])
def test_models_have_the_routers_own_names(model: str) -> None:
    with answered(SAID) as vendor, Client(providers=[HuggingFace(base_url=vendor.url, api_key="k")]) as client:
        client.chat.completions.create(model=f"huggingface/{model}", messages=ASK)
    assert vendor.seen[0].json["model"] == model


@pytest.mark.rule(283)
def test_the_default_providers_models_need_no_prefix() -> None:
    options: Any = {"default_provider": "huggingface", "api_key": "k"}
    with answered(SAID) as vendor, Client(base_url=vendor.url, **options) as client:
        client.chat.completions.create(model="org/name:groq", messages=ASK)
        client.chat.completions.create(model="huggingface:org/name:groq", messages=ASK)
    assert [seen.json["model"] for seen in vendor.seen] == ["org/name:groq", "org/name:groq"]


@pytest.mark.rule(287)
def test_the_time_of_loading_is_kept() -> None:
    body = {"error": "Model is currently loading", "estimated_time": 20.5}
    assert HuggingFace().decode_error(503, body)["estimated_time"] == 20.5


@pytest.mark.rule(286)
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_the_bill_goes_where_the_caller_says(asynchronous: bool) -> None:
    always = {"default_headers": {"X-HF-Bill-To": "their-org"}}
    once: Any = {"model": "huggingface/org/name", "messages": ASK, "extra_headers": {"X-HF-Bill-To": "my-org"}}
    found = []
    for options, request in (({}, once), (always, {**once, "extra_headers": {}})):
        with answered(SAID) as vendor:
            provider = HuggingFace(base_url=vendor.url, api_key="token-hf", **options)
            if asynchronous:
                asyncio.run(ask(provider, request))
            else:
                with Client(providers=[provider]) as client:
                    client.chat.completions.create(**request)
        found.append({name.lower(): value for name, value in vendor.seen[0].headers})
    assert [headers["x-hf-bill-to"] for headers in found] == ["my-org", "their-org"]
    assert {headers["authorization"] for headers in found} == {"Bearer token-hf"}


async def ask(provider: HuggingFace, request: Any) -> None:
    async with AsyncClient(providers=[provider]) as client:
        await client.chat.completions.create(**request)


@pytest.mark.rule(289)
def test_there_are_no_embeddings_and_models_tell_their_providers() -> None:
    live = [{"provider": "groq", "status": "live"}, {"provider": "cerebras", "status": "live"}]
    listed = {"object": "list", "data": [{"id": "org/name", "object": "model", "providers": live}]}
    with answered(listed) as vendor:
        provider = HuggingFace(base_url=vendor.url, api_key="k")
        with Client(default_provider="huggingface", providers=[provider], max_retries=0) as client:
            with pytest.raises(openai.NotFoundError, match="huggingface has no 'embeddings' endpoint"):
                client.embeddings.create(model="huggingface/org/name", input="a")
            assert vendor.seen == []
            # Those of other providers that happen to be installed come after its own.
            model: Any = client.models.list().data[0]
    assert [provider["provider"] for provider in model.providers] == ["groq", "cerebras"]


@pytest.mark.rule(284)
def test_a_prompt_that_is_too_long_for_tgi() -> None:
    message = "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4090 `inputs` tokens"
    error = HuggingFace().decode_error(422, {"error": message, "error_type": "validation"})
    assert (error["message"], error["type"], error["code"]) == (message, "validation", "context_length_exceeded")
