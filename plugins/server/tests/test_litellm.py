"""LiteLLM's `config.yaml`: what is taken over, and that the rest is told line by line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core import Client, ConfigError
from dragoman.server.deployments import read_deployment
from dragoman.server.keys import hash_key
from dragoman.server.limits import Limits
from dragoman.server.settings import load, read

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "sk-secret-of-this-test"
#: The shape of LiteLLM's own examples, with one of everything that people have in it.
CONFIG = """\
model_list:
  - model_name: smart
    litellm_params:
      model: anthropic/claude-sonnet-4-5
      api_key: os.environ/ANTHROPIC
      rpm: 60
      tpm: 90000
      timeout: 30
      max_retries: 2
      extra_headers: {x-team: os.environ/TEAM}
      input_cost_per_token: 0.000003
      output_cost_per_token: 0.000015
      weight: 3
    model_info:
      access_groups: [paid]
      mode: chat
  - model_name: smart
    litellm_params:
      model: azure/my-gpt
      api_base: https://here.openai.azure.com
      api_version: "2024-10-21"
      api_key: os.environ/AZURE
      rpm: 40
      drop_params: true
  - model_name: local
    litellm_params:
      model: hosted_vllm/meta-llama/Llama-3
      api_base: http://127.0.0.1:8000/v1
      temperature: 0.2
      chat_template_kwargs: {enable_thinking: false}
  - model_name: openai/*
    litellm_params:
      model: openai/*
      api_key: os.environ/OWN
      api_base: http://127.0.0.1:9/v1
  - model_name: "*"
    litellm_params:
      model: openai/*
  - model_name: broken
litellm_settings:
  num_retries: 1
  request_timeout: 600
  drop_params: true
  success_callback: [langfuse]
  fallbacks: [{local: [smart]}]
router_settings:
  routing_strategy: least-busy
  model_group_alias: {gpt-4: smart}
  redis_url: os.environ/REDIS
general_settings:
  master_key: os.environ/MASTER
  database_url: os.environ/DATABASE
  max_request_size_mb: 2
environment_variables: {A: b}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("ANTHROPIC", "AZURE", "MASTER", "OWN", "TEAM"):
        monkeypatch.setenv(name, f"{SECRET}-{name.lower()}")
    monkeypatch.setenv("REDIS", "redis://here")
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG, "utf-8")
    return path


def test_what_is_taken_over(file: Path) -> None:
    found, _ = read(file)
    client = dict(found.client)
    (whole,) = client.pop("providers")
    assert (whole.name, whole.base_url, whole.api_key) == ("openai", "http://127.0.0.1:9/v1", f"{SECRET}-own")
    assert client == {
        "default_provider": "openai",
        "on_unsupported": "ignore",
        "max_retries": 1,
        "timeout": 600,
        "aliases": {"gpt-4": "smart"},
        "fallbacks": {"local": ("smart",)},
        "config_list": [
            {
                "name": "smart",
                "model": "anthropic/claude-sonnet-4-5",
                "api_key": "env:ANTHROPIC",
                "timeout": 30,
                "max_retries": 2,
                "extra_headers": {"x-team": "env:TEAM"},
                "price": [0.003, 0.015],
                "tags": ["paid"],
            },
            {
                "name": "smart",
                "model": "my-gpt",
                "api_type": "azure",
                "base_url": "https://here.openai.azure.com",
                "api_version": "2024-10-21",
                "api_key": "env:AZURE",
                "on_unsupported": "ignore",
            },
            {
                "name": "local",
                "model": "vllm/meta-llama/Llama-3",
                "base_url": "http://127.0.0.1:8000/v1",
                "temperature": 0.2,
                "extra_body": {"chat_template_kwargs": {"enable_thinking": False}},
            },
        ],
    }
    server = found.server
    assert server.limits == {"smart": Limits(requests_per_minute=100)}
    assert (server.redis_url, server.max_body_bytes) == ("redis://here", 2 * 1024 * 1024)
    assert [(key.name, key.hash) for key in server.keys] == [("master", hash_key(f"{SECRET}-master"))]


def test_a_client_can_be_made_of_it(file: Path) -> None:
    found = load(file)
    with Client(**found.client) as client:
        assert client._dispatcher.router.aliases == {"gpt-4": "smart"}
        assert client._dispatcher.config is not None
        assert [entry.model for entry in client._dispatcher.config.named("local")][1:] == [
            "anthropic/claude-sonnet-4-5",
            "my-gpt",
        ]


def test_nothing_is_left_out_in_silence(file: Path) -> None:
    _, remarks = read(file)
    told = [re.sub(r"^.*config\.yaml:(\d+): ", r"\1 ", remark) for remark in remarks]
    assert told == [
        "13 model_list[0].litellm_params.weight: is left out",
        "16 model_list[0].model_info.mode: is left out: dragoman asks the provider",
        "30 model_list[2].litellm_params.chat_template_kwargs: is sent as it is, in extra_body",
        "36 model_list[4].model_name: is left out: only PROVIDER/* of the same provider's models is taken over",
        "39 model_list[5]: is left out: it wants model_name, and litellm_params with a model",
        "1 model_list: smart has 2 deployments: the first one answers, the next where it fails",
        "1 model_list: smart: tpm is left out, for not each deployment has one",
        "44 litellm_settings.success_callback: is left out",
        "47 router_settings.routing_strategy: is left out",
        "52 general_settings.database_url: is left out",
        "54 environment_variables: is left out",
    ]
    assert SECRET not in "".join(remarks)


@pytest.mark.parametrize(
    ("model", "entry"),
    [
        ("anthropic/claude-x", {"model": "anthropic/claude-x"}),
        ("openai/gpt-5", {"model": "openai/gpt-5"}),
        ("gpt-5", {"model": "openai/gpt-5"}),
        ("claude-x", {"model": "anthropic/claude-x"}),
        ("mistral/mistral-large", {"model": "mistralai/mistral-large"}),
        ("together_ai/meta/L", {"model": "together/meta/L"}),
        ("ollama/l", {"model": "ollama/l"}),
        ("ollama_chat/l", {"model": "ollama/l"}),
        ("hosted_vllm/org/m", {"model": "vllm/org/m"}),
        ("lm_studio/m", {"model": "lmstudio/m"}),
        ("huggingface/org/m", {"model": "huggingface/org/m"}),
        ("huggingface/together/org/m", {"model": "huggingface/org/m:together"}),
        ("azure/d", {"model": "d", "api_type": "azure"}),
        ("litellm_proxy/m", {"model": "litellm/m"}),
        ("gemini/pro", {"model": "gemini/pro"}),
        ("llama", {"model": "openai/llama"}),
    ],
)
def test_names_of_models(model: str, entry: dict[str, Any]) -> None:
    found = read_deployment("x", {"model": model})
    assert found.entry == entry
    assert [key for key, _ in found.remarks] == (["model"] if model in {"gemini/pro", "llama"} else [])


def test_a_whole_provider() -> None:
    found = read_deployment("mistral/*", {"model": "mistral/*", "api_key": "env:A", "temperature": 1})
    assert (found.wildcard, found.entry) == (True, {"api_type": "mistralai", "api_key": "env:A"})
    assert found.remarks == [("temperature", "is left out: a whole provider cannot have it")]


def test_the_provider_may_be_told_apart() -> None:
    assert read_deployment("x", {"model": "a/b", "custom_llm_provider": "openai"}).entry == {"model": "openai/a/b"}


def test_a_master_key_in_the_file_is_hashed(file: Path) -> None:
    file.write_text(f"model_list: []\ngeneral_settings: {{master_key: {SECRET}}}", "utf-8")
    assert [key.hash for key in load(file).server.keys] == [hash_key(SECRET)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model_list: [", ":1: is not YAML"),
        ("a: 1\nb: !!python/object:os.system x", ":2: is not YAML"),
        ("model_list: 1", ":1: has no list `model_list`"),
        ("", ":1: has no list `model_list`"),
        (
            "model_list:\n- model_name: a\n  litellm_params:\n    model: gpt-5\n    api_key: os.environ/NOT_SET_HERE",
            ":5: models.a[0].api_key: is in the environment variable NOT_SET_HERE, which is not set",
        ),
        (
            "model_list:\n- model_name: a\n  litellm_params:\n    model: openai/a\n    timeout: soon",
            ":5: models.a[0].timeout: must be a number of seconds, above 0",
        ),
        ("model_list: []\nlitellm_settings:\n  num_retries: many", ":3: max_retries: must be a number, not a text"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, said: str, file: Path) -> None:
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        read(file)
    assert str(caught.value).startswith(f"{file}{said}")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.yaml cannot be read: No such file"):
        read(tmp_path / "config.yaml")
