"""Entries, taken apart."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from dragoman.autogen.entries import folded, named, rates_of, request_parameters, salt, take_apart
from dragoman.core import hookimpl
from dragoman.core.plugins import plugins


class Prices:
    """A price list of one model: 3 and 15 dollars for a million tokens."""

    @hookimpl
    def price_of(self, call: Any) -> Decimal | None:
        if (call.provider, call.model) != ("openai", "known"):
            return None
        return Decimal(call.usage["prompt_tokens"] * 3 + call.usage["completion_tokens"] * 15) / 1_000_000


@pytest.fixture
def prices() -> Any:
    made = Prices()
    plugins().register_hooks(made)
    yield made
    plugins().unregister_hooks(made)


def test_what_autogen_sees_and_what_it_does_not() -> None:
    given = {
        "model": "qwen3",
        "api_type": "ollama",
        "client_host": "http://127.0.0.1:11434",
        "api_key": "sk-own",
        "tags": ["x"],
        "price": [1, 2],
        "cache_seed": None,
        "temperature": 0.5,
        "max_tokens": 9,
        "num_ctx": 2048,
        "stream": True,
        "hide_tools": "if_any_run",
        "api_rate_limit": 2,
        "max_retries": 1,
        "timeout": 5,
        "extra_body": {"a": 1},
    }
    entry = take_apart(given)
    assert entry.outer == {"model": "qwen3", "tags": ["x"], "price": [1, 2], "temperature": 0.5, "max_tokens": 9}
    assert entry.inner == {
        key: given[key]
        for key in (
            *("model", "api_type", "client_host", "api_key", "tags", "price", "num_ctx", "api_rate_limit"),
            *("max_retries", "timeout", "extra_body"),
        )
    }
    assert (entry.provider, entry.stream, entry.hide_tools) == ("ollama", True, "if_any_run")
    assert "sk-own" not in repr(entry)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"model": "gpt-5"}, ("openai", "gpt-5")),
        ({"model": "m", "api_type": "mistral"}, ("mistralai", "m")),
        ({"model": "m", "api_type": "Azure"}, ("openai", "m")),
        ({"model": "org/m", "api_type": "together"}, ("together", "org/m")),
        ({"model": "org/m", "base_url": "http://h"}, ("openai", "org/m")),
        ({"model": "m", "api_type": "dragoman"}, ("openai", "m")),
    ],
)
def test_who_is_meant(entry: dict[str, Any], expected: tuple[str, str]) -> None:
    assert named(entry) == expected


def test_providers_of_installed_plugins_are_known_by_their_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.autogen.entries.provider_names", lambda: {"anthropic", "openai"})
    assert named({"model": "anthropic/claude"}) == ("anthropic", "claude")
    assert named({"model": "anthropic/claude", "api_type": "anthropic"}) == ("anthropic", "claude")
    assert named({"model": "anthropic/claude", "api_type": "dragoman"}) == ("anthropic", "claude")
    # AG2 writes it into every entry.
    entry = take_apart({"model": "anthropic/claude", "api_type": "openai"})
    assert (entry.provider, "api_type" in entry.inner) == ("anthropic", False)
    assert take_apart({"model": "gpt-5", "api_type": "openai"}).inner["api_type"] == "openai"


def test_prices_of_a_list(prices: Any) -> None:
    assert rates_of("openai", "known") == (0.003, 0.015)
    assert rates_of("openai", "unknown") is None
    assert take_apart({"model": "known"}).outer["price"] == [0.003, 0.015]
    assert take_apart({"model": "known", "price": 1}).outer["price"] == 1
    # Somebody else's server may call anything so.
    assert "price" not in take_apart({"model": "known", "base_url": "http://h"}).outer
    assert "price" not in take_apart({"model": "unknown"}).outer


def test_the_salt_tells_entries_apart_and_no_secret() -> None:
    one = {"model": "m", "base_url": "http://a", "api_key": "k1"}
    salts = [
        salt(take_apart({**one, **more})) for more in ({}, {"api_key": "k2"}, {"base_url": "http://b"}, {"top_k": 1})
    ]
    assert salts[0] == salts[1]
    assert len(set(salts)) == 3


def test_what_is_said_for_all_entries_belongs_to_each() -> None:
    config = {"api_key": "k", "timeout": 5, "stream": True, "temperature": 0.5, "cache_seed": 1, "tools": [1]}
    entries, rest = folded({**config, "config_list": [{"model": "a"}, {"model": "b", "api_key": "own"}]})
    both = {"timeout": 5, "stream": True}
    assert entries == [{**both, "api_key": "k", "model": "a"}, {**both, "api_key": "own", "model": "b"}]
    assert rest == {"temperature": 0.5, "cache_seed": 1, "tools": [1]}


def test_a_configuration_without_a_list_is_an_entry() -> None:
    entries, rest = folded({"model": "a", "api_key": "k", "temperature": 0.5, "cache_seed": None, "config_list": []})
    assert entries == [{"model": "a", "api_key": "k", "temperature": 0.5}]
    assert rest == {"cache_seed": None}


def test_parameters_are_those_of_the_installed_openai() -> None:
    assert {"temperature", "tools", "stream", "extra_body"} <= request_parameters()
    assert "messages" not in request_parameters()
