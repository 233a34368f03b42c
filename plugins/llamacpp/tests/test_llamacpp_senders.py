"""Streams of the engine in this process, sync and async: equal, bounded, and stopped when nobody reads."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core import AsyncReply, Call
from dragoman.llamacpp import LlamaCpp

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dragoman.core import Json

LONG = "word " * 60
#: Such a stream holds its slot for minutes: the model may not end, and has a large context to fill.
ENDLESS: dict[str, Any] = {"stream": True, "ignore_eos": True}
ROOMY = {"parallel": 1, "context_size": 65536}


def joined(chunks: list[Json]) -> Json:
    """Put a stream's first choice together."""
    message: Json = {"role": "assistant", "content": None}
    calls: list[Json] = []
    reason = None
    for choice in (chunk["choices"][0] for chunk in chunks if chunk["choices"]):
        delta = choice["delta"]
        for key in ("content", "reasoning_content"):
            if delta.get(key) is not None:
                message[key] = (message.get(key) or "") + delta[key]
        for fragment in delta.get("tool_calls", ()):
            if "id" in fragment:
                assert fragment["index"] == len(calls)
                calls.append({"type": fragment["type"], "function": {**fragment["function"]}})
            else:
                assert set(fragment) == {"index", "function"}
                assert set(fragment["function"]) == {"arguments"}
                calls[fragment["index"]]["function"]["arguments"] += fragment["function"]["arguments"]
        reason = choice["finish_reason"] or reason
    if calls:
        message["tool_calls"] = calls
    return {"message": message, "finish_reason": reason}


def whole(answer: Json) -> Json:
    choice = answer["choices"][0]
    message = dict(choice["message"])
    if "tool_calls" in message:
        message["tool_calls"] = [{"type": call["type"], "function": call["function"]} for call in message["tool_calls"]]
    return {"message": message, "finish_reason": choice["finish_reason"]}


@pytest.mark.rule(5, 8, 10, 11, 12)
@pytest.mark.parametrize("said", ["Hello, wörld", "Think!", "Weather in Oslo?", "Think of Oslo and Bergen"])
@pytest.mark.parametrize("with_tools", [False, True])
@pytest.mark.parametrize("limit", [None, 50, 100])
def test_a_stream_joins_to_the_whole_answer(
    desk: Any, tool: Json, said: str, with_tools: bool, limit: int | None
) -> None:
    params = {"tools": [tool] if with_tools else None, "max_tokens": limit}
    assert joined(desk.stream(said, **params)) == whole(desk.ask(said, **params))


@pytest.mark.rule(1, 2, 3, 4, 9, 13)
def test_the_chunks_have_openais_shape(desk: Any) -> None:
    chunks = desk.stream()
    assert len({(chunk["id"], chunk["created"]) for chunk in chunks}) == 1
    assert {(chunk["object"], chunk["model"]) for chunk in chunks} == {("chat.completion.chunk", "demo")}
    assert [index for index, chunk in enumerate(chunks) if "role" in chunk["choices"][0]["delta"]] == [0]
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert (reasons[-1], set(reasons[:-1])) == ("stop", {None})


@pytest.mark.rule(14, 16, 295)
def test_usage_comes_last_if_asked_for(desk: Any) -> None:
    assert not any(chunk.get("usage") for chunk in desk.stream())
    *others, last = desk.stream(stream_options={"include_usage": True})
    assert not any(chunk.get("usage") for chunk in others)
    usage = last["usage"]
    assert last["choices"] == []
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert "cached_tokens" in usage["prompt_tokens_details"]
    assert last["timings"]["predicted_n"] == usage["completion_tokens"]


@pytest.mark.rule(15)
def test_several_choices_are_told_apart(desk: Any) -> None:
    chunks = desk.stream("Hello", n=2)
    for index in (0, 1):
        mine = [chunk for chunk in chunks if chunk["choices"][0]["index"] == index]
        assert joined(mine)["message"]["content"].endswith("You said: Hello")


def test_what_fails_before_the_first_token_is_a_reply_of_its_own(desk: Any) -> None:
    assert desk.fail("x " * 9000, stream=True)[0] == 400
    assert desk.fail(stream=True, response_format={"type": "poem"})[0] == 400
    assert desk.fail(stream=True, model="/none.gguf")[0] == 404


def engine_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "dragoman-llamacpp"]


@pytest.mark.rule(18)
@pytest.mark.parametrize("read", [0, 1, 3])
def test_a_stream_that_is_closed_early_frees_its_slot(make_desk: Any, read: int) -> None:
    desk = make_desk(**ROOMY)
    before = engine_threads()
    reply = desk.send(desk.call(**ENDLESS))
    (thread,) = (thread for thread in engine_threads() if thread not in before)
    for _ in range(read):
        assert next(reply.pieces)
    assert thread.is_alive()
    reply.close()
    thread.join(10)
    assert not thread.is_alive()
    reply.close()
    assert desk.ask("next")["choices"][0]["message"]["content"].endswith("next")


