"""OpenAI's older text completions: what is counted of them, and what is no whole stream."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import openai
import pytest

from dragoman.core import Call, Client, DragomanWarning, Provider, StreamCutError
from dragoman.core.completions import CompletionsWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.timeout(60)

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
ERROR = {"error": {"message": "overloaded", "type": "t", "param": None, "code": 503}}


@pytest.fixture
def piece(server: Any) -> Callable[..., bytes]:
    """Make an event with a piece of a text."""

    def piece(text: str = "", finish_reason: str | None = None, index: int = 0, **more: Any) -> bytes:
        choice = {"index": index, "text": text, "finish_reason": finish_reason, "logprobs": None}
        head = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m1"}
        sent: bytes = server.event({**head, "choices": [choice], **more})
        return sent

    return piece


def pieces_of(road: Any) -> Iterator[Any]:
    stream = road.run(road.client.completions.create(model="m1", prompt="Hi", stream=True))
    return iter(road.items(stream))


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_stream_is_counted_wherever_its_bytes_are_cut(piece: Any, size: int) -> None:
    call = Call("here", "m1", {}, "completions")
    watch = CompletionsWatch(Provider(), call)
    content = piece("a") + piece("", "stop", usage=USAGE)
    found = [watch.look(content[at : at + size]) for at in range(0, len(content), size)]
    assert (found[-1], watch.look(None), call.usage) == ((True, False), (True, False), USAGE)


def test_a_piece_without_text_is_no_content(piece: Any) -> None:
    watch = CompletionsWatch(Provider(), Call("here", "m1", {}, "completions"))
    assert watch.look(piece()) == (False, False)
    assert watch.look(piece(" ")) == (True, False)
    assert watch.look(b"data: [DONE]\n\n") == (True, True)


@pytest.mark.parametrize("end", [b"", b"data: [DONE]\n\n"], ids=["finish_reason", "done"])
def test_a_whole_stream_is_complete(
    road: Any, server: Any, provider: Provider, *, piece: Any, diary: Any, end: bytes
) -> None:
    sent = [piece("a"), piece("b", index=1), piece("", None if end else "stop"), piece("", "length", index=1)]
    counted = server.event({"id": "cmpl-1", "choices": [], "usage": USAGE})
    server.script(server.stream(*sent, counted, *([end] if end else [])))
    road.make(provider)
    assert [one.choices[0].text for one in pieces_of(road) if one.choices] == ["a", "b", "", ""]
    assert (diary.outcomes, diary.after[0].usage) == (["complete"], USAGE)


def test_a_whole_answer_where_a_stream_was_asked_for_is_its_only_event(
    road: Any, server: Any, provider: Provider, diary: Any
) -> None:
    answer = server.json({})
    choices = [{"index": index, "text": "t", "finish_reason": "stop"} for index in range(2)]
    answer.body = json.dumps({"id": "1", "choices": choices, "usage": USAGE}, indent=2).encode()
    server.script(answer)
    road.make(provider)
    (one,) = pieces_of(road)
    assert [(choice.text, choice.finish_reason) for choice in one.choices] == [("t", "stop")] * 2
    assert (diary.outcomes, diary.after[0].usage) == (["complete"], USAGE)


@pytest.mark.parametrize("status", [None, 503])
def test_an_error_where_a_stream_was_asked_for(
    road: Any, server: Any, provider: Provider, *, diary: Any, status: int | None
) -> None:
    server.script(server.json({"error": {"message": "down", "code": status}}))
    create = road.make(provider).client.completions.create
    with pytest.raises(openai.APIError, match="down") as caught:
        list(road.items(road.run(create(model="m", prompt="Hi", stream=True))))
    assert getattr(caught.value, "status_code", None) == status
    assert diary.outcomes == ["failed"]


@pytest.mark.parametrize("sent", [[], ["a"], ["a", "b"]])
def test_a_stream_without_its_end_is_cut(
    road: Any, server: Any, provider: Provider, *, piece: Any, diary: Any, sent: list[str]
) -> None:
    ended = [piece("", "stop", index=1)] if sent else []
    server.script(server.stream(*ended, *map(piece, sent)))
    road.make(provider)
    texts = []
    with pytest.raises(openai.APIConnectionError, match="finish_reason"):
        texts += [one.choices[0].text for one in pieces_of(road) if one.choices]
    assert diary.outcomes == ["failed"]


@pytest.mark.parametrize("error", [ERROR, {"object": "error", **ERROR["error"]}], ids=["nested", "flat"])
def test_an_error_in_the_stream_is_raised(
    road: Any, server: Any, provider: Provider, *, piece: Any, diary: Any, error: Any
) -> None:
    server.script(server.stream(piece("a"), server.event(error), piece("b")))
    road.make(provider)
    found = pieces_of(road)
    assert next(found).choices[0].text == "a"
    with pytest.raises(openai.InternalServerError, match="overloaded") as caught:
        list(found)
    assert caught.value.status_code == 503
    assert diary.outcomes == ["failed"]


def test_a_whole_answer_is_counted_and_an_error_is_one(road: Any, server: Any, provider: Provider, diary: Any) -> None:
    choice = {"index": 0, "text": "t", "finish_reason": "stop"}
    server.script(server.json({"id": "1", "choices": [choice], "usage": USAGE}), server.json(ERROR))
    create = road.make(provider).client.completions.create
    assert road.run(create(model="m1", prompt="Hi")).choices[0].text == "t"
    with pytest.raises(openai.InternalServerError, match="overloaded"):
        road.run(create(model="m1", prompt="Hi"))
    assert [(call.outcome, call.usage) for call in diary.after] == [("complete", USAGE), ("failed", None)]


def test_a_stream_is_labelled_as_one(server: Any, provider: Provider, piece: Any) -> None:
    server.script(server.stream(piece("a", "stop"), content_type="application/json"))
    with Client(default_provider="here", providers=[provider]) as client:
        response = client.completions.with_raw_response.create(model="m1", prompt="Hi", stream=True)
        assert response.headers["content-type"] == "text/event-stream"
        assert [one.choices[0].text for one in response.parse()] == ["a"]


def test_an_error_before_the_first_words_is_passed_on(server: Any, piece: Any) -> None:
    entries = [{"model": "m", "base_url": server.url, "api_key": key} for key in ("k1", "k2")]
    server.script(server.stream(server.event(ERROR)), server.stream(piece("a", "stop")))
    with Client(config_list=entries, max_retries=0) as client:
        with pytest.warns(DragomanWarning, match="overloaded"):
            stream = client.completions.create(model="m", prompt="Hi", stream=True)
        assert [one.choices[0].text for one in stream] == ["a"]
    assert [seen.headers["authorization"] for seen in server.requests] == ["Bearer k1", "Bearer k2"]


def test_a_stream_that_ends_with_nothing_said_is_cut() -> None:
    watch = CompletionsWatch(Provider(), Call("here", "m1", {}, "completions"))
    with pytest.raises(StreamCutError, match="finish_reason"):
        watch.look(None)
