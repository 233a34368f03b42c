"""What Together's answers say otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from openai.types import Completion, Model

from dragoman.together import Together
from dragoman.together.response import decode_choice, decode_completion, decode_models, name_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core import Call, Json

REASONS = {"eos": "stop"}


@pytest.mark.rule(215)
def test_a_chunk_loses_the_copies_of_its_text_and_nothing_else(make_call: Callable[..., Call]) -> None:
    delta = {"role": "assistant", "content": "Hi", "token_id": 5, "tool_calls": None}
    chunk = {"index": 0, "text": "Hi", "logprobs": None, "finish_reason": None, "seed": 9, "delta": delta}
    assert decode_choice(make_call(), {**chunk, "top_logprobs": {"Hi": -1.0}}) == {
        "index": 0,
        "logprobs": None,
        "finish_reason": None,
        "seed": 9,
        "delta": {"role": "assistant", "content": "Hi", "tool_calls": None},
    }
    assert (chunk["text"], delta["token_id"]) == ("Hi", 5)


@pytest.mark.rule(218)
def test_a_whole_choice_keeps_its_seed(make_call: Callable[..., Call]) -> None:
    choice = {"index": 0, "seed": 15092511270073158000, "message": {"role": "assistant", "content": "Hi"}}
    assert decode_choice(make_call(), choice) == choice


@pytest.mark.rule(4, 210)
def test_a_text_completion_is_openais(make_call: Callable[..., Call]) -> None:
    call = make_call(endpoint="completions", prompt="Once")
    sent = {
        "id": "o1",
        "object": "text.completion",
        "created": 3,
        "model": "m",
        "prompt": [],
        "choices": [
            {"text": " upon", "finish_reason": "eos", "seed": 4, "logprobs": None},
            {"text": " a", "finish_reason": "length", "index": 1, "logprobs": None},
            {"text": " time", "logprobs": None},
        ],
    }
    found = decode_completion(call, sent, REASONS)
    assert [choice["finish_reason"] for choice in found["choices"]] == ["stop", "length", "stop"]
    assert [choice["index"] for choice in found["choices"]] == [0, 1, 2]
    assert (found["id"], found["prompt"], found["choices"][0]["seed"]) == ("o1", [], 4)
    Completion.model_validate(found)
    assert decode_completion(call, {"unlike": "one"}, REASONS) == {"unlike": "one"}


@pytest.mark.rule(221)
def test_the_list_of_models_is_openais() -> None:
    entry = {"id": "meta-llama/Llama-3", "object": "model", "created": 5, "organization": "Meta", "type": "chat"}
    bare = {"id": "Qwen/Qwen3", "created": None}
    found = decode_models({"data": [entry, bare]})
    assert found["object"] == "list"
    assert found["data"][0] == {**entry, "owned_by": "Meta"}
    assert found["data"][1] == {"id": "Qwen/Qwen3", "object": "model", "created": 0, "owned_by": "Qwen"}
    for model in found["data"]:
        Model.model_validate(model)


@pytest.mark.rule(219)
@pytest.mark.parametrize(
    ("status", "code", "named"),
    [
        (401, "invalid_api_key", "invalid_api_key"),
        (404, "model_not_available", "model_not_found"),
        (429, None, "rate_limit_exceeded"),
        (429, "spent", "spent"),
        (500, None, None),
    ],
)
def test_codes_are_openais_where_openai_has_one(status: int, code: Any, named: Any) -> None:
    body = {"id": "r-1", "error": {"message": "no", "type": "t", "param": "p", "code": code}}
    error = Together(api_key="k").decode_error(status, body)
    assert error == {"message": "no", "type": "t", "param": "p", "code": named}


@pytest.mark.rule(220)
@pytest.mark.parametrize(
    "message",
    [
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4097. Given: 80125 `inputs` tokens.",
        "This model's maximum context length is 8193 tokens. However, you requested 9000 tokens.",
    ],
)
def test_a_prompt_that_is_too_long_has_openais_code(message: str) -> None:
    error: Json = {"message": message, "type": "invalid_request_error", "param": "max_tokens", "code": None}
    assert Together(api_key="k").decode_error(400, {"error": error})["code"] == "context_length_exceeded"


def test_naming_leaves_the_error_it_was_given_alone() -> None:
    error: Json = {"message": "m", "type": None, "param": None, "code": None}
    assert name_error(429, error)["code"] == "rate_limit_exceeded"
    assert error["code"] is None
