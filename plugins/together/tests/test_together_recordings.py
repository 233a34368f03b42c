"""What Together really sent, read through the clients; what was really asked, as we would ask it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest
from openai.types import Completion, CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from dragoman.core import AsyncClient, Call, Client, Json
from dragoman.together import Together

#: What OpenAI's clients cannot be told to send; the recorder of some requests noted it down all the same.
_NOT_SENT = {"extra_body"}
_REASONS = {"eos": "stop"}
_CLASSES = {401: openai.AuthenticationError, 404: openai.NotFoundError, 429: openai.RateLimitError}


def asked(exchange: Json) -> Json:
    body = exchange["request"]["body"]
    fields = {key: value for key, value in body.items() if key not in _NOT_SENT and value is not None}
    return {**fields, "model": f"together/{body['model']}"}


def events(exchange: Json) -> list[Json]:
    lines = exchange["response"]["sse"].splitlines()
    return [json.loads(line[6:]) for line in lines if line.startswith("data: ") and line != "data: [DONE]"]


def replay(server: Any, exchange: Json) -> None:
    """Answer with the recorded reply from now on."""
    reply = exchange["response"]
    headers = {"retry_after": reply["headers"]["retry-after"]} if "retry-after" in reply["headers"] else {}
    server.answers(reply["sse"].encode() if reply.get("sse") else reply["body"], reply["status"], **headers)


def create(server: Any, request: Json) -> Any:
    """Ask through the plain client: the answer, or all chunks of it."""
    with Client(default_provider="together", base_url=server.url, api_key="k", max_retries=0) as client:
        answer: Any = client.chat.completions.create(**request)
        return list(answer) if request.get("stream") else answer


def create_async(server: Any, request: Json) -> Any:
    async def run() -> Any:
        options: Any = {"default_provider": "together", "base_url": server.url, "api_key": "k", "max_retries": 0}
        async with AsyncClient(**options) as client:
            answer: Any = await client.chat.completions.create(**request)
            return [one async for one in answer] if request.get("stream") else answer

    return asyncio.run(run())


def undated(answers: list[Any]) -> list[Json]:
    """Leave out when the answers were made: some recorders wrote 0 there, and then it is the time of the call."""
    return [{**one.to_dict(), "created": None} for one in answers]


def calls_of(fragments: list[Json]) -> list[Json]:
    """Join recorded fragments of tool calls: id, name, arguments."""
    found: dict[Any, Json] = {}
    for fragment in fragments:
        call = found.setdefault(fragment["index"], {"id": None, "name": "", "arguments": ""})
        call["id"] = call["id"] or fragment.get("id")
        call["name"] = call["name"] or fragment["function"].get("name")
        call["arguments"] += fragment["function"].get("arguments") or ""
    return [{**call, "arguments": call["arguments"] or "{}"} for call in found.values()]


def flat(call: Any) -> Json:
    return {"id": call.id, "name": call.function.name, "arguments": call.function.arguments}


def counted(usage: Any) -> list[int]:
    details = usage.prompt_tokens_details
    cached = details.cached_tokens if details else 0
    return [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, cached or 0]


def recorded_count(usage: Json) -> list[int]:
    names = ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens")
    return [usage.get(name) or 0 for name in names]


@pytest.mark.rule(3, 5, 6, 20, 210, 216, 217, 218)
def test_recorded_answers(server: Any, recordings: list[Json]) -> None:
    tried = 0
    for exchange in recordings:
        reply = exchange["response"]
        if exchange["kind"] != "chat" or reply["status"] != 200 or reply.get("sse"):
            continue
        replay(server, exchange)
        request = {**asked(exchange), "stream": False}
        request.pop("function_call", None)
        answer = create(server, request)
        sent = reply["body"]
        ChatCompletion.model_validate(answer.to_dict())
        assert (answer.id, answer.model) == (sent["id"], sent["model"]), exchange["id"]
        for choice, recorded in zip(answer.choices, sent["choices"], strict=True):
            message = recorded["message"]
            calls = [{**call, "index": position} for position, call in enumerate(message.get("tool_calls") or [])]
            assert choice.message.content == message["content"], exchange["id"]
            assert [flat(call) for call in choice.message.tool_calls or []] == calls_of(calls), exchange["id"]
            assert (choice.message.tool_calls is None) == (not calls), exchange["id"]
            reason = recorded["finish_reason"]
            assert choice.finish_reason == _REASONS.get(reason, reason), exchange["id"]
            assert choice.seed == recorded["seed"], exchange["id"]
        assert counted(answer.usage) == recorded_count(sent["usage"]), exchange["id"]
        assert undated([create_async(server, request)]) == undated([answer]), exchange["id"]
        tried += 1
    assert tried == 31


@pytest.mark.rule(1, 2, 3, 9, 10, 11, 12, 13, 14, 210, 215, 216, 217)
def test_recorded_streams(server: Any, recordings: list[Json]) -> None:
    tried = 0
    for exchange in recordings:
        if exchange["kind"] != "chat" or not exchange["response"].get("sse"):
            continue
        replay(server, exchange)
        sent = events(exchange)
        request = {**asked(exchange), "stream": True, "stream_options": {"include_usage": True}}
        chunks = create(server, request)
        for chunk in chunks:
            ChatCompletionChunk.model_validate(chunk.to_dict())
        assert {(one.id, one.model) for one in chunks} == {(sent[0]["id"], sent[0]["model"])}, exchange["id"]
        assert len({one.created for one in chunks}) == 1, exchange["id"]
        deltas = [choice.delta for one in chunks for choice in one.choices]
        recorded = [choice for event in sent for choice in event["choices"]]
        texts = [choice["delta"].get("content") or "" for choice in recorded]
        assert "".join(delta.content or "" for delta in deltas) == "".join(texts), exchange["id"]
        assert [delta.role for delta in deltas] == ["assistant", *[None] * (len(deltas) - 1)], exchange["id"]
        fragments = [call for delta in deltas for call in delta.tool_calls or []]
        expected = [call for choice in recorded for call in choice["delta"].get("tool_calls") or []]
        assert calls_of([one.to_dict() for one in fragments]) == calls_of(expected), exchange["id"]
        reasons = [choice.finish_reason for one in chunks for choice in one.choices if choice.finish_reason]
        assert reasons == [
            _REASONS.get(choice["finish_reason"], choice["finish_reason"])
            for choice in recorded
            if choice["finish_reason"]
        ], exchange["id"]
        (usage,) = [event["usage"] for event in sent if event.get("usage")]
        assert chunks[-1].choices == []
        assert counted(chunks[-1].usage) == recorded_count(usage), exchange["id"]
        assert undated(create_async(server, request)) == undated(chunks), exchange["id"]
        tried += 1
    assert tried == 10


@pytest.mark.rule(219)
def test_recorded_errors(server: Any, recordings: list[Json]) -> None:
    tried = 0
    for exchange in recordings:
        reply = exchange["response"]
        if reply["status"] == 200:
            continue
        replay(server, exchange)
        for ask in (create, create_async):
            with pytest.raises(openai.APIStatusError) as caught:
                ask(server, asked(exchange))
            error = reply["body"]["error"]
            assert type(caught.value) is _CLASSES[reply["status"]], exchange["id"]
            assert caught.value.message.endswith(error["message"]), exchange["id"]
            assert caught.value.type == error["type"], exchange["id"]
            assert caught.value.response.headers.get("retry-after") == reply["headers"].get("retry-after")
        tried += 1
    assert tried == 5


@pytest.mark.rule(221)
def test_recorded_embeddings(server: Any, recordings: list[Json]) -> None:
    tried = 0
    for exchange in recordings:
        if exchange["kind"] != "embeddings":
            continue
        replay(server, exchange)
        with Client(default_provider="together", base_url=server.url, api_key="k", max_retries=0) as client:
            floats = client.embeddings.create(**{**asked(exchange), "encoding_format": "float"})
            packed = client.embeddings.create(**{**asked(exchange), "encoding_format": openai.omit})
        CreateEmbeddingResponse.model_validate(floats.to_dict())
        recorded = [entry["embedding"] for entry in exchange["response"]["body"]["data"]]
        assert [entry.embedding for entry in floats.data] == recorded, exchange["id"]
        for entry, numbers in zip(packed.data, recorded, strict=True):
            assert entry.embedding == pytest.approx(numbers, rel=1e-6, abs=0), exchange["id"]
        assert (floats.usage.prompt_tokens, floats.usage.total_tokens) == (0, 0)
        tried += 1
    assert tried == 5


@pytest.mark.rule(4, 210)
def test_recorded_text_completions(server: Any, recordings: list[Json]) -> None:
    tried = 0
    for exchange in recordings:
        if exchange["kind"] != "completions":
            continue
        replay(server, exchange)
        with Client(default_provider="together", base_url=server.url, api_key="k", max_retries=0) as client:
            answer: Any = client.completions.create(**asked(exchange))
            if exchange["response"].get("sse"):
                pieces = [one.choices[0].text for one in answer]
                assert pieces == [event["choices"][0]["text"] for event in events(exchange)], exchange["id"]
            else:
                Completion.model_validate(answer.to_dict())
                sent = exchange["response"]["body"]
                assert answer.choices[0].text == sent["choices"][0]["text"], exchange["id"]
                assert answer.usage.total_tokens == sent["usage"]["total_tokens"], exchange["id"]
        tried += 1
    assert tried == 4


@pytest.mark.rule(206, 207, 222)
def test_recorded_requests_are_asked_as_they_were(recordings: list[Json]) -> None:
    tried = 0
    for exchange in recordings:
        body = exchange["request"]["body"]
        if exchange["kind"] != "chat":
            continue
        call = Call("together", body["model"], body)
        sent = Together(api_key="k").encode(call).body
        expected = dict(body)
        if "max_completion_tokens" in expected:
            expected["max_tokens"] = expected.pop("max_completion_tokens")
        assert sent == expected, exchange["id"]
        tried += 1
    assert tried == 46
