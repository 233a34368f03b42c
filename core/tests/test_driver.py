"""Streams and whole answers as they come from a real server, on all roads: what is delivered, and how calls end."""

from __future__ import annotations

import asyncio
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai
import pytest

from dragoman.core import AsyncClient, Client, CompatibleProvider, Json, Provider, Sender, function_sender
from dragoman.core.driver import AsyncDriver, Driver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OPEN_FILES = Path("/proc/self/fd")

pytestmark = pytest.mark.timeout(60)


def collect(road: Any, stream: Any) -> tuple[str, BaseException | None]:
    """The text that was delivered, and what ended the stream."""
    text = ""
    try:
        for chunk in road.items(stream):
            text += "".join(choice.delta.content or "" for choice in chunk.choices)
    except openai.OpenAIError as exception:
        return text, exception
    return text, None


def test_a_whole_answer(road: Any, server: Any, provider: Provider, diary: Any) -> None:
    completion = road.make(provider).create()
    assert completion.choices[0].message.content == "Hello there"
    assert diary.outcomes == ["complete"]
    assert diary.after[0].usage == server.COMPLETION["usage"]
    assert diary.after[0].response == server.COMPLETION


def test_a_stream(road: Any, server: Any, provider: Provider, diary: Any) -> None:
    stream = road.make(provider).stream()
    assert road.text(stream) == "Hello there"
    assert diary.outcomes == ["complete"]
    message = diary.after[0].response["choices"][0]
    assert (message["message"]["content"], message["finish_reason"]) == ("Hello there", "stop")


def test_pieces_come_when_they_are_sent(road: Any, server: Any, provider: Provider) -> None:
    gate = threading.Event()
    server.script(server.stream(server.chunk("a"), gate, server.chunk("b", "stop"), server.event("[DONE]")))
    items = road.items(road.make(provider).stream())
    assert next(items).choices[0].delta.content == "a"
    gate.set()
    assert [item.choices[0].delta.content for item in items] == ["b"]


def test_a_stream_does_not_keep_what_it_gave(colour: Any, server: Any, provider: Provider) -> None:
    """Hundreds of streams may wait; each would hold a chunk."""
    sent = [server.chunk("a"), server.chunk("b"), server.chunk("c", "stop")]
    server.script(server.stream(*sent, server.event("[DONE]")))
    stream = colour.make(provider).stream()
    for _ in range(2):
        chunk = next(stream) if isinstance(stream, openai.Stream) else colour.run(anext(stream))
        given = weakref.ref(chunk)
        assert given() is chunk
        del chunk
        assert given() is None
    stream.close() if isinstance(stream, openai.Stream) else colour.run(stream.close())


@pytest.mark.parametrize("end", [(), ("cut",), ("reset",)], ids=["clean", "cut", "reset"])
def test_a_stream_without_its_end_raises_after_what_came(
    road: Any, server: Any, provider: Provider, diary: Any, end: tuple[Any, ...]
) -> None:
    gate = threading.Event()
    server.script(server.stream(server.chunk("par") + server.chunk("tial"), gate, *end))
    items = road.items(road.make(provider).stream())
    # A reset destroys what the client has not read yet.
    text = "".join(next(items).choices[0].delta.content for _ in range(2))
    gate.set()
    with pytest.raises(openai.APIConnectionError, match="not whole") as caught:
        list(items)
    assert text == "partial"
    assert caught.value.__cause__ is not None
    assert diary.outcomes == ["failed"]


def test_a_stream_with_a_finish_reason_but_without_done_is_whole(
    road: Any, server: Any, provider: Provider, diary: Any
) -> None:
    server.script(server.stream(server.chunk("all"), server.chunk(None, "length")))
    assert collect(road, road.make(provider).stream()) == ("all", None)
    assert diary.outcomes == ["complete"]


