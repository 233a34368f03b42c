"""vLLM's differences, in front of a fake of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from dragoman.core import Call, Json, UnsupportedParameter
from dragoman.vllm import VLLM

if TYPE_CHECKING:
    from conftest import Caller, Fake

TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
NAMED = {"type": "function", "function": {"name": "look"}}


def encode(messages: list[Json] | None = None, policy: Any = "raise", **params: Any) -> Json:
    request = {"model": "m", "messages": messages or [{"role": "user", "content": "hi"}], **params}
    body = VLLM().encode(Call("vllm", "m", request, on_unsupported=policy)).body
    assert body is not None
    return body


def test_address_and_key(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (VLLM().base_url, VLLM().api_key) == ("http://127.0.0.1:8000/v1", None)
    monkeypatch.setenv("VLLM_API_BASE", "gpu1:9000")
    monkeypatch.setenv("VLLM_API_KEY", "token-abc")
    assert (VLLM().base_url, VLLM().api_key) == ("http://gpu1:9000/v1", "token-abc")


@pytest.mark.rule(255)
def test_thoughts_are_read_and_go_back_under_both_names(caller: Caller, fake: Fake) -> None:
    said = caller.create().choices[0].message
    assert (said.content, said.reasoning_content) == ("Hello", "hm")
    question = {"role": "user", "content": "Hi"}
    caller.create(messages=[question, said.model_dump(exclude_none=True), question])
    sent = fake.last["messages"][1]
    assert (sent["reasoning"], sent["reasoning_content"]) == ("hm", "hm")


@pytest.mark.rule(255, 265)
def test_a_stream_is_put_together(caller: Caller) -> None:
    chunks = [chunk for chunk in caller.create(stream=True) if chunk.choices]
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert "".join(delta.content or "" for delta in deltas) == "Hello"
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == "hm"
    assert (chunks[-1].choices[0].finish_reason, chunks[-1].choices[0].stop_reason) == ("stop", 9)


@pytest.mark.rule(256)
@pytest.mark.parametrize("stream", [False, True])
def test_tools_without_a_parser_are_refused_with_advice(caller: Caller, fake: Fake, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError, match=r"--tool-call-parser to be set \(start it with these flags"):
        caller.create(tools=TOOLS, stream=stream)
    assert [seen.json["tools"] for seen in fake.seen] == [TOOLS]


@pytest.mark.rule(257)
@pytest.mark.parametrize("choice", ["required", NAMED])
def test_a_forced_call_is_a_call_whatever_it_ends_with(caller: Caller, fake: Fake, choice: Any) -> None:
    chosen = caller.create(tools=TOOLS, tool_choice=choice).choices[0]
    assert (chosen.finish_reason, chosen.message.content) == ("tool_calls", None)
    assert chosen.message.tool_calls[0].function.name == "look"
    assert fake.last["tool_choice"] == choice


@pytest.mark.rule(258, 260)
@pytest.mark.parametrize("model", ["m", "old"])
def test_a_prompt_that_is_too_long_is_known_by_its_code(caller: Caller, model: str) -> None:
    with pytest.raises(openai.BadRequestError, match="maximum context length is 400") as caught:
        caller.create("x" * 500, model=model)
    assert (caught.value.code, caught.value.type) == ("context_length_exceeded", "BadRequestError")


@pytest.mark.rule(258)
def test_errors_have_their_class_and_keep_vllms_code(caller: Caller, fake: Fake) -> None:
    with pytest.raises(openai.NotFoundError, match="`other` does not exist") as caught:
        caller.create(model="other")
    assert caught.value.body["code"] == 404  # type: ignore[index]  # OpenAI's error object
    stranger = VLLM(base_url=fake.url, api_key="wrong")
    assert stranger.decode_error(401, {"error": "Unauthorized"})["message"] == "Unauthorized"


@pytest.mark.rule(258, 263)
def test_an_engine_that_dies_in_mid_stream_is_an_error(caller: Caller) -> None:
    with pytest.raises(openai.InternalServerError, match="EngineCore died"):
        caller.create(model="broken", stream=True)


@pytest.mark.rule(259)
def test_sampling_of_its_own_goes_to_the_bodys_root(caller: Caller, fake: Fake) -> None:
    own = {"top_k": 5, "min_p": 0.1, "chat_template_kwargs": {"enable_thinking": False}, "structured_outputs": {}}
    caller.create(extra_body=own)
    assert {key: fake.last[key] for key in own} == own


@pytest.mark.rule(260)
def test_both_names_of_the_limit_pass() -> None:
    body = encode(max_completion_tokens=5, max_tokens=6)
    assert (body["max_completion_tokens"], body["max_tokens"]) == (5, 6)


@pytest.mark.rule(261)
def test_what_the_template_refuses_is_told_in_its_words(caller: Caller) -> None:
    question = {"role": "user", "content": "Hi"}
    with pytest.raises(openai.BadRequestError, match="Conversation roles must alternate"):
        caller.create(messages=[question, question])


@pytest.mark.rule(263)
@pytest.mark.parametrize("options", [{"include_usage": True}, {"include_usage": True, "continuous_usage_stats": True}])
def test_usage_comes_once_and_last(caller: Caller, options: Any) -> None:
    chunks = caller.create(stream=True, stream_options=options)
    assert [bool(chunk.usage) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert (chunks[-1].choices, chunks[-1].usage.total_tokens) == ([], 8)
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk.to_dict(), strict=True)


@pytest.mark.rule(264)
def test_arguments_in_the_history_are_an_objects_json() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": ""}}
    sent = encode([{"role": "assistant", "content": None, "tool_calls": [call]}])["messages"][0]
    assert sent["tool_calls"][0]["function"]["arguments"] == "{}"


@pytest.mark.rule(265)
def test_what_vllm_adds_stays(caller: Caller) -> None:
    answer = caller.create()
    assert (answer.choices[0].stop_reason, answer.kv_transfer_params) == (151645, {"a": 1})
    ChatCompletion.model_validate(answer.to_dict(), strict=True)


@pytest.mark.rule(266)
def test_models_say_how_much_they_read(caller: Caller) -> None:
    assert caller.models()[0].max_model_len == 400


@pytest.mark.parametrize("param", ["audio", "functions", "prediction", "service_tier", "verbosity"])
def test_what_has_no_effect_is_refused(param: str) -> None:
    with pytest.raises(UnsupportedParameter, match="without any effect"):
        encode(**{param: "x"})
    assert param not in encode(policy="ignore", **{param: "x"})


def test_what_vllm_knows_passes() -> None:
    params = {"n": 2, "logprobs": True, "seed": 1, "reasoning_effort": "low", "parallel_tool_calls": False}
    assert {key: encode(**params)[key] for key in params} == params
