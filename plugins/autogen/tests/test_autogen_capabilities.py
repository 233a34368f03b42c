from __future__ import annotations

from typing import Any

import pytest

from dragoman.autogen import capabilities
from dragoman.core import FEATURES, Capabilities, Capability, Client, FunctionProvider
from dragoman.core.plugins import Plugins


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ({"model": "anthropic/claude-sonnet-4-5"}, ("anthropic", "claude-sonnet-4-5")),
        ({"model": "ollama:qwen3"}, ("ollama", "qwen3")),
        ({"model": "claude-sonnet-4-5", "api_type": "anthropic"}, ("anthropic", "claude-sonnet-4-5")),
        ({"model": "mistral-large", "api_type": "MistralAI"}, ("mistralai", "mistral-large")),
        ({"model": "gpt-4o", "api_type": "azure_openai"}, ("openai", "gpt-4o")),
        ({"model": "meta-llama/Llama-3"}, ("", "meta-llama/Llama-3")),
        ({"model": "meta-llama/Llama-3", "api_type": "together"}, ("together", "meta-llama/Llama-3")),
        ({"model": "qwen3:8b"}, ("", "qwen3:8b")),
        ({"model": "gpt-4o"}, ("", "gpt-4o")),
    ],
)
def test_an_entry_says_its_provider_in_the_name_or_as_api_type(entry: dict[str, str], found: tuple[str, str]) -> None:
    assert capabilities.provider_and_model(entry) == found


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gpt-4o-mini", "gpt-4o"),
        ("gpt-4.1-nano", "gpt-41"),
        ("gpt-4-turbo", "gpt-4"),
        ("gpt-3.5-turbo", "gpt-35"),
        ("gpt-5.4", "gpt-5"),
        ("o3-mini", "o3"),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet"),
        ("claude-3-opus-20240229", "claude-3-opus"),
        ("claude-opus-4-5", "claude-4-opus"),
        ("claude-sonnet-4-5", "claude-4-sonnet"),
        ("deepseek-ai/DeepSeek-R1", "r1"),
        ("pixtral-12b", "pixtral"),
        ("mistral-large-latest", "mistral"),
        ("meta-llama/Llama-3.3-70B-Instruct", "llama-3.3-70b"),
        ("solo1", "unknown"),
        ("qwen3", "unknown"),
    ],
)
def test_a_models_name_says_its_family(model: str, family: str) -> None:
    assert capabilities.family_of(model) == family


def info_of(*models: str) -> dict[str, Any]:
    entries = [{"model": model} for model in models]
    with Client(config_list=entries) as client:
        return capabilities.model_info(entries, capabilities.known_of(client, ""))


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two providers: one of them has no images, and adapts JSON mode."""

    class Rich(FunctionProvider):
        def narrow_capabilities(self, shown: Capabilities) -> Capabilities:
            return shown.but(**dict.fromkeys(FEATURES, Capability("yes")))

    class Poor(Rich):
        def narrow_capabilities(self, shown: Capabilities) -> Capabilities:
            found = super().narrow_capabilities(shown)
            return found.but(images=Capability("no", "blind"), json_object=Capability("adapted", "a schema"))

    kinds = {"rich": Rich, "poor": Poor}
    monkeypatch.setattr(Plugins, "has", lambda _, name: name in kinds)
    monkeypatch.setattr(Plugins, "provider", lambda _, name: lambda **given: kinds[name](str, **given))


@pytest.mark.usefixtures("shown")
def test_a_list_can_do_what_all_its_entries_can() -> None:
    flags = ("vision", "function_calling", "json_output", "structured_output")
    alone = info_of("rich/gpt-4o")
    assert [alone[flag] for flag in flags] == [True, True, True, True]
    both = info_of("rich/gpt-4o", "poor/gpt-4o")
    assert [both[flag] for flag in flags] == [False, True, False, True]


def test_what_nobody_has_shown_is_tried() -> None:
    with Client(providers=[FunctionProvider(str, name="own")]) as client:
        assert client.capabilities("own/x")["tools"].value == "unknown"
        assert capabilities.model_info([], capabilities.known_of(client, "own/x"))["function_calling"] is True
    with Client() as client:
        nobody = capabilities.known_of(client, "nobody-has-this/x")
    assert not any(nobody.values())


def test_names_say_families_and_who_tells_users_apart() -> None:
    assert capabilities.model_info([{"model": "openai/gpt-4o"}], Capabilities())["family"] == "gpt-4o"
    two = [{"model": "openai/gpt-4o"}, {"model": "anthropic/claude-sonnet-4-5"}]
    assert capabilities.model_info(two, Capabilities())["family"] == "unknown"
    assert capabilities.has_names([{"model": "vllm/a"}, {"model": "openai/b"}])
    assert not capabilities.has_names([{"model": "vllm/a"}, {"model": "ollama/b"}])


def test_the_smallest_context_of_a_list_counts() -> None:
    entries = [{"model": "anthropic/claude-sonnet-4-5"}, {"model": "vllm/a"}]
    assert capabilities.context_tokens(entries[:1]) == 200_000
    assert capabilities.context_tokens(entries) == 32_768
    assert capabilities.context_tokens([*entries, {"model": "ollama/qwen3"}]) == 4_096
    assert capabilities.context_tokens([{"model": "ollama/qwen3", "num_ctx": 16_384}]) == 16_384
