"""What the tapes do not show: keys, one model, endpoints that pass through."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from dragoman.core import Client
from dragoman.ollama import Ollama
from dragoman.testing import FakeVendor, Scripted

ASKED: Any = {"model": "ollama/llama3.2", "messages": [{"role": "user", "content": "Hi"}]}
ANSWER = {"model": "llama3.2", "message": {"role": "assistant", "content": "Hello"}, "done": True}
AT_V1 = {"id": "c", "object": "chat.completion", "created": 1, "model": "llama3.2", "choices": []}


@pytest.mark.rule(253)
def test_one_model() -> None:
    shown = {"capabilities": ["tools"], "thinking": {"values": ["low", "high"]}}
    missing = Scripted.json({"error": "model 'nothing' not found"}, 404)
    with (
        FakeVendor(Scripted.json(shown), missing) as vendor,
        Client(default_provider="ollama", providers=[Ollama(base_url=vendor.url)], max_retries=0) as client,
    ):
        found: Any = client.models.retrieve("llama3.2")
        assert (found.id, found.extra_content["ollama"]["thinking"]["values"]) == ("llama3.2", ["low", "high"])
        with pytest.raises(openai.NotFoundError, match="ollama pull nothing"):
            client.models.retrieve("nothing")
    assert [(seen.method, seen.path) for seen in vendor.seen] == [("POST", "/api/show")] * 2


def test_other_endpoints_go_to_v1() -> None:
    with (
        FakeVendor(Scripted.json({"object": "text_completion", "choices": []})) as vendor,
        Client(providers=[Ollama(base_url=vendor.url)]) as client,
    ):
        client.completions.create(model="ollama/llama3.2", prompt="Hi")
    assert (vendor.seen[0].path, vendor.seen[0].json) == ("/v1/completions", {"model": "llama3.2", "prompt": "Hi"})


@pytest.mark.parametrize("openai_endpoint", [False, True])
def test_the_key_is_sent_as_a_bearer(monkeypatch: pytest.MonkeyPatch, openai_endpoint: bool) -> None:
    monkeypatch.setenv("OLLAMA_API_KEY", "key-env")
    with FakeVendor(Scripted.json(AT_V1 if openai_endpoint else ANSWER)) as vendor:
        for key in (None, "key-own"):
            provider = Ollama(base_url=vendor.url, api_key=key, openai_endpoint=openai_endpoint)
            with Client(providers=[provider], max_retries=0) as client:
                client.chat.completions.create(**ASKED)
                client.with_options(api_key="key-call").chat.completions.create(**ASKED)
    sent = [seen.fields["authorization"] for seen in vendor.seen]
    assert sent == ["Bearer key-env", "Bearer key-call", "Bearer key-own", "Bearer key-call"]


def test_without_a_key_there_is_no_header() -> None:
    with FakeVendor(Scripted.json(ANSWER)) as vendor, Client(providers=[Ollama(base_url=vendor.url)]) as client:
        client.chat.completions.create(**ASKED)
    assert "authorization" not in vendor.seen[0].fields
