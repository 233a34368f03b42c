"""Responses that are handed on: what is counted of them, and what goes by untouched."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.core import Call, Provider, StreamCutError
from dragoman.core.responses import ResponsesWatch, read_responses_usage

USAGE = {"input_tokens": 4, "output_tokens": 6, "total_tokens": 10, "output_tokens_details": {"reasoning_tokens": 2}}


def event(kind: str, **more: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode()


CREATED = event("response.created", response={"id": "r", "usage": None})
DELTA = event("response.output_text.delta", delta="about response.completed")
COMPLETED = event("response.completed", response={"id": "r", "output": [], "usage": USAGE})


def test_usage_has_chats_names_beside_its_own() -> None:
    found = read_responses_usage(USAGE)
    assert found.items() >= USAGE.items()
    assert (found["prompt_tokens"], found["completion_tokens"]) == (4, 6)
    assert found["completion_tokens_details"] == {"reasoning_tokens": 2}
    assert "prompt_tokens_details" not in found


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_stream_is_counted_by_its_last_event(size: int) -> None:
    watch, call = ResponsesWatch(Provider()), Call("openai", "m", {}, "responses")
    content = CREATED + DELTA + COMPLETED
    for at in range(0, len(content), size):
        assert watch.look(call, content[at : at + size])[1] is False
    watch.look(call, None)
    assert call.usage == read_responses_usage(USAGE)


@pytest.mark.parametrize(
    "last",
    [
        COMPLETED,
        event("response.incomplete", response={}),
        event("response.failed", response={}),
        event("error", code="server_error", message="down"),
        b"data: " + json.dumps({"sequence_number": 9, "type": "response.completed"}).encode() + b"\n\n",
        b"data: [DONE]\n\n",
    ],
)
def test_a_stream_is_whole_if_it_says_how_it_ended(last: bytes) -> None:
    watch, call = ResponsesWatch(Provider()), Call("openai", "m", {}, "responses")
    watch.look(call, CREATED + DELTA + last)
    assert watch.look(call, None) == (True, False)


@pytest.mark.parametrize(
    "last", [b"", COMPLETED[:-20], event("response.output_item.done", item={"type": "response.completed"})]
)
def test_a_stream_that_does_not_say_how_it_ended_is_cut(last: bytes) -> None:
    watch, call = ResponsesWatch(Provider()), Call("openai", "m", {}, "responses")
    watch.look(call, CREATED + DELTA + last)
    with pytest.raises(StreamCutError, match="last event"):
        watch.look(call, None)


def test_what_is_no_stream_of_events_is_handed_on() -> None:
    watch, call = ResponsesWatch(Provider()), Call("openai", "m", {}, "responses")
    watch.look(call, b'{"id": "r", "output": []}')
    assert watch.look(call, None) == (False, False)


def test_what_only_says_that_it_begins_is_no_content() -> None:
    watch, call = ResponsesWatch(Provider()), Call("openai", "m", {}, "responses")
    assert watch.look(call, CREATED) == (False, False)
    assert watch.look(call, DELTA) == (True, False)
    assert call.usage is None


@pytest.mark.parametrize("kind", ["response.incomplete", "response.failed"])
def test_responses_that_did_not_come_to_their_end_are_counted_too(kind: str) -> None:
    watch, call = ResponsesWatch(Provider()), Call("openai", "m", {}, "responses")
    watch.look(call, event(kind, response={"usage": USAGE}))
    assert call.usage == read_responses_usage(USAGE)


@pytest.mark.parametrize(
    "data", [b"response.completed, but no JSON", b'["response.completed"]', b'{"type": "response.completed"}']
)
def test_an_event_that_says_no_counts_leaves_them_unknown(data: bytes) -> None:
    watch, call = ResponsesWatch(Provider()), Call("openai", "m", {}, "responses")
    watch.look(call, b"data: " + data + b"\n\n")
    assert call.usage is None
