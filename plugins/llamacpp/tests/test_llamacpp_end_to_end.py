"""Through the client that users have: in this process, and with the engine's own server."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import openai
import pytest
from pydantic import BaseModel

from dragoman.core import AsyncClient, Client
from dragoman.llamacpp import LlamaCpp, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dragoman.core import Json

ASKED: list[Any] = [{"role": "user", "content": "What is the weather in Oslo and Bergen?"}]


class Person(BaseModel):
    """A form to fill in."""

    name: str
    age: int
    tags: list[str]


@pytest.fixture(scope="module", params=["in process", "server"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    if request.param == "in process":
        with Client(default_provider="llamacpp") as client:
            yield client
        return
    with serve() as address, Client(providers=[LlamaCpp(base_url=address)]) as client:
        yield client


def test_text(client: Client) -> None:
    answer = client.chat.completions.create(model="llamacpp/demo", messages=[{"role": "user", "content": "Hi"}])
    assert (answer.choices[0].message.content or "").endswith("You said: Hi")
    assert answer.model == "demo"


@pytest.mark.rule(20)
def test_tools_and_their_results_streamed_and_not(client: Client, tool: Json) -> None:
    tools: Any = [tool]
    message = client.chat.completions.create(model="llamacpp/demo", messages=ASKED, tools=tools).choices[0].message
    calls: Any = message.tool_calls
    assert [json.loads(call.function.arguments)["city"] for call in calls] == ["Oslo", "Bergen"]
    results: list[Any] = [{"role": "tool", "tool_call_id": call.id, "content": "rain"} for call in calls]
    history = [*ASKED, message.model_dump(exclude_none=True), *results]
    whole = client.chat.completions.create(model="llamacpp/demo", messages=history, tools=tools)
    with client.chat.completions.stream(model="llamacpp/demo", messages=history, tools=tools) as stream:
        for _ in stream:
            pass
        streamed = stream.get_final_completion()
    assert whole.choices[0].message.content == "The tools answered: rain | rain"
    assert streamed.choices[0].message.content == whole.choices[0].message.content


@pytest.mark.rule(293)
def test_errors_are_openais(client: Client) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="llamacpp/demo", messages=[{"role": "user", "content": "x " * 9000}])
    body: Any = caught.value.body
    assert caught.value.code == "context_length_exceeded"
    assert body["n_ctx"] == 8192


def test_a_form_is_filled_in() -> None:
    with Client(default_provider="llamacpp") as client:
        answer = client.chat.completions.parse(
            model="demo", messages=[{"role": "user", "content": "Who is Ada ?"}], response_format=Person
        )
        assert answer.choices[0].message.parsed == Person(name="Ada", age=1, tags=["Ada"])


def test_models_and_embeddings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_OFFLINE", "1")
    with Client(providers=[LlamaCpp(pooling="mean")], default_provider="llamacpp") as client:
        assert "demo" in [model.id for model in client.models.list()]
        assert len(client.embeddings.create(model="demo", input="x").data[0].embedding) == 128


def test_a_timeout_is_openais() -> None:
    with Client(providers=[LlamaCpp(parallel=1, context_size=65536)]) as client:
        messages: list[Any] = [{"role": "user", "content": "Hi"}]
        endless = {"ignore_eos": True}
        busy = client.chat.completions.create(model="llamacpp/demo", messages=messages, stream=True, extra_body=endless)
        hurried = client.with_options(timeout=0.05)
        with pytest.raises(openai.APITimeoutError):
            hurried.chat.completions.create(model="llamacpp/demo", messages=messages)
        busy.close()


def test_async() -> None:
    async def main() -> None:
        async with AsyncClient(default_provider="llamacpp") as client:

            async def ask(said: str) -> str:
                messages: list[Any] = [{"role": "user", "content": said}]
                answer = await client.chat.completions.create(model="demo", messages=messages)
                stream = await client.chat.completions.create(model="demo", messages=messages, stream=True)
                text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
                assert text == answer.choices[0].message.content
                return text.rpartition(": ")[2]

            said = [f"number {number}" for number in range(6)]
            assert await asyncio.gather(*map(ask, said)) == said

    asyncio.run(main())