@pytest.mark.rule(18)
def test_a_forgotten_stream_frees_its_slot_too(make_desk: Any) -> None:
    desk = make_desk(**ROOMY)
    pieces = desk.send(desk.call(**ENDLESS)).pieces
    assert pieces is not None
    next(pieces)
    del pieces
    assert desk.ask("next")["choices"][0]["message"]["content"].endswith("next")


def test_a_timeout_is_kept_and_frees_the_slot(make_desk: Any) -> None:
    desk = make_desk(**ROOMY)
    busy = desk.send(desk.call(**ENDLESS))
    for timeout in (0.05, {"connect": 5.0, "read": 0.05}):
        waiting = desk.call()
        waiting.timeout = timeout
        with pytest.raises(TimeoutError, match=r"no answer within 0\.05 seconds"):
            desk.send(waiting)
    busy.close()
    assert desk.ask("next")["choices"][0]["message"]["content"].endswith("next")


def run_async(work: Callable[[LlamaCpp, Any], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        provider = LlamaCpp(**options)
        sender = provider.async_sender()
        assert sender is not None
        try:
            await work(provider, sender)
        finally:
            await sender.close()

    asyncio.run(main())


def call(said: str = "Hello", **params: Any) -> Call:
    request = {"model": "demo", "messages": [{"role": "user", "content": said}], **params}
    return Call("llamacpp", "demo", request, id="chatcmpl-1", created=1)


def said_in(content: bytes) -> Any:
    return json.loads(content)["choices"][0]["message"]["content"].rpartition("You said: ")[2]


async def read(reply: AsyncReply) -> bytes:
    assert reply.pieces is not None
    return b"".join([piece async for piece in reply.pieces])


def test_async_answers_are_the_sync_ones(desk: Any) -> None:
    async def work(provider: LlamaCpp, sender: Any) -> None:
        made = call(LONG)
        reply = await sender.send(made, provider.encode(made))
        assert (reply.status, said_in(reply.content)) == (200, LONG)
        streamed = call(LONG, stream=True)
        reply = await sender.send(streamed, provider.encode(streamed))
        events = (await read(reply)).split(b"\n\n")
        texts = [json.loads(event[6:])["choices"][0]["delta"].get("content") or "" for event in events[:-2]]
        sync = desk.ask(LONG)["choices"][0]["message"]["content"]
        assert "".join(texts) == sync
        refused = call(stream=True, max_tokens="many")
        assert (await sender.send(refused, provider.encode(refused))).status == 400

    run_async(work)


def test_many_at_once_do_not_hold_up_the_event_loop() -> None:
    async def work(provider: LlamaCpp, sender: Any) -> None:
        first = call()
        await sender.send(first, provider.encode(first))
        calls = [call(f"number {number}") for number in range(8)]
        sending = asyncio.gather(*[sender.send(made, provider.encode(made)) for made in calls])
        turns, longest, begun = 0, 0.0, time.perf_counter()
        while not sending.done():
            await asyncio.sleep(0)
            now = time.perf_counter()
            turns, longest, begun = turns + 1, max(longest, now - begun), now
        assert turns > 10
        assert longest < 0.5
        assert [said_in(reply.content) for reply in await sending] == [f"number {number}" for number in range(8)]

    run_async(work)


@pytest.mark.rule(18)
def test_closing_an_async_stream_frees_its_slot() -> None:
    async def work(provider: LlamaCpp, sender: Any) -> None:
        streamed = call(**ENDLESS)
        reply = await sender.send(streamed, provider.encode(streamed))
        assert await anext(reply.pieces)
        await reply.close()
        made = call("next")
        assert said_in((await sender.send(made, provider.encode(made))).content) == "next"
        await reply.pieces.aclose()

    run_async(work, **ROOMY)


@pytest.mark.rule(18)
def test_cancelling_stops_the_engine_and_timeouts_are_kept() -> None:
    async def work(provider: LlamaCpp, sender: Any) -> None:
        streamed = call(**ENDLESS)
        busy = await sender.send(streamed, provider.encode(streamed))
        late = call()
        late.timeout = 0.05
        with pytest.raises(TimeoutError):
            await sender.send(late, provider.encode(late))
        waiting = asyncio.ensure_future(sender.send(call(), provider.encode(call())))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

        async def drain() -> bytes:
            return await read(busy)

        reading = asyncio.ensure_future(drain())
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        made = call("next")
        assert said_in((await sender.send(made, provider.encode(made))).content) == "next"

    run_async(work, **ROOMY)
