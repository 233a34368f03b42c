"""Recorded answers of Anthropic: every one is decoded, valid for openai's types, and carried without loss."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anthropic
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from dragoman.anthropic.failures import decode_error
from dragoman.anthropic.response import decode_message
from dragoman.anthropic.stream import MessageDecoder
from dragoman.core import Call, Event, Json, VendorError, unpack
from dragoman.core.errors import http_library

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What the installed SDK is built on: httpx before anthropic 1, httpx2 since.
HTTP = http_library(anthropic)
FOLDER = os.environ.get("DRAGOMAN_RECORDINGS")
#: A gateway's recording that begins a second message inside the first.
SPLICED = "spliced-message-start"


def recorded(*, streamed: bool, ok: bool = True) -> list[Any]:
    if not FOLDER:
        return [pytest.param(None, marks=pytest.mark.skip(reason="DRAGOMAN_RECORDINGS is unset"), id="unset")]
    lines = [
        json.loads(line)
        for path in sorted(Path(FOLDER).glob("*anthropic*.jsonl"))
        for line in path.read_text("utf-8").splitlines()
    ]
    return [
        pytest.param(line, id=line["id"])
        for line in lines
        if (line["response"]["status"] == 200) is ok
        and bool(line["response"]["sse"]) is streamed
        and (not ok or line["kind"] == "messages")
        and (streamed or isinstance(line["response"]["body"], dict))
    ]


def events_in(text: str) -> Iterator[Event]:
    for block in text.replace("\r\n", "\n").split("\n\n"):
        fields = dict(line.split(":", 1) for line in block.splitlines() if ":" in line)
        if "data" in fields:
            yield Event(fields["data"].strip().encode(), fields.get("event", "").strip())


def make_call(line: Json) -> Call:
    # The request is not translated here, so names are what Anthropic was sent.
    return Call("anthropic", "asked-for", {"stream": bool(line["response"]["sse"])}, id="call_1", created=1)


def chunks_of(line: Json) -> list[Json]:
    decoder = MessageDecoder(make_call(line))
    chunks = [chunk for event in events_in(line["response"]["sse"]) for chunk in decoder.feed(event)]
    return [*chunks, *decoder.finish()]


def first_answer(text: str) -> str:
    """Some files hold two answers, or OpenAI's end of a stream behind Anthropic's."""
    head, end, tail = text.partition("event: message_stop")
    return head + end + tail.partition("\n\n")[0] + "\n\n"


def message_by_the_sdk(text: str) -> Json:
    """The message that the official SDK makes of a stream."""

    def answer(request: Any) -> Any:
        return HTTP.Response(200, headers={"content-type": "text/event-stream"}, content=text.encode())

    with (
        HTTP.Client(transport=HTTP.MockTransport(answer)) as http,
        anthropic.Anthropic(api_key="key", http_client=http) as client,
        client.beta.messages.stream(model="m", max_tokens=1, messages=[]) as stream,
    ):
        return stream.get_final_message().to_dict(mode="json")


def without_nulls(value: Any) -> Any:
    """Drop what the SDK's types add: null fields, and `parsed_output` of its own."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None and key != "parsed_output"}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def check_message(message: Json, finish_reason: str, blocks: list[Json]) -> None:
    calls = message.get("tool_calls") or []
    assert [call["id"] for call in calls] == [block["id"] for block in blocks if block["type"] == "tool_use"]
    assert all(isinstance(json.loads(call["function"]["arguments"]), dict) for call in calls)
    assert finish_reason in {"stop", "length", "tool_calls", "content_filter"}
    if finish_reason == "tool_calls":
        assert calls
    data, unedited = unpack(json.loads(json.dumps(message)), "anthropic")
    assert unedited
    assert data is not None
    assert json.dumps(data["blocks"]) == json.dumps(blocks)


@pytest.mark.rule(1, 3, 5, 6, 7, 8, 16, 20, 136, 137, 139, 141, 145, 127, 135)
@pytest.mark.parametrize("line", recorded(streamed=False))
def test_whole_answers(line: Json) -> None:
    body = line["response"]["body"]
    decoded = decode_message(make_call(line), body)
    completion = ChatCompletion.model_validate(json.loads(json.dumps(decoded)))
    assert (completion.id, completion.model) == (body["id"], body["model"])
    assert completion.usage is not None
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    message = completion.choices[0].message.to_dict()
    assert message["content"] != ""
    check_message(message, completion.choices[0].finish_reason, body["content"])


@pytest.mark.rule(2, 4, 9, 10, 11, 12, 13, 14, 150, 151, 153, 154, 155, 161)
@pytest.mark.parametrize("line", recorded(streamed=True))
def test_streams(line: Json) -> None:
    if SPLICED in line["source"]:
        with pytest.raises(VendorError):
            chunks_of(line)
        return
    chunks = chunks_of(line)
    state: ChatCompletionStreamState[Any] = ChatCompletionStreamState()
    for chunk in chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(json.loads(json.dumps(chunk))))
    check_chunks(chunks)
    choice = state.current_completion_snapshot.to_dict()["choices"][0]  # type: ignore[index]  # JSON
    truth = message_by_the_sdk(first_answer(line["response"]["sse"]))
    carried = choice["message"]["extra_content"]["anthropic"]
    assert without_nulls(carried["blocks"]) == without_nulls(truth["content"])
    assert carried["stop_reason"] == truth["stop_reason"]
    # The recorded stream, put together by the SDK and decoded whole, is the same answer.
    whole = decode_message(make_call(line), {**truth, "content": carried["blocks"]})["choices"][0]
    assert choice["finish_reason"] == whole["finish_reason"]
    assert (choice["message"]["content"] or None) == whole["message"]["content"]
    for key in ("refusal", "reasoning_content", "annotations"):
        assert choice["message"].get(key) == whole["message"].get(key)
    check_message(choice["message"], choice["finish_reason"], carried["blocks"])


def check_chunks(chunks: list[Json]) -> None:
    assert len({(chunk["id"], chunk["created"], chunk["model"], chunk["object"]) for chunk in chunks}) == 1
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert ["role" in delta for delta in deltas] == [True] + [False] * (len(deltas) - 1)
    seen: Counter[int] = Counter()
    for delta in deltas:
        for fragment in delta.get("tool_calls", ()):
            index = fragment["index"]
            assert index <= len(seen)
            assert ("id" in fragment) is ("type" in fragment) is ("name" in fragment["function"]) is (index not in seen)
            seen[index] += 1
    finished = [bool(choice["finish_reason"]) for chunk in chunks for choice in chunk["choices"]]
    assert finished == [False] * (len(finished) - 1) + [True]
    assert ["usage" in chunk for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    usage = chunks[-1]["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


@pytest.mark.rule(163)
@pytest.mark.parametrize("line", recorded(streamed=False, ok=False))
def test_failures(line: Json) -> None:
    body = line["response"]["body"]
    error = decode_error(line["response"]["status"], body)
    assert error["message"] == body["error"]["message"]
    assert error["type"] == body["error"]["type"]
    codes = {401: "invalid_api_key", 404: "model_not_found", 400: "invalid_request_error", 529: "overloaded_error"}
    assert error["code"] == codes[line["response"]["status"]]
