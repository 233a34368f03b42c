"""What the tapes do not show: addresses, parameters, models."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.core import Call, Client, Json, UnsupportedParameter
from dragoman.testing import FakeVendor, Scripted
from dragoman.vllm import VLLM


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


def test_the_usual_address_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Yes"}, "finish_reason": "stop"}
    with FakeVendor(Scripted.json({"id": "c", "choices": [choice]})) as vendor, Client() as client:
        monkeypatch.setattr(VLLM, "base_url", vendor.url)
        client.chat.completions.create(model="vllm/m", messages=[{"role": "user", "content": "Hi"}])
    assert "authorization" not in vendor.seen[0].fields


@pytest.mark.rule(260)
def test_both_names_of_the_limit_pass() -> None:
    body = encode(max_completion_tokens=5, max_tokens=6)
    assert (body["max_completion_tokens"], body["max_tokens"]) == (5, 6)


@pytest.mark.rule(266)
def test_models_say_how_much_they_read() -> None:
    listed = {"object": "list", "data": [{"id": "m", "object": "model", "max_model_len": 400}]}
    with FakeVendor(Scripted(json.dumps(listed).encode(), headers={"content-type": "application/json"})) as vendor:
        provider = VLLM(base_url=vendor.url)
        with Client(default_provider="vllm", providers=[provider], max_retries=0) as client:
            # Those of other providers that happen to be installed come after its own.
            model: Any = client.models.list().data[0]
    assert vendor.seen[0].path == "/v1/models"
    assert (model.id, model.max_model_len) == ("m", 400)


@pytest.mark.parametrize("param", ["audio", "functions", "prediction", "service_tier", "verbosity"])
def test_what_has_no_effect_is_refused(param: str) -> None:
    with pytest.raises(UnsupportedParameter, match="without any effect"):
        encode(**{param: "x"})
    assert param not in encode(policy="ignore", **{param: "x"})


def test_what_vllm_knows_passes() -> None:
    params = {"n": 2, "logprobs": True, "seed": 1, "reasoning_effort": "low", "parallel_tool_calls": False}
    assert {key: encode(**params)[key] for key in params} == params
