"""Counting tokens, by a provider that can and one that cannot."""

from __future__ import annotations

import asyncio
from typing import Any

import openai
import pytest

from dragoman.core import AsyncClient, Call, Client, Json, Provider, Wire, async_function_sender, function_sender

MESSAGES = [{"role": "user", "content": "one two three"}]


def count_words(call: Call, wire: Wire) -> Json:
    assert call.endpoint == wire.path.strip("/") == "chat/completions/count_tokens"
    words = call.request["messages"][0]["content"].split()
    return {"object": "chat.completion.token_count", "input_tokens": len(words)}


async def acount_words(call: Call, wire: Wire) -> Json:
    return count_words(call, wire)


class Counter(Provider):
    api = 1
    name = "counter"

    def sender(self) -> Any:
        return function_sender(count_words)

    def async_sender(self) -> Any:
        return async_function_sender(acount_words)


class NoCounter(Counter):
    name = "nocounter"
    endpoints = frozenset({"models"})


@pytest.mark.rule(170)
def test_the_provider_counts() -> None:
    client: Any = Client(providers=[Counter()])
    assert client.chat.completions.input_tokens.count(model="counter/m", messages=MESSAGES) == 3


@pytest.mark.rule(170)
def test_the_provider_counts_for_the_asynchronous_client() -> None:
    async def count() -> int:
        client: Any = AsyncClient(providers=[Counter()])
        return int(await client.chat.completions.input_tokens.count(model="counter/m", messages=MESSAGES))

    assert asyncio.run(count()) == 3


def test_a_provider_that_cannot_count_says_so() -> None:
    client: Any = Client(providers=[NoCounter()])
    with pytest.raises(openai.NotFoundError, match="nocounter has no 'chat/completions/count_tokens'"):
        client.chat.completions.input_tokens.count(model="nocounter/m", messages=MESSAGES)


def test_the_arguments_are_those_of_create() -> None:
    client: Any = Client(providers=[Counter()])
    with pytest.raises(TypeError, match="wrong"):
        client.chat.completions.input_tokens.count(model="counter/m", messages=MESSAGES, wrong=1)
