"""The proxy's differences, in front of a fake of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from dragoman.core import Call, Client
from dragoman.litellm import LiteLLM

if TYPE_CHECKING:
    from conftest import Caller, Fake

    from dragoman.core import Json

ASK: Any = {"role": "user", "content": "Hi"}
RESULT: Any = {"role": "tool", "tool_call_id": "toolu_1", "content": "calm"}


def test_address_and_key(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (LiteLLM().base_url, LiteLLM().api_key) == ("http://127.0.0.1:4000/v1", None)
    monkeypatch.setenv("LITELLM_API_BASE", "https://proxy.test/v1/")
    monkeypatch.setenv("LITELLM_API_KEY", "sk-proxy")
    assert (LiteLLM().base_url, LiteLLM().api_key) == ("https://proxy.test/v1", "sk-proxy")


@pytest.mark.rule(274)
@pytest.mark.parametrize("stream", [False, True])
def test_the_caches_counts_are_where_openai_has_them(caller: Caller, stream: bool) -> None:
    if stream:
        usage = caller.create(stream=True, stream_options={"include_usage": True})[-1].usage
    else:
        usage = caller.create().usage
    details = usage.prompt_tokens_details
    assert (details.cached_tokens, details.cache_write_tokens) == (15, 10)
    assert (usage.prompt_tokens, usage.total_tokens) == (30, 34)
    assert usage.cache_creation_input_tokens == 10


def test_counts_that_are_there_stay() -> None:
    details = {"cached_tokens": 3, "audio_tokens": 1}
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": details, "cache_read_input_tokens": 5}
    assert LiteLLM().decode_usage(usage)["prompt_tokens_details"] == details
    assert "prompt_tokens_details" not in LiteLLM().decode_usage({"prompt_tokens": 9, "completion_tokens": 1})


@pytest.mark.rule(275, 278)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_have_their_class_by_the_status_and_no_word_for_nothing(caller: Caller, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError, match="UnsupportedParamsError") as caught:
        caller.create(logit_bias={"1": 1}, stream=stream)
    assert (caught.value.type, caught.value.param, caught.value.code) == (None, None, "400")
    with pytest.raises(openai.RateLimitError, match="No deployments available"):
        caller.create(model="busy", stream=stream)


@pytest.mark.rule(276)
def test_the_proxys_headers_are_told(caller: Caller) -> None:
    raw = caller.run(caller.client.chat.completions.with_raw_response.create(model="litellm/m", messages=[ASK]))
    assert (raw.headers["x-litellm-response-cost"], raw.headers["x-litellm-model-id"]) == ("0.0012", "deployment-1")
    with pytest.raises(openai.RateLimitError) as caught:
        caller.create(model="busy")
    assert caught.value.request_id == "call-7"


@pytest.mark.rule(277)
@pytest.mark.parametrize("stream", [False, True])
def test_what_the_vendor_ran_is_not_the_clients_to_run(fake: Fake, stream: bool) -> None:
    message = kept(fake, stream=stream)
    assert [(call["id"], call["function"]["arguments"]) for call in message["tool_calls"]] == [
        ("toolu_1", '{"at": "sea"}')
    ]
    assert message["content"] == "Hello"


@pytest.mark.rule(277)
def test_an_answer_with_the_vendors_calls_alone_is_no_call(caller: Caller) -> None:
    choice = caller.create(model="searcher").choices[0]
    assert (choice.finish_reason, choice.message.tool_calls, choice.message.content) == ("stop", None, "Hello")


@pytest.mark.rule(277, 279)
@pytest.mark.parametrize("stream", [False, True])
def test_the_answer_goes_back_as_the_proxy_gave_it(caller: Caller, fake: Fake, stream: bool, gave: Json) -> None:
    caller.create(messages=[ASK, kept(fake, stream=stream), RESULT])
    assert fake.last["messages"] == [ASK, gave, RESULT]


def kept(fake: Fake, *, stream: bool) -> Json:
    """The message as a program keeps it: joined by the openai package, dumped, written as JSON, read again."""
    request: Any = {"model": "litellm/m", "messages": [ASK]}
    with Client(providers=[LiteLLM(base_url=fake.url, api_key="sk-proxy")]) as client:
        if stream:
            with client.chat.completions.stream(**request) as events:
                said: Any = events.get_final_completion().choices[0].message
        else:
            said = client.chat.completions.create(**request).choices[0].message
    dumped = said.model_dump(exclude_none=True, exclude={"parsed"})
    for call in dumped.get("tool_calls") or ():
        # The package's helpers add these to what they joined, and take them out themselves where they send it.
        call.pop("index", None)
        call["function"].pop("parsed_arguments", None)
    found: Json = json.loads(json.dumps(dumped))
    return found


@pytest.mark.rule(14, 20, 274)
def test_chunks_and_answers_are_openais(caller: Caller) -> None:
    ChatCompletion.model_validate(caller.create().to_dict(), strict=True)
    chunks = caller.create(stream=True, stream_options={"include_usage": True})
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk.to_dict(), strict=True)
    calls = [call for chunk in chunks if chunk.choices for call in chunk.choices[0].delta.tool_calls or ()]
    assert [(call.index, call.id) for call in calls] == [(0, "toolu_1"), (0, None)]
    assert [bool(chunk.usage) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


def test_foreign_extras_stay_out(caller: Caller, fake: Fake) -> None:
    foreign = {"role": "assistant", "content": "a", "extra_content": {"anthropic": {}}, "reasoning_details": [{}]}
    caller.create(messages=[ASK, foreign, {**ASK, "thinking_blocks": [{}]}])
    assert fake.last["messages"] == [ASK, {"role": "assistant", "content": "a"}, ASK]


@pytest.mark.rule(278, 280)
def test_parameters_are_the_proxys_to_judge(caller: Caller, fake: Fake) -> None:
    params: Any = {"verbosity": "low", "n": 2, "service_tier": "flex", "metadata": {"tags": "a"}, "user": "u"}
    caller.create(**params)
    assert {key: fake.last[key] for key in params} == params
    caller.create(extra_body={"metadata": {"tags": ["a", "b"]}})
    assert fake.last["metadata"] == {"tags": ["a", "b"]}


@pytest.mark.rule(281)
def test_an_error_in_mid_stream_is_an_error(caller: Caller) -> None:
    with pytest.raises(openai.InternalServerError, match="Overloaded"):
        caller.create(model="broken", stream=True)


@pytest.mark.rule(13, 15)
def test_each_choice_ends(caller: Caller) -> None:
    chunks = caller.create(n=3, stream=True)
    ends = {choice.index: choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason}
    assert ends == {0: "length", 1: "length", 2: "length"}
    texts = [choice.delta.content for chunk in chunks for choice in chunk.choices if choice.delta.content]
    assert texts == ["answer 0", "answer 1", "answer 2"]


@pytest.mark.rule(17)
def test_a_stream_that_was_cut_gets_no_end() -> None:
    decoder = LiteLLM().decode_stream(Call("litellm", "m", {}))
    assert decoder is not None
    assert list(decoder.finish()) == []


@pytest.mark.rule(282)
def test_models_are_aliases_and_wildcards(caller: Caller) -> None:
    assert [model.id.removeprefix("litellm/") for model in caller.models()[:2]] == ["my-alias", "anthropic/*"]
