"""The provider class: in this process or at an address; errors."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.core import Call, Capabilities, Capability, ConfigError
from dragoman.llamacpp import LlamaCpp


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1"),
        ("http://127.0.0.1:8080/v1/", "http://127.0.0.1:8080/v1"),
        ("localhost:8080", "http://localhost:8080/v1"),
        ("https://gpu.example/llama", "https://gpu.example/llama/v1"),
    ],
)
def test_addresses_are_read_as_people_write_them(given: str, used: str) -> None:
    provider = LlamaCpp(base_url=given)
    assert provider.base_url == used
    assert not provider.in_process


def test_without_an_address_the_engine_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = LlamaCpp()
    assert provider.in_process
    assert provider.sender() is not None
    assert provider.async_sender() is not None
    assert "in this process" in repr(provider)
    monkeypatch.setenv("LLAMACPP_API_BASE", "http://127.0.0.1:8080")
    provider = LlamaCpp()
    assert provider.sender() is None
    assert provider.async_sender() is None
    assert "http://127.0.0.1:8080/v1" in repr(provider)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"base_ulr": "http://127.0.0.1:8080"}, r"no option base_ulr; did you mean base_url\?"),
        ({"context_sise": 4096}, r"no option context_sise; did you mean context_size\?"),
        ({"base_url": "http://127.0.0.1:8080", "default_haeders": {}}, r"did you mean default_headers\?"),
        ({"zzz": 1}, "no option zzz; see EngineOptions"),
        ({"context_size": "x"}, "context_size must be a whole number, 0 or more, not 'x'"),
        ({"context_size": -1}, "context_size must be a whole number, 0 or more, not -1"),
        ({"parallel": 0}, "parallel must be a whole number, 1 or more"),
        ({"threads": True}, "threads must be a whole number"),
        ({"gpu_layers": 1.5}, "gpu_layers must be a whole number, not 1.5"),
        ({"chat_template": 1}, "chat_template must be a text"),
        ({"reasoning_format": "all"}, "reasoning_format must be one of 'auto', .*, not 'all'"),
        ({"pooling": "avg"}, "pooling must be one of 'mean', 'cls', 'last', None, not 'avg'"),
    ],
)
def test_options_are_checked_when_it_is_made(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        LlamaCpp(**given)


def test_options_of_a_servers_client_are_taken() -> None:
    assert LlamaCpp(base_url="http://127.0.0.1:8080", default_headers={"x-team": "a"}).sdk_options
    assert LlamaCpp(gpu_layers=-1, threads=2, pooling="mean").in_process


def test_a_client_of_the_callers_means_a_server() -> None:
    assert LlamaCpp(client=object()).sender() is None


def test_other_endpoints_pass_through() -> None:
    request = {"model": "m", "prompt": "x", "user": "u"}
    wire = LlamaCpp().encode(Call("llamacpp", "m", request, endpoint="completions"))
    assert (wire.path, wire.body) == ("/completions", request)
    body = {"object": "text_completion"}
    assert LlamaCpp().decode(Call("llamacpp", "m", request, endpoint="completions"), body) is body


def test_only_the_rehearsal_model_is_told_what_templates_are_not() -> None:
    def body(provider: LlamaCpp, model: str) -> object:
        request = {"model": model, "messages": [], "response_format": {"type": "json_object"}}
        wire = provider.encode(Call("llamacpp", model, request))
        assert wire.body is not None
        return wire.body.get("chat_template_kwargs")

    assert body(LlamaCpp(), "demo")
    assert body(LlamaCpp(), "other.gguf") is None
    assert body(LlamaCpp(base_url="http://127.0.0.1:1"), "demo") is None


@pytest.mark.rule(293)
def test_a_context_that_is_too_small_has_openais_code_and_the_numbers() -> None:
    error = {"code": 400, "message": "m", "type": "exceed_context_size_error", "n_prompt_tokens": 9, "n_ctx": 8}
    decoded = LlamaCpp().decode_error(400, {"error": error})
    assert decoded == {**error, "code": "context_length_exceeded", "param": None}


def test_nothing_heavy_is_imported_before_the_first_call(run_python: Any) -> None:
    code = (
        "import sys; from dragoman.llamacpp import LlamaCpp; LlamaCpp(); "
        "print([m for m in ('xllamacpp', 'openai', 'asyncio', 'httpx2') if m in sys.modules])"
    )
    assert run_python(code).stdout.strip() == "[]"


def test_the_engine_here_has_no_images_whatever_a_server_has() -> None:
    shown = Capabilities({"images": Capability("yes"), "tools": Capability("yes")})
    here, there = LlamaCpp(), LlamaCpp(base_url="http://127.0.0.1:1")
    assert here.narrow_capabilities(shown)["images"] == Capability("no", "the engine in this process reads text")
    assert here.narrow_capabilities(shown)["tools"]
    assert there.narrow_capabilities(shown)["images"]


def test_only_who_runs_the_process_names_files() -> None:
    assert LlamaCpp().public_models == {"demo"}
    assert LlamaCpp(base_url="http://127.0.0.1:9").public_models is None
