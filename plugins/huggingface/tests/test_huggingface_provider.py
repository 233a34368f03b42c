"""The router's differences, in front of a fake of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from dragoman.core import AsyncClient, Call, Client
from dragoman.huggingface import HuggingFace

if TYPE_CHECKING:
    from conftest import Caller, Fake

TOOLS: Any = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]


def test_address_and_token(monkeypatch: pytest.MonkeyPatch) -> None:
    assert HuggingFace().base_url == "https://router.huggingface.co/v1"
    assert HuggingFace(base_url="http://127.0.0.1:8080").base_url == "http://127.0.0.1:8080/v1"
    monkeypatch.setenv("HF_TOKEN", "token-hf")
    assert HuggingFace().api_key == "token-hf"
    assert "token-hf" not in repr(HuggingFace())


@pytest.mark.rule(283)
@pytest.mark.parametrize("model", ["org/name", "org/name:groq", "org/name:fastest", "openai/gpt-oss-120b:cheapest"])
def test_models_have_the_routers_own_names(caller: Caller, fake: Fake, model: str) -> None:
    caller.create(model=model)
    assert fake.last["model"] == model


@pytest.mark.rule(283)
def test_the_default_providers_models_need_no_prefix(fake: Fake) -> None:
    with Client(default_provider="huggingface", base_url=fake.url, api_key="k") as client:
        client.chat.completions.create(model="org/name:groq", messages=[{"role": "user", "content": "Hi"}])
        client.chat.completions.create(model="huggingface:org/name:groq", messages=[{"role": "user", "content": "Hi"}])
    assert [seen.json["model"] for seen in fake.seen] == ["org/name:groq", "org/name:groq"]


@pytest.mark.rule(284)
@pytest.mark.parametrize("stop", [None, ["."]])
def test_the_end_has_openais_word_for_it(caller: Caller, stop: Any) -> None:
    answer = caller.create(stop=stop)
    assert (answer.choices[0].finish_reason, answer.choices[0].message.content) == ("stop", "Hello")
    assert answer.id.startswith("chatcmpl-")
    ChatCompletion.model_validate(answer.to_dict(), strict=True)


@pytest.mark.rule(284)
def test_a_stream_without_its_last_word_is_whole(caller: Caller) -> None:
    chunks = caller.create(stream=True, stream_options={"include_usage": True})
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk.to_dict(), strict=True)
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert "".join(choice.delta.content or "" for choice in choices) == "Hello"
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["stop"]
    assert [bool(choice.delta.role) for choice in choices] == [True] + [False] * (len(choices) - 1)
    assert chunks[-1].usage.total_tokens == 8


@pytest.mark.rule(284, 287)
@pytest.mark.parametrize(
    ("model", "kind", "said"),
    [
        ("org/poor", openai.APIStatusError, {"code": "insufficient_quota", "type": None}),
        ("org/busy", openai.RateLimitError, {"code": "rate_limit_exceeded", "type": "rate_limit"}),
        ("org/cold", openai.InternalServerError, {"code": None, "type": None}),
        ("org/strict", openai.UnprocessableEntityError, {"code": None, "type": "tool_error"}),
        ("org/flat", openai.BadRequestError, {"code": "unsupported", "type": None}),
        ("org/none", openai.BadRequestError, {"code": "model_not_supported", "type": None}),
    ],
)
def test_each_form_of_an_error_is_openais(caller: Caller, fake: Fake, model: str, kind: Any, said: Any) -> None:
    for stream in (False, True):
        with pytest.raises(kind) as caught:
            caller.create(model=model, stream=stream)
        assert {key: getattr(caught.value, key) for key in said} == said
        assert caught.value.request_id == "Root=1-2"
        sent = fake_message(model)
        assert sent in str(caught.value)
    assert len(fake.seen) == 2


def fake_message(model: str) -> str:
    words = {"org/poor": "monthly included credits", "org/cold": "currently loading", "org/busy": "Too many requests"}
    return words.get(model) or {"org/strict": "unknown tool", "org/flat": "json_schema"}.get(model, "is not supported")


@pytest.mark.rule(287)
def test_the_status_of_missing_credits_and_the_time_of_loading_are_kept(caller: Caller) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        caller.create(model="org/poor")
    assert caught.value.status_code == 402
    with pytest.raises(openai.InternalServerError) as loading:
        caller.create(model="org/cold")
    assert (loading.value.status_code, loading.value.body["estimated_time"]) == (503, 20.5)  # type: ignore[index]  # ours


@pytest.mark.rule(285)
def test_counted_calls_get_ids_of_their_own(caller: Caller) -> None:
    found = [caller.create(tools=TOOLS).choices[0] for _ in range(2)]
    ids = [call.id for choice in found for call in choice.message.tool_calls]
    assert len(set(ids)) == 4
    assert "0" not in ids
    assert [call.function.arguments for call in found[0].message.tool_calls] == ['{"at": "sea"}', '{"at": "land"}']
    assert (found[0].finish_reason, found[0].message.content) == ("tool_calls", None)


@pytest.mark.rule(285)
@pytest.mark.parametrize("model", ["org/name", "org/old"])
def test_a_streamed_call_is_named_once(caller: Caller, model: str) -> None:
    choices = [chunk.choices[0] for chunk in caller.create(model=model, tools=TOOLS, stream=True) if chunk.choices]
    calls = [call for choice in choices for call in choice.delta.tool_calls or ()]
    assert [call.function.name for call in calls] == ["look", None]
    assert [bool(call.id) for call in calls] == [True, False]
    assert calls[0].id != "0"
    assert "".join(call.function.arguments for call in calls) == '{"at": "sea"}'
    assert choices[-1].finish_reason == "tool_calls"


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


@pytest.mark.rule(286)
def test_the_bill_goes_where_the_caller_says(fake: Fake, caller: Caller, asynchronous: bool) -> None:
    caller.create(extra_headers={"X-HF-Bill-To": "my-org"})
    assert fake.seen[-1].headers["x-hf-bill-to"] == "my-org"
    assert fake.seen[-1].headers["authorization"] == "Bearer token-hf"
    always = HuggingFace(base_url=fake.url, api_key="k", default_headers={"X-HF-Bill-To": "their-org"})
    request: Any = {"model": "huggingface/org/name", "messages": [{"role": "user", "content": "Hi"}]}
    if asynchronous:

        async def call() -> None:
            async with AsyncClient(providers=[always]) as client:
                await client.chat.completions.create(**request)

        asyncio.run(call())
    else:
        with Client(providers=[always]) as client:
            client.chat.completions.create(**request)
    assert fake.seen[-1].headers["x-hf-bill-to"] == "their-org"


@pytest.mark.rule(288)
def test_what_only_the_provider_behind_knows_is_sent(caller: Caller, fake: Fake) -> None:
    params: Any = {"reasoning_effort": "low", "verbosity": "low", "seed": 1, "tool_choice": "required", "tools": TOOLS}
    caller.create(**params)
    assert {key: fake.last[key] for key in params} == params


@pytest.mark.rule(289)
def test_there_are_no_embeddings_and_models_tell_their_providers(caller: Caller, fake: Fake) -> None:
    with pytest.raises(openai.NotFoundError, match="huggingface has no 'embeddings' endpoint"):
        caller.run(caller.client.embeddings.create(model="huggingface/org/name", input="a"))
    assert fake.seen == []
    model = caller.models()[0]
    assert [provider["provider"] for provider in model.providers] == ["groq", "cerebras"]


def test_thoughts_are_left_out_of_the_history(caller: Caller, fake: Fake) -> None:
    said = {"role": "assistant", "content": "Hello", "reasoning_content": "hm"}
    ask = {"role": "user", "content": "Hi"}
    caller.create(messages=[ask, said, ask])
    assert fake.last["messages"] == [ask, {"role": "assistant", "content": "Hello"}, ask]
