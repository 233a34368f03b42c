"""The openai SDK as it is, pointed at the server: every way to ask it has."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import openai
import pytest
from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterator

MESSAGES: Any = [{"role": "user", "content": "Hi!"}]


class Answer(BaseModel):
    answer: int


@pytest.fixture
def client(server: Any) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.url, api_key="unused", max_retries=0) as made:
        yield made


def test_create(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="text", messages=MESSAGES)
    assert answer.choices[0].message.content == "Hello!"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 8
    assert (answer._request_id or "").startswith("req_")


def test_create_with_a_stream(client: openai.OpenAI) -> None:
    with client.chat.completions.create(model="text", messages=MESSAGES, stream=True) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello!"
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_stream_options_are_the_clients_own(client: openai.OpenAI) -> None:
    options: Any = {"include_usage": True}
    chunks = list(client.chat.completions.create(model="text", messages=MESSAGES, stream=True, stream_options=options))
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 8


def test_parse(client: openai.OpenAI) -> None:
    answer = client.chat.completions.parse(model="text", messages=MESSAGES, response_format=Answer)
    assert answer.choices[0].message.parsed == Answer(answer=42)


def test_the_stream_helper(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="text", messages=MESSAGES) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    assert kinds.count("content.delta") == 3
    assert final.choices[0].message.content == "Hello!"


def test_raw_response(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="text", messages=MESSAGES)
    assert raw.headers["x-provider-request-id"] == "up-1"
    assert raw.parse().choices[0].message.content == "Hello!"


def test_streaming_response(client: openai.OpenAI) -> None:
    asked = client.chat.completions.with_streaming_response
    with asked.create(model="text", messages=MESSAGES, stream=True) as response:
        lines = [line for line in response.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    assert len(lines) == 6


def test_with_options_and_copy(client: openai.OpenAI) -> None:
    for other in (client.with_options(timeout=30), client.copy(default_headers={"x-mine": "1"})):
        answer = other.chat.completions.create(model="text", messages=MESSAGES)
        assert answer.choices[0].message.content == "Hello!"


def test_tools(client: openai.OpenAI) -> None:
    tools: Any = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}]
    answer = client.chat.completions.create(model="text", messages=MESSAGES, tools=tools)
    calls: Any = answer.choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["add"]


def test_a_failure_has_its_class_and_is_not_tried_again(client: openai.OpenAI, provider: Any) -> None:
    with pytest.raises(openai.RateLimitError, match="slow down") as caught:
        client.with_options(max_retries=3).chat.completions.create(model="busy", messages=MESSAGES)
    assert caught.value.code == "rate_limit_exceeded"
    assert caught.value.response.headers["retry-after"] == "7"
    assert len(provider.seen) == 1


def test_the_sdk_retries_what_the_server_is_too_busy_for(serve: Any, provider: Any) -> None:
    server = serve(max_concurrency=1)

    async def both() -> Any:
        async with openai.AsyncOpenAI(base_url=server.url, api_key="unused", max_retries=0) as client:
            first = asyncio.create_task(client.chat.completions.create(model="wait", messages=MESSAGES))
            await asyncio.to_thread(provider.arrived.acquire)
            with pytest.raises(openai.RateLimitError) as caught:
                await client.chat.completions.create(model="text", messages=MESSAGES)
            second = asyncio.create_task(
                client.with_options(max_retries=8).chat.completions.create(model="text", messages=MESSAGES)
            )
            provider.release.set()
            return caught.value, await first, await second

    refused, *answers = asyncio.run(both())
    assert refused.response.headers["retry-after"] == "1"
    assert [answer.choices[0].message.content for answer in answers] == ["Hello!", "Hello!"]


def test_other_endpoints(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()][:2] == ["text", "org/deep/er"]
    assert client.models.retrieve("org/deep/er").id == "org/deep/er"
    embedded = client.embeddings.create(model="e", input="x", encoding_format="float")
    assert embedded.data[0].embedding == [0.5, 0.25]
    assert client.responses.create(model="text", input="Hi!").id == "other"


def test_the_async_client(server: Any) -> None:
    async def run() -> tuple[str, str, Any, str]:
        async with openai.AsyncOpenAI(base_url=server.url, api_key="unused", max_retries=0) as client:
            chats = client.chat.completions
            whole = await chats.create(model="text", messages=MESSAGES)
            stream = await chats.create(model="text", messages=MESSAGES, stream=True)
            words = [chunk.choices[0].delta.content or "" async for chunk in stream]
            parsed = await chats.parse(model="text", messages=MESSAGES, response_format=Answer)
            async with chats.stream(model="text", messages=MESSAGES) as helper:
                final = await helper.get_final_completion()
            texts = whole.choices[0].message.content, "".join(words), final.choices[0].message.content
            return texts[0] or "", texts[1], parsed.choices[0].message.parsed, texts[2] or ""

    assert asyncio.run(run()) == ("Hello!", "Hello!", Answer(answer=42), "Hello!")
