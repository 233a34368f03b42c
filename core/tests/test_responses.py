"""Responses that are handed on: what is counted of them, and what goes by untouched."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from dragoman.core import Call, Json, Provider, StreamCutError
from dragoman.core.responses import ResponsesWatch, read_responses_usage

USAGE = {"input_tokens": 4, "output_tokens": 6, "total_tokens": 10, "output_tokens_details": {"reasoning_tokens": 2}}


def event(kind: str, **more: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode()


def watching() -> tuple[ResponsesWatch, Call]:
    call = Call("openai", "m", {}, "responses")
    return ResponsesWatch(Provider(), call), call


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
    watch, call = watching()
    content = CREATED + DELTA + COMPLETED
    for at in range(0, len(content), size):
        assert watch.look(content[at : at + size])[1] is False
    watch.look(None)
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
    watch, _call = watching()
    watch.look(CREATED + DELTA + last)
    assert watch.look(None) == (True, False)


@pytest.mark.parametrize(
    "last", [b"", COMPLETED[:-20], event("response.output_item.done", item={"type": "response.completed"})]
)
def test_a_stream_that_does_not_say_how_it_ended_is_cut(last: bytes) -> None:
    watch, _call = watching()
    watch.look(CREATED + DELTA + last)
    with pytest.raises(StreamCutError, match="last event"):
        watch.look(None)


FAILURES = {
    "failed": event("response.failed", response={"id": "r", "error": {"code": "server_error", "message": "down"}}),
    "error": event("error", code="server_error", message="down", param=None),
    "status": event("error", code="429", message="down", param=None),
    "unnamed": b'data: {"type": "error", "code": "server_error", "message": "down"}\n\n',
    "bare": event("response.failed", response={"id": "r"}),
}


@pytest.mark.parametrize("how", FAILURES)
def test_a_failure_is_handed_on_and_written_down(
    road: Any, server: Any, provider: Provider, *, diary: Any, how: str
) -> None:
    server.script(server.stream(CREATED, DELTA, FAILURES[how]))
    create = road.make(provider).client.responses.create
    found = list(road.items(road.run(create(model="m", input="Hi", stream=True))))
    assert [one.type for one in found][:2] == ["response.created", "response.output_text.delta"]
    assert found[2].type == ("error" if how not in {"failed", "bare"} else "response.failed")
    assert diary.outcomes == ["failed"]
    failure = diary.after[0].error
    assert isinstance(failure, openai.RateLimitError if how == "status" else openai.APIError)
    assert ("down" in str(failure)) == (how != "bare")


@pytest.mark.parametrize("head", ["", "event: error\n"])
def test_a_failure_in_an_error_object_is_raised_once(
    road: Any, server: Any, provider: Provider, *, diary: Any, head: str
) -> None:
    server.script(server.stream(CREATED, head.encode() + server.event({"error": {"code": "c", "message": "down"}})))
    create = road.make(provider).client.responses.create
    found = road.items(road.run(create(model="m", input="Hi", stream=True)))
    assert next(found).type == "response.created"
    with pytest.raises(openai.APIError, match=r"^down$"):
        next(found)
    assert list(found) == []
    road.settle()
    assert (diary.outcomes, diary.after[0].error.code) == (["failed"], "c")


def test_a_whole_answer_where_a_stream_was_asked_for_is_refused_and_counted(
    road: Any, server: Any, provider: Provider, diary: Any
) -> None:
    body: Json = {"id": "r", "object": "response", "error": None, "output": [], "usage": USAGE}
    server.script(server.json(body))
    create = road.make(provider).client.responses.create
    with pytest.raises(openai.APIResponseValidationError, match="whole where a stream was asked for") as caught:
        list(road.items(road.run(create(model="m", input="Hi", stream=True))))
    assert caught.value.body == body
    assert (diary.outcomes, diary.after[0].usage) == (["failed"], read_responses_usage(USAGE))


@pytest.mark.parametrize("status", [None, 503])
def test_an_error_where_a_stream_was_asked_for(
    road: Any, server: Any, provider: Provider, *, diary: Any, status: int | None
) -> None:
    server.script(server.json({"error": {"message": "down", "code": status}}))
    create = road.make(provider).client.responses.create
    with pytest.raises(openai.APIError, match="down") as caught:
        list(road.items(road.run(create(model="m", input="Hi", stream=True))))
    assert getattr(caught.value, "status_code", None) == status
    assert diary.outcomes == ["failed"]


def test_what_is_no_stream_of_events_is_handed_on() -> None:
    watch, _call = watching()
    watch.look(b'{"id": "r", "output": []}')
    assert watch.look(None) == (False, False)


def test_what_only_says_that_it_begins_is_no_content() -> None:
    watch, call = watching()
    assert watch.look(CREATED) == (False, False)
    assert watch.look(DELTA) == (True, False)
    assert call.usage is None


@pytest.mark.parametrize("kind", ["response.incomplete", "response.failed"])
def test_responses_that_did_not_come_to_their_end_are_counted_too(kind: str) -> None:
    watch, call = watching()
    watch.look(event(kind, response={"usage": USAGE}))
    assert call.usage == read_responses_usage(USAGE)


@pytest.mark.parametrize(
    "data", [b"response.completed, but no JSON", b'["response.completed"]', b'{"type": "response.completed"}']
)
def test_an_event_that_says_no_counts_leaves_them_unknown(data: bytes) -> None:
    watch, call = watching()
    watch.look(b"data: " + data + b"\n\n")
    assert call.usage is None
