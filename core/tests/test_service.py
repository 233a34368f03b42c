"""Answers for a server: what one piece says comes at once, usage is counted unseen, keys stay here."""

from __future__ import annotations

import asyncio
import json
from typing import Any, ClassVar

import openai
import pytest

from dragoman.core import (
    Ask,
    AsyncReply,
    AsyncService,
    CallOptions,
    InvalidRequest,
    Provider,
    make_dispatcher,
    read_ask,
)
from dragoman.core.framing import WholeEvents

USAGE = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}


def event(*choices: Any, end: bytes = b"\n\n", **more: Any) -> bytes:
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **more}
    return b"data: " + json.dumps(chunk).encode() + end


SAID = event({"index": 0, "delta": {"content": "Hi"}}, usage=None)
ENDED = event({"index": 0, "delta": {}, "finish_reason": "stop"})
COUNTED = event(usage=USAGE)
DONE = b"data: [DONE]\n\n"


class Told(Provider):
    """Streams the pieces that it is told."""

    def __init__(self, pieces: list[bytes]) -> None:
        super().__init__(name="told", base_url="http://127.0.0.1:1/v1", api_key="sk-told-0123456789")
        self.pieces = pieces
        self.asked: list[Any] = []

    def async_sender(self) -> Any:
        return self

    async def send(self, call: Any, wire: Any) -> AsyncReply:
        self.asked.append(json.loads(wire.content))

        async def pieces() -> Any:
            for piece in self.pieces:
                yield piece

        return AsyncReply(200, {"content-type": "text/event-stream"}, pieces=pieces())

    async def close(self) -> None:
        pass


def stream(provider: Told, **request: Any) -> tuple[list[bytes], Any, BaseException | None]:
    """The batches of a stream, its call, and what ended it."""
    service = AsyncService(make_dispatcher(default_provider="told", providers=[provider]))
    ask = Ask({"model": "told/m", "messages": [], "stream": True, **request})

    async def run() -> Any:
        answer = await service.answer(ask, CallOptions(count_usage=True))
        assert answer.pieces is not None
        batches: list[bytes] = []
        try:
            async for batch in answer.pieces:
                batches.append(batch)  # noqa: PERF401 (what came before a failure counts)
        except openai.OpenAIError as failure:
            return batches, answer.call, failure
        return batches, answer.call, None

    return asyncio.run(run())


def test_one_piece_is_one_batch_of_the_vendors_own_bytes() -> None:
    provider = Told([SAID + SAID, ENDED + COUNTED + DONE])
    batches, call, failure = stream(provider)
    assert batches == [SAID + SAID, ENDED + DONE]
    assert (call.usage, call.outcome, failure) == (USAGE, "complete", None)
    assert provider.asked[0]["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n"])
def test_usage_is_hidden_wherever_the_bytes_are_cut(end: bytes) -> None:
    parts = [event({"index": 0, "delta": {"content": "Hi"}}, end=end), event(usage=USAGE, end=end)]
    last = event({"index": 0, "delta": {}, "finish_reason": "stop"}, end=end)
    whole = b"".join([parts[0], last, parts[1], b"data: [DONE]" + end])
    for at in range(len(whole)):
        batches, call, failure = stream(Told([whole[:at], whole[at:]]))
        # Who ends on a CR does not wait for the LF that may follow it.
        assert b"".join(batches).rstrip() == b"".join([parts[0], last, b"data: [DONE]"])
        assert (call.usage, failure) == (USAGE, None)


def test_an_end_without_its_blank_line_is_given_too() -> None:
    batches, _, failure = stream(Told([SAID + ENDED + COUNTED + b"data: [DONE]\n"]))
    assert b"".join(batches) == SAID + ENDED + b"data: [DONE]\n"
    assert failure is None


def test_usage_that_was_asked_for_is_shown() -> None:
    batches, _, _ = stream(Told([SAID + ENDED + COUNTED + DONE]), stream_options={"include_usage": True})
    assert b"".join(batches) == SAID + ENDED + COUNTED + DONE


def test_what_came_before_a_failure_is_given_first() -> None:
    batches, call, failure = stream(Told([SAID + b'data: {"error": {"message": "broken"}}\n\n' + SAID]))
    assert batches == [SAID]
    assert isinstance(failure, openai.APIError)
    assert call.outcome == "failed"


def test_events_are_held_until_they_are_whole() -> None:
    events = WholeEvents(wait=True)
    assert [events.take(part) for part in (b"data: 1", b"\n", b"\n", b"data: 2\r\n\r\n")] == [
        b"",
        b"",
        b"data: 1\n\n",
        b"data: 2\r\n\r\n",
    ]
    assert events.take(b"data: 3\n") == b""
    assert events.rest() == b"data: 3\n"


def test_a_request_is_read() -> None:
    ask = read_ask("chat/completions", "POST", b'{"model": "m", "messages": [], "own": 1}', "application/json")
    assert ask.request == {"model": "m", "messages": [], "extra_body": {"own": 1}}
    form = read_ask("audio/transcriptions", "POST", b"--x", "multipart/form-data; boundary=x")
    assert (form.request, form.content) == ({}, b"--x")
    assert read_ask("models", "GET").request == {}
    for content in (b"{", b"[]"):
        with pytest.raises(InvalidRequest):
            read_ask("embeddings", "POST", content)


def test_a_text_is_cleared_of_the_providers_keys() -> None:
    entries = [{"model": "told/m", "api_key": "sk-entry-0123456789"}]
    dispatcher = make_dispatcher(default_provider="told", providers=[Told([])], config_list=entries)
    assert dispatcher.redacted("sk-told-0123456789, sk-entry-0123456789!") == "…, …!"


class Needy(Provider):
    key_env: ClassVar[tuple[str, ...]] = ("A_KEY_THAT_NOBODY_HAS",)


def test_core_sends_itself_where_a_plain_key_is_all_that_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    from dragoman.core.kinds import async_sender_of, sender_of

    plain = Provider(name="plain", base_url="http://127.0.0.1:1/v1", api_key="sk-plain-0123456789")
    special = Provider(name="special", base_url="http://127.0.0.1:1/v1", api_key="sk-0123456789", max_retries=1)
    assert type(sender_of(plain, "auto")) is type(sender_of(plain, "direct"))
    assert type(sender_of(special, "auto")) is type(sender_of(special, "sdk"))
    # Without a key there may be another credential, and only an SDK would find it.
    keyless = Needy(name="keyless", base_url="http://127.0.0.1:1/v1")
    assert type(sender_of(keyless, "auto")) is type(sender_of(keyless, "sdk"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert type(async_sender_of(plain, "auto")) is type(async_sender_of(plain, "sdk"))