def piece(server: Any, index: int, content: str, finish_reason: str | None = None) -> bytes:
    choice = {"index": index, "delta": {"content": content}, "finish_reason": finish_reason}
    sent: bytes = server.event({"id": "c", "created": 1, "model": "m1", "choices": [choice]})
    return sent


@pytest.mark.rule(17)
@pytest.mark.parametrize("kind", [Provider, CompatibleProvider])
def test_a_stream_in_which_one_of_two_choices_does_not_end_is_cut(
    road: Any, server: Any, kind: type[Provider], diary: Any
) -> None:
    server.script(server.stream(piece(server, 0, "a"), piece(server, 1, "b"), piece(server, 0, "", "stop")))
    text, error = collect(road, road.make(kind(name="here", base_url=server.url)).stream(n=2))
    assert (text, type(error)) == ("ab", openai.APIConnectionError)
    assert diary.outcomes == ["failed"]


@pytest.mark.parametrize("kind", [Provider, CompatibleProvider])
def test_a_stream_in_which_one_of_two_choices_does_not_end_is_whole_if_it_says_that_it_is_done(
    road: Any, server: Any, kind: type[Provider], diary: Any
) -> None:
    sent = [piece(server, 0, "a"), piece(server, 1, "b"), piece(server, 0, "", "stop"), server.event("[DONE]")]
    server.script(server.stream(*sent))
    assert collect(road, road.make(kind(name="here", base_url=server.url)).stream(n=2)) == ("ab", None)
    assert diary.outcomes == ["complete"]


def test_a_choice_that_goes_on_after_its_end_has_ended(road: Any, server: Any, provider: Provider, diary: Any) -> None:
    server.script(server.stream(piece(server, 0, "a", "stop"), piece(server, 1, "b", "stop"), piece(server, 0, "")))
    assert collect(road, road.make(provider).stream(n=2)) == ("ab", None)
    assert diary.outcomes == ["complete"]


def test_a_stream_with_done_but_without_a_finish_reason_is_not(
    road: Any, server: Any, provider: Provider, diary: Any
) -> None:
    server.script(server.stream(server.chunk("some"), server.event("[DONE]")))
    text, error = collect(road, road.make(provider).stream())
    assert (text, type(error)) == ("some", openai.APIConnectionError)
    assert diary.outcomes == ["failed"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"message": "slow down", "code": 429}, openai.RateLimitError),
        ({"message": "slow down", "code": "429"}, openai.RateLimitError),
        ({"message": "bad", "status": 400}, openai.BadRequestError),
        ({"message": "bad", "code": 503}, openai.InternalServerError),
        ({"message": "odd", "code": "overloaded"}, openai.APIError),
    ],
)
def test_an_error_inside_a_stream_comes_after_what_came(
    road: Any, server: Any, provider: Provider, *, diary: Any, error: dict[str, Any], expected: type[Exception]
) -> None:
    # In one piece with the chunks before it: those must not get lost.
    server.script(server.stream(server.chunk("a") + server.chunk("b") + server.event({"error": error}), "cut"))
    text, exception = collect(road, road.make(provider).stream())
    assert (text, type(exception)) == ("ab", expected)
    assert error["message"] in str(exception)
    assert diary.outcomes == ["failed"]


@pytest.mark.parametrize("status", [200, 429])
@pytest.mark.parametrize("stream", [False, True])
def test_half_a_character_and_no_number_in_an_error(
    road: Any, server: Any, provider: Provider, diary: Any, stream: bool, status: int
) -> None:
    """Servers quote the prompt that they refuse, and cut it anywhere."""
    error = {"message": "cut emoji \ud83d", "type": "t", "param": None, "code": 429, "x": float("nan")}
    answer = server.json({"error": error}, status)
    server.script(server.stream(server.event({"error": error})) if stream and status == 200 else answer)
    road.make(provider)
    with pytest.raises(openai.RateLimitError, match="cut emoji"):
        road.text(road.stream()) if stream else road.create()
    assert diary.outcomes == ["failed"]


