"""Chats in another dialect: handed on to a provider that has it, and written in it for the others."""

from __future__ import annotations

import asyncio
import copy
import json
from typing import TYPE_CHECKING, Any

import openai
import pytest

from dragoman.core import (
    Ask,
    AsyncService,
    Call,
    CallOptions,
    Exchange,
    Json,
    Provider,
    VendorError,
    hookimpl,
    make_dispatcher,
    register_hooks,
)
from dragoman.core.messages import MessagesWatch, read_messages_usage
from dragoman.core.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dragoman.core import AsyncAnswer

pytestmark = pytest.mark.timeout(60)

CHAT: Json = {"model": "speaker/m", "messages": [{"role": "user", "content": "Hi"}]}
NATIVE: Json = {"model": "speaker/m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}], "own": [1.0]}
ANSWER: Json = {
    "type": "message",
    "content": [{"type": "text", "text": "Yes."}],
    "usage": {"input_tokens": 3, "cache_read_input_tokens": 2, "cache_creation_input_tokens": None, "output_tokens": 4},
}
COUNTED = {
    "prompt_tokens": 5,
    "completion_tokens": 4,
    "total_tokens": 9,
    "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0},
}


def event(kind: str, **data: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()


EVENTS = (
    event("message_start", message={"usage": {**ANSWER["usage"], "output_tokens": 1}}),
    event("ping"),
    event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    event("content_block_delta", index=0, delta={"type": "text_delta", "text": "Yes."}),
    event("content_block_stop", index=0),
    event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 4, "input_tokens": None}),
    event("message_stop"),
)


class Speaker(Provider):
    """A provider that has the dialect."""

    name = "speaker"
    endpoints = frozenset({"chat", "messages"})

    def decode(self, call: Call, body: Json) -> Json:
        if body.get("type") == "error":
            status = 529 if body["error"]["type"] == "overloaded_error" else None
            raise VendorError(self.decode_error(200, body), status)
        return body


class Mute(Provider):
    """One that has not."""

    name = "mute"
    endpoints = frozenset({"chat"})


class Shouting:
    """A dialect for tests: the text, in capitals."""

    def whole(self, completion: Json) -> bytes:
        return str(completion["choices"][0]["message"]["content"]).upper().encode()

    def step(self, exchange: Exchange) -> Callable[[bytes | None], Iterator[bytes]]:
        def write(piece: bytes | None) -> Iterator[bytes]:
            for chunk in exchange.feed(piece):
                for choice in chunk["choices"]:
                    yield (choice["delta"].get("content") or "").upper().encode()
            if piece is None:
                exchange.end()
                yield b"!"

        return write


