"""Code as users and plugin authors write it, for mypy and pyright: it is checked and never run."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, assert_type

import openai
from openai import AsyncStream, Stream
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessageParam, ParsedChatCompletion
from pydantic import BaseModel

from dragoman.core import (
    AsyncClient,
    Call,
    Capabilities,
    Capability,
    Chunks,
    Client,
    Event,
    Json,
    Provider,
    StreamDecoder,
    UnsupportedParameter,
    Wire,
    async_http_client,
    hookimpl,
    http_client,
    unsupported,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class City(BaseModel):
    name: str


class Shout(Provider):
    """A third party's provider with a wire of its own."""

    name = "shout"
    base_url = "https://api.shout.example/v1"
    key_env: ClassVar = ("SHOUT_API_KEY",)

    def encode(self, call: Call) -> Wire:
        body = {key: value for key, value in call.request.items() if key != "seed"}
        if "seed" in call.request:
            unsupported(call, "seed", call.request["seed"], reason="answers are never repeatable")
        return Wire("/shout", body)

    def decode(self, call: Call, body: Json) -> Json:
        return {**body, "model": call.model}

    def decode_stream(self, call: Call) -> StreamDecoder | None:
        return ShoutStream(call)


class ShoutStream:
    def __init__(self, call: Call) -> None:
        self.chunks = Chunks(call)

    def feed(self, event: Event) -> Iterator[Json]:
        yield self.chunks.delta(content=event.data.decode())

    def finish(self) -> Iterator[Json]:
        yield self.chunks.finish("stop")


@hookimpl
def before_call(call: Call) -> None:
    call.extra_headers = {**call.extra_headers, "x-team": "search"}


def takes_openai(client: openai.OpenAI) -> str | None:
    return client.chat.completions.create(model="llamacpp/demo", messages=[]).choices[0].message.content


def ask(question: str) -> str:
    client = Client(api_key="…", base_url="http://localhost:8080/v1", default_provider="llamacpp", max_retries=1)
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": question}]
    answer = client.chat.completions.create(model="anthropic/claude", messages=messages, temperature=0.5)
    assert_type(answer, ChatCompletion)
    stream = client.chat.completions.create(model="anthropic/claude", messages=messages, stream=True)
    assert_type(stream, Stream[ChatCompletionChunk])
    with stream:
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    parsed = client.chat.completions.parse(model="llamacpp/demo", messages=messages, response_format=City)
    assert_type(parsed, ParsedChatCompletion[City])
    with client.chat.completions.stream(model="llamacpp/demo", messages=messages) as events:
        final = events.get_final_completion().choices[0].message.content
    raw = client.chat.completions.with_raw_response.create(model="llamacpp/demo", messages=messages)
    assert_type(raw.parse(), ChatCompletion)
    known = client.capabilities("anthropic/claude")
    assert_type(known, Capabilities)
    assert_type(known["seed"], Capability)
    patient = client.with_options(timeout=60, max_retries=5)
    assert_type(patient, Client)
    return f"{text}{final}{takes_openai(patient)}{takes_openai(openai.OpenAI(http_client=http_client()))}"


async def ask_later(question: str) -> str | None:
    async with AsyncClient(providers=[Shout(api_key="…")], on_unsupported="adapt") as client:
        messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": question}]
        try:
            answer = await client.chat.completions.create(model="shout/loud", messages=messages)
        except UnsupportedParameter as error:
            return f"{error.provider} has no {error.param}"
        assert_type(answer, ChatCompletion)
        stream = await client.chat.completions.create(model="shout/loud", messages=messages, stream=True)
        assert_type(stream, AsyncStream[ChatCompletionChunk])
        async for chunk in stream:
            assert_type(chunk, ChatCompletionChunk)
        async with openai.AsyncOpenAI(http_client=async_http_client(default_provider="shout")) as other:
            await other.chat.completions.create(model="loud", messages=messages)
        return answer.choices[0].message.content