def test_an_error_event_after_half_a_line(road: Any, server: Any, provider: Provider) -> None:
    first, error = server.chunk("a"), server.event({"error": {"message": "down", "code": 500}})
    gate = threading.Event()
    server.script(server.stream(first[:-1], gate, first[-1:] + server.chunk("b") + error, "cut"))
    stream = road.make(provider).stream()
    gate.set()
    text, exception = collect(road, stream)
    assert (text, type(exception)) == ("ab", openai.InternalServerError)


@pytest.mark.parametrize("how", ["close", "with", "forget", "never"])
def test_leaving_a_stream_closes_the_connection(
    road: Any, server: Any, provider: Provider, diary: Any, how: str
) -> None:
    server.script(server.stream(server.chunk("a"), "watch"))
    stream = road.make(provider).stream()
    if how != "never":
        items = road.items(stream)
        assert next(items).choices[0].delta.content == "a"
        items.close()
        del items
    if how == "with":
        road.run(stream.__aexit__(None, None, None) if road.asynchronous else stream.__exit__(None, None, None))
    elif how != "forget":
        road.run(stream.close())
    del stream
    road.settle()
    assert server.closed.wait(5)
    assert diary.outcomes == ["abandoned"]


def test_a_stream_may_be_closed_twice_and_after_its_end(road: Any, server: Any, provider: Provider, diary: Any) -> None:
    stream = road.make(provider).stream()
    assert road.text(stream) == "Hello there"
    road.run(stream.close())
    road.run(stream.close())
    assert diary.outcomes == ["complete"]


def test_a_stream_may_be_closed_by_another_thread(server: Any, provider: Provider, diary: Any) -> None:
    client = Client(default_provider="here", providers=[provider], max_retries=0)
    gate, reading = threading.Event(), threading.Event()
    server.script(server.stream(server.chunk("a"), gate, server.chunk("b"), "cut"))
    messages: Any = [{"role": "user", "content": "Hi"}]
    stream = client.chat.completions.create(model="m", messages=messages, stream=True)
    ended: list[str] = []

    def read() -> None:
        try:
            for _ in stream:
                reading.set()
        except openai.APIConnectionError as exception:
            ended.append(str(exception))

    thread = threading.Thread(target=read)
    thread.start()
    assert reading.wait(5)
    stream.close()
    gate.set()
    thread.join(5)
    client.close()
    assert diary.outcomes in (["failed"], ["abandoned"])
    assert len(ended) == (diary.outcomes == ["failed"])


def test_a_stream_may_be_closed_by_another_task(server: Any, provider: Provider, diary: Any) -> None:
    async def main() -> None:
        client = AsyncClient(default_provider="here", providers=[provider], max_retries=0)
        server.script(server.stream(server.chunk("a"), "watch"))
        messages: Any = [{"role": "user", "content": "Hi"}]
        stream = await client.chat.completions.create(model="m", messages=messages, stream=True)
        arrived = asyncio.Event()

        async def read() -> None:
            async for _ in stream:
                arrived.set()

        task = asyncio.create_task(read())
        await asyncio.wait_for(arrived.wait(), 5)
        await stream.close()
        assert await asyncio.to_thread(server.closed.wait, 5)
        with pytest.raises(openai.APIConnectionError):
            await task
        await client.close()

    asyncio.run(main())
    assert diary.outcomes == ["failed"]


class Waiting(Provider):
    """An engine in this process that says when it is at work, and works until it is told to go on."""

    def __init__(self) -> None:
        super().__init__(name="waiting")
        self.working, self.go_on = threading.Event(), threading.Event()

    def answer(self, *_: Any) -> Iterator[Json]:
        yield {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}]}
        self.working.set()
        assert self.go_on.wait(5)
        yield {"choices": [{"index": 0, "delta": {"content": "b"}, "finish_reason": "stop"}]}

    def sender(self) -> Sender:
        return function_sender(self.answer)