class Seen:
    """A hook that looks on."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    @hookimpl
    def after_call(self, call: Call) -> None:
        self.calls.append(call)


@pytest.fixture
def ask(server: Any) -> Callable[..., tuple[bytes, Call]]:
    """Asks a service of each colour alike, and returns all the bytes of its answer, and the call."""

    async def collect(answer: AsyncAnswer) -> bytes:
        assert answer.pieces is not None
        return b"".join([piece async for piece in answer.pieces])

    async def later(options: Any, one: Ask) -> tuple[bytes, Call]:
        service = AsyncService(make_dispatcher(**options))
        try:
            answer = await service.answer(one, CallOptions())
            assert answer.call is not None
            return answer.content if answer.pieces is None else await collect(answer), answer.call
        finally:
            await service.aclose()

    def now(options: Any, one: Ask) -> tuple[bytes, Call]:
        service = Service(make_dispatcher(**options))
        answer = service.answer(one, CallOptions())
        assert answer.call is not None
        content = answer.content if answer.pieces is None else b"".join(answer.pieces)
        service.close()
        return content, answer.call

    def ask(colour: str, *, native: Json | None = NATIVE, config_list: Any = None, **chat: Any) -> tuple[bytes, Call]:
        providers = [cls(base_url=server.url, api_key="k", max_retries=0) for cls in (Speaker, Mute)]
        options = {"default_provider": "openai", "providers": providers, "config_list": config_list}
        one = Ask(copy.deepcopy({**CHAT, **chat}), writer=Shouting(), native=copy.deepcopy(native))
        return asyncio.run(later(options, one)) if colour == "async" else now(options, one)

    return ask


colours = pytest.mark.parametrize("colour", ["sync", "async"])


@colours
def test_an_answer_is_written_in_the_callers_dialect(ask: Any, server: Any, colour: str) -> None:
    content, call = ask(colour, model="mute/m")
    assert content == server.COMPLETION["choices"][0]["message"]["content"].upper().encode()
    assert server.requests[0].path == "/v1/chat/completions"
    assert "own" not in server.requests[0].json
    assert call.usage == server.COMPLETION["usage"]


@colours
def test_a_stream_is_written_in_the_callers_dialect(ask: Any, server: Any, colour: str) -> None:
    server.script(server.stream(server.chunk("ye"), server.chunk("s"), server.chunk(finish_reason="stop")))
    content, call = ask(colour, model="mute/m", stream=True)
    assert content == b"YES!"
    assert call.outcome == "complete"


@colours
def test_a_stream_that_is_cut_has_no_end_in_any_dialect(ask: Any, server: Any, colour: str) -> None:
    server.script(server.stream(server.chunk("ye")))
    with pytest.raises(openai.APIConnectionError, match="finish_reason"):
        ask(colour, model="mute/m", stream=True)


@colours
def test_who_has_the_dialect_gets_the_request_as_it_is(ask: Any, server: Any, colour: str) -> None:
    server.script(server.json(ANSWER))
    with register_hooks(seen := Seen()):
        content, call = ask(colour)
    assert json.loads(content) == ANSWER
    assert server.requests[0].path == "/v1/messages"
    assert server.requests[0].body == json.dumps({**NATIVE, "model": "m"}, separators=(",", ":")).encode()
    # Hooks know a chat, and are told what it used.
    assert seen.calls == [call]
    assert (call.endpoint, call.usage, call.response) == ("chat/completions", COUNTED, None)
    assert call.request["messages"] == CHAT["messages"]


@colours
def test_a_stream_is_handed_on_byte_by_byte(ask: Any, server: Any, colour: str) -> None:
    sent = b"".join(EVENTS)
    server.script(server.stream(*(sent[start : start + 31] for start in range(0, len(sent), 31))))
    content, call = ask(colour, stream=True, native={**NATIVE, "stream": True})
    assert content == sent
    assert (call.outcome, call.usage) == ("complete", COUNTED)


@colours
@pytest.mark.parametrize("count", [1, 4, 6])
def test_half_a_stream_is_none(ask: Any, server: Any, colour: str, count: int) -> None:
    server.script(server.stream(*EVENTS[:count]))
    with register_hooks(seen := Seen()), pytest.raises(openai.APIConnectionError, match="message_stop"):
        ask(colour, stream=True)
    assert (seen.calls[0].outcome, seen.calls[0].usage is None) == ("failed", False)


@colours
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_with_a_good_status_is_one(ask: Any, server: Any, colour: str, stream: bool) -> None:
    error = {"type": "overloaded_error", "message": "Overloaded"}
    whole = server.json({"type": "error", "error": error})
    server.script(server.stream(*EVENTS[:3], event("error", error=error)) if stream else whole)
    with pytest.raises(openai.InternalServerError, match="Overloaded") as caught:
        ask(colour, stream=stream)
    assert caught.value.status_code == 529


@colours
def test_a_whole_answer_where_a_stream_was_asked_for_is_refused_and_counted(ask: Any, server: Any, colour: str) -> None:
    server.script(server.json(ANSWER))
    with register_hooks(seen := Seen()), pytest.raises(openai.APIResponseValidationError, match="whole") as caught:
        ask(colour, stream=True)
    assert caught.value.body == ANSWER
    assert (seen.calls[0].outcome, seen.calls[0].usage) == ("failed", COUNTED)


@colours
def test_an_error_where_a_stream_was_asked_for_has_its_status(ask: Any, server: Any, colour: str) -> None:
    server.script(server.json({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}))
    with pytest.raises(openai.InternalServerError, match="Overloaded") as caught:
        ask(colour, stream=True)
    assert caught.value.status_code == 529


@colours
def test_an_error_of_an_unknown_type_is_one_without_a_status(ask: Any, server: Any, colour: str) -> None:
    server.script(server.stream(event("error", error={"type": "odd_error", "message": "Odd"})))
    with pytest.raises(openai.APIError, match="Odd") as caught:
        ask(colour, stream=True)
    assert type(caught.value) is openai.APIError


class Watcher:
    @hookimpl
    def on_chunk(self, call: Call, chunk: Json) -> None:
        """See it."""


class Changer:
    @hookimpl
    def before_call(self, call: Call) -> None:
        call.request["messages"] = [{"role": "user", "content": "Something else"}]


class Header:
    @hookimpl
    def before_call(self, call: Call) -> None:
        call.extra_headers = {**call.extra_headers, "x-team": "search"}


class Guard:
    @hookimpl
    def answer_call(self, call: Call) -> Json:
        return {"choices": [{"message": {"content": "no"}, "finish_reason": "stop"}]}


@pytest.mark.parametrize("hook", [Watcher, Changer])
def test_a_hook_that_wants_chunks_or_another_request_is_not_passed_by(ask: Any, server: Any, hook: Any) -> None:
    with register_hooks(hook()):
        content, _ = ask("sync")
    assert server.requests[0].path == "/v1/chat/completions"
    assert content.isupper()
    if hook is Changer:
        assert server.requests[0].json["messages"][0]["content"] == "Something else"


def test_a_hook_that_changes_something_else_holds_nothing_up(ask: Any, server: Any) -> None:
    server.script(server.json(ANSWER))
    with register_hooks(Header()):
        ask("sync")
    assert server.requests[0].path == "/v1/messages"
    assert server.requests[0].headers["x-team"] == "search"


@pytest.mark.parametrize("stream", [False, True])
def test_a_hooks_answer_is_written_in_the_callers_dialect(ask: Any, server: Any, stream: bool) -> None:
    with register_hooks(Guard()):
        content, call = ask("async", stream=stream)
    assert content == (b"NO!" if stream else b"NO")
    assert call.answered
    assert not server.requests


@pytest.mark.parametrize(
    ("entry", "path"), [({}, "/v1/messages"), ({"temperature": 0.5}, "/v1/chat/completions")], ids=["bare", "params"]
)
def test_an_entry_of_a_configuration_list(ask: Any, server: Any, entry: Json, path: str) -> None:
    """What an entry says of its own is said in OpenAI's words, so then the chat is sent."""
    if not entry:
        server.script(server.json(ANSWER))
    ask("sync", model="speaker/m", config_list=[{"model": "speaker/m", **entry}])
    assert server.requests[0].path == path


