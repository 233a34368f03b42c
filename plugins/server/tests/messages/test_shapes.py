"""What clients get has the vendor's own shapes, whatever a provider says; and what is odd is kept."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from dragoman.server.messages.carrier import load, unload
from dragoman.server.messages.errors import TYPES, encode_error
from dragoman.server.messages.response import encode_message, encode_usage, parse_input
from dragoman.server.messages.stream import MessageEncoder, write_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core import Json


@pytest.fixture(scope="module")
def schema_of() -> Callable[[str], Draft202012Validator]:
    """Validators made of the vendor's own types; they are kept beside the recordings."""
    recordings = os.environ.get("DRAGOMAN_RECORDINGS")
    if not recordings:
        pytest.skip("DRAGOMAN_RECORDINGS is unset: there are no vendor schemas to compare with")
    folder = Path(recordings).parent / "schemas"

    def load(name: str) -> Draft202012Validator:
        return Draft202012Validator(json.loads((folder / f"anthropic_{name}.json").read_text("utf-8")))

    return load


def called(arguments: Any) -> Json:
    return {"id": "c1", "type": "function", "function": {"name": "look", "arguments": arguments}}


def completion(reason: str | None = "stop", usage: Json | None = None, **message: Any) -> Json:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    return {"id": "c", "model": "m", "choices": [choice], "usage": usage}


ODD = [
    completion(content=None),
    completion(content="Yes.", usage={"prompt_tokens": 3, "completion_tokens": None}),
    completion("length", content="Ye", reasoning_content="Hm."),
    completion("tool_calls", content=None, tool_calls=[called('{"a": [1]}')]),
    completion("tool_calls", content="Now.", tool_calls=[called(""), called('{"a": '), called("[1]"), called("NaN")]),
    completion("content_filter", content=None, refusal="No."),
    completion("a_reason_of_next_year", content="Yes.", extra_content={"mistralai": {"content": [], "visible": "x"}}),
    completion(None, content="Yes.", reasoning="Hm.", extra_content={"dragoman": {"dropped": ["seed"]}}),
]


@pytest.mark.parametrize("odd", ODD)
def test_messages(schema_of: Any, odd: Json) -> None:
    message = json.loads(json.dumps(encode_message(odd), allow_nan=False))
    schema_of("Message").validate(message)
    assert message["usage"]["input_tokens"] >= 0


@pytest.mark.parametrize("odd", ODD)
def test_events(schema_of: Any, odd: Json) -> None:
    """The same answers as streams, in small pieces, say the same."""
    choice = odd["choices"][0]
    said = {key: value for key, value in choice["message"].items() if value is not None and key != "role"}
    calls = said.pop("tool_calls", [])
    deltas: list[Json] = [
        {key: said[key]} for key in ("reasoning_content", "reasoning", "content", "refusal") if key in said
    ]
    for index, call in enumerate(calls):
        text = call["function"]["arguments"]
        deltas.append({"tool_calls": [{"index": index, **call, "function": {"name": "look", "arguments": ""}}]})
        deltas += [{"tool_calls": [{"index": index, "function": {"arguments": one}}]} for one in text]
    last = {"extra_content": said["extra_content"]} if "extra_content" in said else {}
    head = {"id": "c", "model": "m"}
    chunks: list[Json] = [{**head, "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks.append(
        {**head, "choices": [{"index": 0, "delta": last, "finish_reason": choice["finish_reason"] or "stop"}]}
    )
    if odd["usage"]:
        chunks.append({**head, "choices": [], "usage": odd["usage"]})
    encoder = MessageEncoder()
    events = [event for chunk in chunks for event in encoder.feed(chunk)]
    events += encoder.finish()
    for event in events:
        name, data, end, _ = write_event(event).split(b"\n")
        assert (name, end) == (b"event: " + event["type"].encode(), b"")
        if event["type"] != "ping":
            schema_of("RawMessageStreamEvent").validate(json.loads(data.removeprefix(b"data: ")))
    [told] = [event for event in events if event["type"] == "message_delta"]
    whole = encode_message(odd)
    assert told["delta"]["stop_reason"] == whole["stop_reason"]
    assert told["usage"] == whole["usage"]
    started = [event["content_block"]["type"] for event in events if event["type"] == "content_block_start"]
    assert started == [block["type"] for block in whole["content"]]


@pytest.mark.parametrize("status", [*TYPES, 405, 418, 422, 499, 502, 503, 599, None])
def test_errors(schema_of: Any, status: int | None) -> None:
    error = encode_error(status, {"message": "No.", "type": "server_error", "param": "seed", "code": "x"}, "req_1")
    if status not in {409, 413}:  # the documentation has their types, the SDK has not
        schema_of("ErrorResponse").validate(error)
    assert (error["error"]["message"], error["request_id"]) == ("No.", "req_1")
    assert (error["error"]["code"], error["error"]["param"]) == ("x", "seed")


@pytest.mark.parametrize(
    ("status", "given", "kind"),
    [
        (400, "rate_limit_error", "invalid_request_error"),
        (502, "overloaded_error", "overloaded_error"),
        (None, "rate_limit_error", "rate_limit_error"),
        (None, None, "api_error"),
        (422, None, "invalid_request_error"),
        (503, "x", "api_error"),
    ],
)
def test_the_type_of_an_error_fits_its_status(status: int | None, given: str | None, kind: str) -> None:
    assert encode_error(status, {"message": "No.", "type": given})["error"]["type"] == kind


def test_an_error_without_words_has_some() -> None:
    assert encode_error(500, {})["error"]["message"] == "HTTP 500 without a message"
    assert encode_error(500, "It broke.")["error"]["message"] == "It broke."


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ("", {}),
        (" ", {}),
        (None, {}),
        ({"a": 1}, {"a": 1}),
        ("[1]", {"INVALID_JSON": "[1]"}),
        ('{"a": ', {"INVALID_JSON": '{"a": '}),
        ('{"a": NaN}', {"INVALID_JSON": '{"a": NaN}'}),
        ('{"a": 123456789012345678901234567890}', {"a": 123456789012345678901234567890}),
    ],
)
def test_arguments_become_an_object(text: Any, value: Json) -> None:
    assert parse_input(text) == value


def test_cached_tokens_are_counted_apart() -> None:
    details = {"cached_tokens": 20, "cache_write_tokens": 5}
    usage = {"prompt_tokens": 30, "completion_tokens": 7, "prompt_tokens_details": details}
    assert encode_usage(usage) == {
        "input_tokens": 5,
        "cache_creation_input_tokens": 5,
        "cache_read_input_tokens": 20,
        "output_tokens": 7,
    }
    # A server that counts its cache beside the prompt makes nothing negative.
    assert encode_usage({"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 9}})["input_tokens"] == 0


def test_a_carrier_holds_what_it_is_given_and_nothing_when_it_is_damaged() -> None:
    cargo: Json = {"extra_content": {"mistralai": {"text": "ä\ud83d"}}, "arguments": {"c1": '{"a" : 1}'}}
    block = load(cargo)
    text = {"type": "text", "text": "Yes."}
    assert unload([text, block]) == (cargo, [text])
    assert unload([{**block, "data": block["data"][:-5]}]) == ({}, [])
    signed = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    assert unload([signed, {"type": "redacted_thinking", "data": "ZGF0YQ=="}])[0] == {}
    assert unload([signed])[1] == [signed]
