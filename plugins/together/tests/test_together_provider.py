"""The provider class: names, addresses, keys, endpoints."""

from __future__ import annotations

import re
from importlib.metadata import entry_points, requires
from typing import TYPE_CHECKING, Any

import pytest
import together

from dragoman.core import Call, InvalidRequest, UnsupportedParameter
from dragoman.together import Together

if TYPE_CHECKING:
    from collections.abc import Callable


def test_entry_point_finds_it() -> None:
    (found,) = entry_points(group="dragoman.providers", name="together")
    assert found.load() is Together


def test_facts_of_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = Together(api_key="tgp-secret")
    assert (provider.api, provider.name, provider.framing) == (1, "together", "sse")
    assert provider.base_url == "https://api.together.ai/v1"
    assert "tgp-secret" not in repr(provider)
    monkeypatch.setenv("TOGETHER_API_KEY", "from-environment")
    assert Together().api_key == "from-environment"


def test_the_installed_sdk_is_in_the_declared_range() -> None:
    (need,) = [line for line in requires("dragoman-together") or () if line.startswith("together")]
    low, high = re.findall(r"[\d.]+", ",".join(sorted(need.removeprefix("together").split(","), reverse=True)))
    installed = [int(number) for number in together.__version__.split(".")]
    assert [int(number) for number in low.split(".")] <= installed < [int(high)]


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("https://api.together.xyz", "https://api.together.xyz/v1"),
        ("https://api.together.xyz/v1/", "https://api.together.xyz/v1"),
        ("https://api.together.xyz/v1/v1", "https://api.together.xyz/v1"),
        ("api.together.ai", "https://api.together.ai/v1"),
        ("http://127.0.0.1:1/v1/chat/completions", "http://127.0.0.1:1/v1"),
        ("http://127.0.0.1:1/gateway", "http://127.0.0.1:1/gateway/v1"),
    ],
)
def test_addresses_are_read_as_people_write_them(given: str, used: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Together(base_url=given).base_url == used
    monkeypatch.setenv("TOGETHER_BASE_URL", given)
    assert Together().base_url == used


def test_endpoints_that_are_openais() -> None:
    endpoints = Together.endpoints
    assert endpoints == {"audio", "chat", "completions", "embeddings", "models", "responses"}


@pytest.mark.parametrize(("endpoint", "request_body"), [("responses", {"input": "hi", "stop": "x"}), ("models", {})])
def test_what_is_openais_own_passes_through(
    make_call: Callable[..., Call], endpoint: str, request_body: dict[str, Any]
) -> None:
    call = make_call(endpoint=endpoint, **request_body)
    wire = Together(api_key="k").encode(call)
    assert (wire.path, wire.body) == ("/" + endpoint, call.request)
    answer = {"anything": [1], "data": []}
    assert endpoint == "models" or Together(api_key="k").decode(call, answer) is answer


def test_a_text_completion_is_asked_for(make_call: Callable[..., Call]) -> None:
    call = make_call(endpoint="completions", prompt="Once", stop="END", echo=True, logprobs=2, best_of=1, suffix=None)
    wire = Together(api_key="k").encode(call)
    assert wire.body == {
        "model": "openai/gpt-oss-20b",
        "prompt": "Once",
        "stop": ["END"],
        "echo": True,
        "logprobs": 2,
    }
    for param, value in (("best_of", 3), ("suffix", " end")):
        with pytest.raises(UnsupportedParameter, match=param):
            Together(api_key="k").encode(make_call(endpoint="completions", prompt="Once", **{param: value}))


@pytest.mark.rule(217)
def test_a_text_completions_usage_adds_up(make_call: Callable[..., Call]) -> None:
    call = make_call(endpoint="completions", prompt="Once")
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": None, "cached_tokens": 1}
    found = Together(api_key="k").decode(call, {"choices": [], "usage": usage})
    assert found["usage"]["total_tokens"] == 5
    assert found["usage"]["prompt_tokens_details"]["cached_tokens"] == 1
    assert "usage" not in Together(api_key="k").decode(call, {"choices": []})


@pytest.mark.rule(215, 216, 217, 218)
def test_a_whole_answer_is_put_straight(make_call: Callable[..., Call]) -> None:
    called = {"index": 0.0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": ""}}
    message = {"role": "assistant", "content": "", "reasoning": "Hm.", "tool_calls": [called]}
    usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13, "cached_tokens": 8}
    body = {
        "id": "o1",
        "object": "chat.completion",
        "created": 5,
        "model": "m",
        "prompt": [],
        "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message, "seed": 1}],
        "usage": usage,
        "warnings": [{"message": "slow today"}],
    }
    found = Together(api_key="k").decode(make_call(), body)
    (choice,) = found["choices"]
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "reasoning_content": "Hm.",
        "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
    }
    assert (choice["seed"], found["prompt"], found["warnings"]) == (1, [], [{"message": "slow today"}])
    assert found["usage"] == {**usage, "prompt_tokens_details": {"cached_tokens": 8}}


def test_a_key_that_http_cannot_carry_is_not_quoted() -> None:
    with pytest.raises(InvalidRequest) as caught:
        Together(api_key="tgp-se\ncret").sender()
    assert "tgp-se" not in str(caught.value)