def test_a_fallback_speaks_in_its_own_way(ask: Any, server: Any) -> None:
    server.script(server.error(529), path="/messages")
    # A request without a model is for all entries.
    with pytest.warns(UserWarning, match="going on with"):
        content, call = ask("sync", model=None, config_list=[{"model": "speaker/m"}, {"model": "mute/m"}])
    assert [seen.path for seen in server.requests] == ["/v1/messages", "/v1/chat/completions"]
    assert content.isupper()
    assert call.provider == "mute"


def test_a_stream_that_had_nothing_to_say_may_be_another_providers(ask: Any, server: Any) -> None:
    """And one that has begun to speak may not."""
    entries = [{"model": "speaker/m"}, {"model": "mute/m"}]
    server.script(server.stream(*EVENTS[:2]), path="/messages")
    with pytest.warns(UserWarning, match="going on with"):
        content, _ = ask("sync", model=None, stream=True, config_list=entries)
    assert content.isupper()
    server.script(server.stream(*EVENTS[:4]), path="/messages")
    with pytest.raises(openai.APIConnectionError, match="message_stop"):
        ask("sync", model=None, stream=True, config_list=entries)


def test_counts_that_are_missing_keep_their_first_value() -> None:
    watch = MessagesWatch(Speaker(base_url="http://127.0.0.1"), Call("speaker", "m", {}))
    for piece in EVENTS:
        watch.feed(piece)
    assert (watch.usage, watch.begun, watch.ended) == (COUNTED, True, True)
    assert read_messages_usage({}) == {
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "total_tokens": 0,
        "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    }
