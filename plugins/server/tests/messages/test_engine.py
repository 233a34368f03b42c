"""Programs written for Claude, over a real engine in this process."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import anthropic
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODEL = "llamacpp/demo"
HELLO: list[Any] = [{"role": "user", "content": "Good morning!"}]
ASK: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
TOOLS: list[Any] = [
    {
        "name": "get_weather",
        "description": "The weather of a city.",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
]


@pytest.fixture(scope="module")
def url(serve: Callable[..., Any]) -> str:
    found: str = serve().state.url
    return found


@pytest.fixture
def client(url: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=url, api_key="none", max_retries=0) as found:
        yield found


def test_a_message(client: anthropic.Anthropic) -> None:
    message = client.messages.create(model=MODEL, max_tokens=200, messages=HELLO)
    assert message.type == "message"
    assert message.stop_reason == "end_turn"
    assert message.content[0].type == "text"
    assert "Good morning!" in message.content[0].text
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 0


def test_a_stream_says_the_same(client: anthropic.Anthropic) -> None:
    whole = client.messages.create(model=MODEL, max_tokens=200, messages=HELLO)
    with client.messages.stream(model=MODEL, max_tokens=200, messages=HELLO) as stream:
        pieces = list(stream.text_stream)
        message = stream.get_final_message()
    assert len(pieces) > 1
    assert message.content[0].to_dict() == {**whole.content[0].to_dict()}
    assert message.stop_reason == whole.stop_reason
    assert message.usage.output_tokens == whole.usage.output_tokens


def test_a_limit_is_told(client: anthropic.Anthropic) -> None:
    message = client.messages.create(model=MODEL, max_tokens=3, messages=HELLO)
    assert message.stop_reason == "max_tokens"
    assert message.usage.output_tokens == 3


@pytest.mark.parametrize("streamed", [False, True])
def test_a_loop_with_tools(client: anthropic.Anthropic, streamed: bool) -> None:
    def ask(messages: list[Any]) -> Any:
        arguments: Any = {"model": MODEL, "max_tokens": 400, "tools": TOOLS, "messages": messages}
        if not streamed:
            return client.messages.create(**arguments)
        with client.messages.stream(**arguments) as stream:
            return stream.get_final_message()

    first = ask(ASK)
    assert first.stop_reason == "tool_use"
    [call] = [block for block in first.content if block.type == "tool_use"]
    assert (call.name, call.input) == ("get_weather", {"city": "Paris"})
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "Sunny, 21 degrees."}
    last = ask([*ASK, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}])
    assert last.stop_reason == "end_turn"
    assert "Sunny, 21 degrees." in "".join(block.text for block in last.content if block.type == "text")


def test_the_asynchronous_client(url: str) -> None:
    async def ask() -> tuple[Any, Any]:
        async with anthropic.AsyncAnthropic(base_url=url, api_key="none", max_retries=0) as client:
            whole = await client.messages.create(model=MODEL, max_tokens=200, messages=HELLO)
            async with client.messages.stream(model=MODEL, max_tokens=200, messages=HELLO) as stream:
                return whole, await stream.get_final_message()

    whole, streamed = asyncio.run(ask())
    assert whole.content[0].text == streamed.content[0].text


def test_nobody_counts_for_who_cannot(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError, match="does not count tokens") as told:
        client.messages.count_tokens(model=MODEL, messages=HELLO)
    assert told.value.body["error"]["type"] == "not_found_error"  # type: ignore[index]  # JSON
