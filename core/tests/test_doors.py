"""The doors that other libraries' clients go through."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import openai
import pytest

from dragoman.core import DragomanError, Provider, async_http_client, http_client
from dragoman.core.errors import httpx

MESSAGES: Any = [{"role": "user", "content": "Hi"}]


def test_a_door_belongs_to_the_http_library_of_the_installed_openai() -> None:
    assert isinstance(http_client(), httpx.Client)
    assert isinstance(async_http_client(), httpx.AsyncClient)


def test_a_deep_copy_of_a_configuration_keeps_the_door() -> None:
    configuration = {"http_client": http_client(), "asynchronous": [async_http_client()]}
    copied = copy.deepcopy(configuration)
    assert copied["http_client"] is configuration["http_client"]
    assert copied["asynchronous"][0] is configuration["asynchronous"][0]


def test_what_a_door_is_told_holds_for_its_calls(server: Any, provider: Provider) -> None:
    door = http_client(providers=[provider], aliases={"mine": "here/m1"}, max_retries=0)
    server.script(server.error(429, retry_after="0"))
    with openai.OpenAI(api_key="unused", http_client=door, max_retries=5) as client:
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(model="mine", messages=MESSAGES)
        assert client.chat.completions.create(model="mine", messages=MESSAGES).choices
    assert [seen.json["model"] for seen in server.requests] == ["m1", "m1"]
    assert {seen.headers["authorization"] for seen in server.requests} == {"Bearer sk-here-1111"}


def test_an_asynchronous_door(server: Any, provider: Provider) -> None:
    async def ask() -> Any:
        door = async_http_client(providers=[provider], default_provider="here")
        async with openai.AsyncOpenAI(api_key="unused", http_client=door) as client:
            return await client.chat.completions.create(model="m2", messages=MESSAGES)

    assert asyncio.run(ask()).choices[0].message.content == "Hello there"
    assert server.requests[0].json["model"] == "m2"


@pytest.mark.parametrize("make", [http_client, async_http_client])
def test_a_policy_that_is_none_is_refused(make: Any) -> None:
    with pytest.raises(DragomanError, match="on_unsupported must be one of"):
        make(on_unsupported="maybe")
