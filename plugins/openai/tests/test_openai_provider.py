"""The provider class: addresses, Azure, advice."""

from __future__ import annotations

import openai
import pytest

from dragoman.core import Call, Capabilities, Capability
from dragoman.openai import OpenAI


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("https://api.openai.com", "https://api.openai.com/v1"),
        ("https://api.openai.com/v1/", "https://api.openai.com/v1"),
        ("https://eu.api.openai.com", "https://eu.api.openai.com/v1"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
        ("http://localhost:8000/", "http://localhost:8000/v1"),
        ("https://api.perplexity.ai", "https://api.perplexity.ai"),
        ("https://example.com/openai/v2/", "https://example.com/openai/v2"),
        (" http://gpu:8000/v1/v1/ ", "http://gpu:8000/v1"),
        ("http://gpu:8000/v1/chat/completions", "http://gpu:8000/v1"),
        ("https://api.openai.com/v1/v1/chat/completions/", "https://api.openai.com/v1"),
        ("http://localhost:8000/chat/completions", "http://localhost:8000/v1"),
        ("https://api.perplexity.ai/chat/completions", "https://api.perplexity.ai"),
    ],
)
def test_addresses_are_read_as_people_write_them(given: str, used: str) -> None:
    assert OpenAI(base_url=given).base_url == used


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    provider = OpenAI()
    assert (provider.api_key, provider.base_url) == ("sk-test", "http://127.0.0.1:1/v1")
    assert "sk-test" not in repr(provider)


def chat_call(model: str = "o3", **params: object) -> Call:
    request = {"model": model, "messages": [{"role": "user", "content": "hi"}], **params}
    return Call(provider="openai", model=model, request=request)


@pytest.mark.rule(222)
def test_other_endpoints_pass_through() -> None:
    request = {"model": "gpt-5", "input": "hi", "max_tokens": 3}
    wire = OpenAI(api_key="k").encode(Call(provider="openai", model="gpt-5", request=request, endpoint="responses"))
    assert (wire.path, wire.body) == ("/responses", request)


def test_azure_is_asked_per_deployment() -> None:
    client = openai.AzureOpenAI(api_key="k", api_version="2024-10-21", azure_endpoint="https://x.example")
    provider = OpenAI(client=client)
    assert provider.encode(chat_call("my-gpt")).path == "/deployments/my-gpt/chat/completions"
    listing = Call(provider="openai", model="", request={}, endpoint="models", method="GET")
    assert provider.encode(listing).path == "/models"
    bound = openai.AzureOpenAI(
        api_key="k", api_version="2024-10-21", azure_endpoint="https://x.example", azure_deployment="d"
    )
    assert OpenAI(client=bound).encode(chat_call("d")).path == "/chat/completions"


def test_nothing_is_known_of_whoever_answers_at_another_address() -> None:
    shown = Capabilities({"seed": Capability("yes")})
    assert OpenAI(api_key="k").narrow_capabilities(shown)["seed"]
    for elsewhere in ({"base_url": "http://127.0.0.1:1/v1"}, {"client": openai.OpenAI(api_key="k")}):
        assert OpenAI(**elsewhere).narrow_capabilities(shown)["seed"].value == "unknown"