def test_closing_while_a_function_works(diary: Any) -> None:
    waiting = Waiting()
    client = Client(default_provider="waiting", providers=[waiting])
    messages: Any = [{"role": "user", "content": "Hi"}]
    stream = client.chat.completions.create(model="m", messages=messages, stream=True)
    thread = threading.Thread(target=lambda: [*stream])
    thread.start()
    assert waiting.working.wait(5)
    stream.close()
    waiting.go_on.set()
    thread.join(5)
    client.close()
    assert diary.outcomes == ["complete"]


@pytest.mark.parametrize("stream", [False, True])
def test_cancelling_a_task_closes_the_connection(server: Any, provider: Provider, diary: Any, stream: bool) -> None:
    async def main() -> None:
        client = AsyncClient(default_provider="here", providers=[provider], max_retries=0)
        arrived = asyncio.Event()

        async def ask() -> None:
            messages: Any = [{"role": "user", "content": "Hi"}]
            answer: Any = await client.chat.completions.create(model="m", messages=messages, stream=stream)
            async for _ in answer:
                arrived.set()

        server.script(server.stream(server.chunk("a"), "watch"))
        task = asyncio.create_task(ask())
        if stream:
            await asyncio.wait_for(arrived.wait(), 5)
        else:
            assert await asyncio.to_thread(server.arrived.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(server.closed.wait, 5)
        await client.close()

    asyncio.run(main())
    assert diary.outcomes == ["abandoned"]


def test_a_time_out(road: Any, server: Any, provider: Provider, diary: Any) -> None:
    gate = threading.Event()
    server.script(server.stream(server.chunk("a"), gate))
    stream = road.make(provider, timeout=0.2).stream()
    text, exception = collect(road, stream)
    gate.set()
    assert (text, type(exception)) == ("a", openai.APITimeoutError)
    assert diary.outcomes == ["failed"]


def test_a_whole_answer_to_a_stream_is_cut(road: Any, server: Any, provider: Provider) -> None:
    server.script(server.json(server.COMPLETION))
    chunks = list(road.items(road.make(provider).stream()))
    assert chunks[0].choices[0].delta.content == "Hello there"
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_many_forgotten_streams_leave_nothing_open(server: Any, provider: Provider) -> None:
    def sockets() -> int:
        count = 0
        for entry in OPEN_FILES.iterdir():
            # The folder's own handle, and what the server's threads close meanwhile.
            with suppress(FileNotFoundError):
                count += str(entry.readlink()).startswith("socket:")
        return count

    if not OPEN_FILES.is_dir():
        pytest.skip("no /proc here to count sockets in")
    client = Client(default_provider="here", providers=[provider], max_retries=0)
    messages: Any = [{"role": "user", "content": "Hi"}]
    counts = []
    for _ in range(300):
        server.closed.clear()
        server.script(server.stream(server.chunk("a"), "watch"))
        next(iter(client.chat.completions.create(model="m", messages=messages, stream=True)))
        assert server.closed.wait(5)
        counts.append(sockets())
    client.close()
    assert max(counts) - counts[0] <= 2


def test_threads_share_one_sender(server: Any) -> None:
    made = []

    class Counting(Provider):
        def sender(self) -> None:
            made.append(1)

    provider = Counting(name="here", base_url=server.url)
    client = Client(default_provider="here", providers=[provider], max_retries=0)
    barrier = threading.Barrier(16)
    messages: Any = [{"role": "user", "content": "Hi"}]
    answers = []

    def ask() -> None:
        barrier.wait(5)
        answers.append(client.chat.completions.create(model="m", messages=messages).choices[0].message.content)

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.close()
    assert answers == ["Hello there"] * 16
    assert made == [1]


@pytest.mark.parametrize("make", [Driver, AsyncDriver])
def test_a_driver_that_was_not_used_closes(make: Callable[[], Any]) -> None:
    driver = make()
    result = driver.close()
    if result is not None:
        asyncio.run(result)
    assert driver._pool.take_all() == []
