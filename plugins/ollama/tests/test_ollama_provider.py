"""The provider: which interface answers what, and whose key is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core import Call, InvalidRequest, Json
from dragoman.core.plugins import plugins
from dragoman.ollama import Ollama

if TYPE_CHECKING:
    from collections.abc import Callable


def ask(endpoint: str, method: str = "POST", **request: Any) -> Call:
    return Call("ollama", str(request.get("model", "")), request, endpoint=endpoint, method=method)


def test_it_is_found_by_its_name() -> None:
    assert plugins().provider("ollama") is Ollama


@pytest.mark.parametrize(
    ("endpoint", "method", "native", "compatible"),
    [
        ("chat/completions", "POST", "/api/chat", "/v1/chat/completions"),
        ("chat/completions", "GET", "/v1/chat/completions", "/v1/chat/completions"),
        ("embeddings", "POST", "/api/embed", "/v1/embeddings"),
        ("models", "GET", "/api/tags", "/v1/models"),
        ("models/llama3.2", "GET", "/api/show", "/v1/models/llama3.2"),
        ("models/llama3.2", "DELETE", "/v1/models/llama3.2", "/v1/models/llama3.2"),
        ("responses", "POST", "/v1/responses", "/v1/responses"),
        ("completions", "POST", "/v1/completions", "/v1/completions"),
    ],
)
def test_who_answers(endpoint: str, method: str, native: str, compatible: str) -> None:
    call = ask(endpoint, method, model="m", input="Hi", messages=[{"role": "user", "content": "Hi"}])
    assert Ollama().encode(call).path == native
    assert Ollama(openai_endpoint=True).encode(call).path == compatible


@pytest.mark.rule(253)
def test_models_with_a_slash_in_their_name() -> None:
    call = ask("models/hf.co%2Fsomeone%2Fmodel:Q4_K_M", "GET")
    wire = Ollama().encode(call)
    assert (wire.method, wire.body) == ("POST", {"model": "hf.co/someone/model:Q4_K_M"})
    assert Ollama().decode(call, {"capabilities": ["tools"]})["id"] == "hf.co/someone/model:Q4_K_M"


def test_what_is_passed_on_comes_back_as_it_is() -> None:
    answer: Json = {"object": "text_completion"}
    assert Ollama().decode(ask("completions"), answer) is answer


@pytest.mark.rule(242)
@pytest.mark.parametrize("extra_body", [{"num_ctx": 8192}, {"options": {"num_ctx": 8192}}])
def test_extra_body_joins_the_options(make_call: Callable[..., Call], extra_body: Json) -> None:
    provider = Ollama()
    translated = provider.encode(make_call(temperature=0)).body or {}
    body = provider.merge_extra_body(translated, {**extra_body, "keep_alive": "5m", "think": "high"})
    assert body["options"] == {"temperature": 0, "num_ctx": 8192}
    assert (body["keep_alive"], body["think"]) == ("5m", "high")
    at_v1 = Ollama(openai_endpoint=True).merge_extra_body({"a": 1}, extra_body)
    assert at_v1 == {"a": 1, **extra_body}


def test_options_must_be_an_object() -> None:
    with pytest.raises(InvalidRequest, match="Send an object"):
        Ollama().merge_extra_body({}, {"options": 1})


def test_the_framing_is_that_of_the_interface() -> None:
    assert (Ollama().framing, Ollama(openai_endpoint=True).framing) == ("ndjson", "sse")


def test_what_it_does_not_take_is_refused() -> None:
    with pytest.raises(TypeError, match="http_client"):
        Ollama(http_client=None)  # type: ignore[call-arg]  # that is the point


def test_no_key_in_a_repr() -> None:
    assert "sk-1" not in repr(Ollama(api_key="sk-1"))
