"""OpenAI's JSON as the SDK's own objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

if TYPE_CHECKING:
    from dragoman.core import Provider


@pytest.mark.rule(7)
def test_a_value_that_the_sdk_does_not_know_is_passed_on(road: Any, server: Any, provider: Provider) -> None:
    odd = {**server.COMPLETION, "choices": [{**server.COMPLETION["choices"][0], "finish_reason": "eos"}]}
    server.script(server.json(odd, x_request_id="req-9"))
    completion = road.make(provider).create()
    assert type(completion) is ChatCompletion
    assert completion.choices[0].finish_reason == "eos"
    assert completion._request_id == "req-9"


def test_an_odd_chunk_is_passed_on(road: Any, server: Any, provider: Provider) -> None:
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m1"}
    chunk["choices"] = [{"index": 0, "delta": {"content": "x"}, "finish_reason": "eos"}]
    server.script(server.stream(server.event(chunk)))
    (found,) = road.items(road.make(provider).stream())
    assert type(found) is ChatCompletionChunk
    assert (found.choices[0].delta.content, found.choices[0].finish_reason) == ("x", "eos")


def test_a_stream_shows_the_providers_headers(our_road: Any, server: Any, provider: Provider) -> None:
    stream = our_road.make(provider).stream()
    assert isinstance(stream, openai.AsyncStream if our_road.asynchronous else openai.Stream)
    assert stream.response.headers["content-type"].startswith("text/event-stream")
    assert len(list(our_road.items(stream))) > 1
