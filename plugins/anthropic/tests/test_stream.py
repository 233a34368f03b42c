"""Anthropic's events -> chunks, and the promise that the sum of the chunks is the unstreamed answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from dragoman.anthropic.formats import ANSWER_TOOL
from dragoman.anthropic.names import tool_names
from dragoman.anthropic.response import decode_message
from dragoman.anthropic.stream import MessageDecoder
from dragoman.core import Call, DragomanWarning, Event, Json, StreamCutError, VendorError, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

START = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-5-5-20260901",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 43, "cache_read_input_tokens": 5, "output_tokens": 1, "service_tier": "standard"},
    },
}
STOP = {"type": "message_stop"}
#: Deeper than any Python reads.
DEEP = '{"a":' + "[" * 100_000 + "]" * 100_000 + "}"
REQUEST: Json = {
    "tools": [
        {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}},
        {"type": "function", "function": {"name": "mcp.files/read", "parameters": {"type": "object"}}},
        {
            "type": "function",
            "function": {"name": "pick", "parameters": {"anyOf": [{"type": "object"}, {"type": "array"}]}},
        },
        {"type": "custom", "custom": {"name": "run"}},
    ]
}


def make_call() -> Call:
    return Call("anthropic", "claude-haiku-5-5", {"stream": True, **REQUEST}, id="call_1", created=1_700_000_000)


def start(index: int, block: Json) -> Json:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, **fields: Any) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": fields}


def stop(index: int) -> Json:
    return {"type": "content_block_stop", "index": index}


def message_delta(reason: str | None = "end_turn", usage: Json | None = None, **fields: Any) -> Json:
    return {
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": None, **fields},
        "usage": usage or {"output_tokens": 9},
    }


def text_block(index: int, *texts: str) -> list[Json]:
    deltas = [delta(index, type="text_delta", text=text) for text in texts]
    return [start(index, {"type": "text", "text": ""}), *deltas, stop(index)]


def tool_block(index: int, name: str, *pieces: str, value: Json | None = None, close: bool = True) -> list[Json]:
    block = {"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": value or {}}
    deltas = [delta(index, type="input_json_delta", partial_json=piece) for piece in pieces]
    return [start(index, block), *deltas, *([stop(index)] if close else [])]


def formatted_call(schema: Json) -> Call:
    """A request for JSON to a model without structured outputs, which a forced tool gives it."""
    chat: Json = {
        "model": "claude-3-haiku-20240307",
        "messages": [],
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
        "stream": True,
    }
    return Call("anthropic", chat["model"], chat, on_unsupported="adapt")


def run(events: Iterable[Json], call: Call | None = None) -> list[Json]:
    decoder = MessageDecoder(call or make_call())
    chunks = [
        chunk
        for event in events
        for chunk in decoder.feed(Event(json.dumps(event, ensure_ascii=False).encode(), str(event.get("type", ""))))
    ]
    return [*chunks, *decoder.finish()]


def deltas_of(chunks: list[Json], key: str) -> list[Any]:
    return [choice["delta"][key] for chunk in chunks for choice in chunk["choices"] if key in choice["delta"]]


def finish_of(chunks: list[Json]) -> Json:
    (choice,) = [choice for chunk in chunks for choice in chunk["choices"] if choice["finish_reason"]]
    return choice  # type: ignore[no-any-return]  # JSON


def carry(chunks: list[Json]) -> Json:
    return finish_of(chunks)["delta"]["extra_content"]["anthropic"]  # type: ignore[no-any-return]  # JSON


def fragments(chunks: list[Json]) -> list[Json]:
    return [fragment for entry in deltas_of(chunks, "tool_calls") for fragment in entry]


@pytest.mark.rule(1, 2, 3, 4, 9, 13, 14, 150, 98)
def test_shape_of_a_stream() -> None:
    chunks = run([START, {"type": "ping"}, *text_block(0, "Hel", "lo"), message_delta(), STOP])
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk)
    heads = {(chunk["id"], chunk["created"], chunk["model"], chunk["object"]) for chunk in chunks}
    assert heads == {("msg_1", 1_700_000_000, "claude-haiku-5-5-20260901", "chat.completion.chunk")}
    assert [chunk["choices"][0]["delta"] for chunk in chunks[:3]] == [
        {"role": "assistant", "content": ""},
        {"content": "Hel"},
        {"content": "lo"},
    ]
    assert chunks[0]["service_tier"] == "default"
    assert [bool(chunk["choices"] and chunk["choices"][0]["finish_reason"]) for chunk in chunks] == [False] * 3 + [
        True,
        False,
    ]
    assert (chunks[-1]["choices"], chunks[-1]["usage"]["total_tokens"]) == ([], 57)
    assert all("usage" not in chunk for chunk in chunks[:-1])


@pytest.mark.rule(1, 3)
def test_gateways_that_leave_out_the_head() -> None:
    for message in ({}, {"id": None, "model": None}):
        chunks = run([{"type": "message_start", "message": dict(message)}, *text_block(0, "Hi"), message_delta(), STOP])
        assert (chunks[0]["id"], chunks[0]["model"]) == ("call_1", "claude-haiku-5-5")
        assert "service_tier" not in chunks[0]
    assert deltas_of(run([*text_block(0, "Hi"), message_delta(), STOP]), "content") == ["", "Hi"]


@pytest.mark.rule(10, 11, 12, 137, 150)
def test_calls_are_counted_apart_from_blocks() -> None:
    chunks = run(
        [
            START,
            *text_block(0, "Both."),
            *tool_block(1, "add", "", '{"a":', "1}"),
            *tool_block(2, "add", '{"a":2}'),
            message_delta("tool_use"),
            STOP,
        ]
    )
    assert fragments(chunks) == [
        {"index": 0, "id": "toolu_1", "type": "function", "function": {"name": "add", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"a":'}},
        {"index": 0, "function": {"arguments": "1}"}},
        {"index": 1, "id": "toolu_2", "type": "function", "function": {"name": "add", "arguments": ""}},
        {"index": 1, "function": {"arguments": '{"a":2}'}},
    ]
    assert finish_of(chunks)["finish_reason"] == "tool_calls"


@pytest.mark.rule(161)
def test_interleaved_blocks_are_kept_apart() -> None:
    first, second = tool_block(0, "add", '{"a":', "1}"), tool_block(1, "add", '{"b":', "2}")
    mixed = [event for pair in zip(first, second, strict=True) for event in pair]
    chunks = run([START, *mixed, message_delta("tool_use"), STOP])
    texts = {0: "", 1: ""}
    for fragment in fragments(chunks):
        texts[fragment["index"]] += fragment["function"]["arguments"]
    assert texts == {0: '{"a":1}', 1: '{"b":2}'}
    assert [block["input"] for block in carry(chunks)["blocks"]] == [{"a": 1}, {"b": 2}]


@pytest.mark.rule(12, 150, 151)
@pytest.mark.parametrize(
    ("pieces", "value", "arguments"),
    [
        ((), {}, "{}"),
        (("",), {}, "{}"),
        ((" ",), {}, " {}"),
        ((), {"a": "ü"}, '{"a":"ü"}'),
        (('{"b":1}',), {"a": 1}, '{"b":1}'),
    ],
)
def test_input_of_the_start_counts_only_without_deltas(pieces: tuple[str, ...], value: Json, arguments: str) -> None:
    chunks = run([START, *tool_block(0, "add", *pieces, value=value), message_delta("tool_use"), STOP])
    assert "".join(fragment["function"]["arguments"] for fragment in fragments(chunks)) == arguments
    assert carry(chunks)["blocks"][0]["input"] == json.loads(arguments)


@pytest.mark.rule(30, 11, 12)
def test_the_first_tool_interface_streams_in_its_own_form() -> None:
    call = Call("anthropic", "m", {"stream": True, "functions": [{"name": "add"}]})
    events = [START, *tool_block(0, "add", '{"a":', "1}"), *tool_block(1, "add", "{}"), message_delta("tool_use"), STOP]
    chunks = run(events, call)
    assert deltas_of(chunks, "function_call") == [
        {"name": "add", "arguments": ""},
        {"arguments": '{"a":'},
        {"arguments": "1}"},
    ]
    assert fragments(chunks) == []
    assert finish_of(chunks)["finish_reason"] == "function_call"
    message = {"role": "assistant", "extra_content": finish_of(chunks)["delta"]["extra_content"]}
    message["function_call"] = {"name": "add", "arguments": '{"a":1}'}
    assert unpack(message, "anthropic")[1]
    assert not unpack({**message, "function_call": {"name": "add", "arguments": "{}"}}, "anthropic")[1]


@pytest.mark.rule(68, 69, 159)
def test_rewritten_names_come_back_in_the_first_fragment() -> None:
    wire = tool_names(REQUEST)["mcp.files/read"]
    chunks = run([START, *tool_block(0, wire, "{}"), message_delta("tool_use"), STOP])
    assert fragments(chunks)[0]["function"]["name"] == "mcp.files/read"
    assert carry(chunks)["blocks"][0]["name"] == wire


@pytest.mark.rule(9)
@pytest.mark.parametrize("events", [tool_block(0, "add", "{}"), tool_block(0, "run"), [start(0, {"type": "new"})], []])
def test_the_role_comes_first_whatever_follows(events: list[Json]) -> None:
    chunks = run([START, *events, message_delta(), STOP])
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert not any("role" in delta for delta in deltas[1:])


@pytest.mark.rule(12, 17, 64, 78)
def test_calls_that_nobody_closed_are_all_completed_at_the_end() -> None:
    events = [
        *tool_block(0, "pick", close=False, value={"value": [1]}),
        *tool_block(1, "run", '{"input":"x"}', close=False),
    ]
    chunks = run([START, *events, message_delta("tool_use"), STOP])
    assert fragments(chunks)[2:] == [
        {"index": 0, "function": {"arguments": "[1]"}},
        {"index": 1, "custom": {"input": "x"}},
    ]


@pytest.mark.rule(64, 65)
def test_wrapped_arguments_are_sent_when_complete() -> None:
    chunks = run([START, *tool_block(0, "pick", '{"value": ', "[1, 2]}"), message_delta("tool_use"), STOP])
    assert [fragment["function"]["arguments"] for fragment in fragments(chunks)] == ["", "[1,2]"]
    assert carry(chunks)["blocks"][0]["input"] == {"value": [1, 2]}


@pytest.mark.rule(78)
def test_custom_tools_stream_their_text() -> None:
    chunks = run([START, *tool_block(0, "run", '{"input": "a\\n', 'b"}'), message_delta("tool_use"), STOP])
    assert fragments(chunks) == [
        {"index": 0, "id": "toolu_0", "type": "custom", "custom": {"name": "run", "input": ""}},
        {"index": 0, "custom": {"input": "a\nb"}},
    ]
    message = {"role": "assistant", "extra_content": finish_of(chunks)["delta"]["extra_content"]}
    message["tool_calls"] = [{"id": "toolu_0", "type": "custom", "custom": {"name": "run", "input": "a\nb"}}]
    assert unpack(message, "anthropic")[1]


@pytest.mark.rule(108)
@pytest.mark.parametrize(
    ("kind", "pieces", "value", "contents"),
    [
        ("object", ('{"value": ', "1}"), {}, ["", '{"value": ', "1}"]),
        ("array", ('{"value": ', "[1, 2]}"), {}, ["", "[1,2]"]),
        ("object", (), {"a": 1}, ["", '{"a":1}']),
        ("object", (), {}, ["", "{}"]),
        ("object", ('{"a": "cut',), {}, ["", '{"a": "cut']),
    ],
)
def test_tool_that_stands_in_for_a_format_streams_as_text(
    kind: str, pieces: tuple[str, ...], value: Json, contents: list[str]
) -> None:
    events = [START, *tool_block(0, ANSWER_TOOL, *pieces, value=value), message_delta("tool_use"), STOP]
    chunks = run(events, formatted_call({"type": kind}))
    assert deltas_of(chunks, "content") == contents
    assert fragments(chunks) == []
    assert finish_of(chunks)["finish_reason"] == "stop"
    assert carry(chunks)["blocks"] == [{"type": "text", "text": "".join(contents)}]


@pytest.mark.rule(8, 83)
@pytest.mark.parametrize("name", ["add", "pick", "run"])
@pytest.mark.parametrize("text", ['{"a": "cut of', "[1]", '{"a": 1e999}', pytest.param(DEEP, id="deep")])
@pytest.mark.parametrize("close", [True, False])
def test_cut_arguments_stay_as_they_are(name: str, text: str, close: bool) -> None:
    chunks = run([START, *tool_block(0, name, text, close=close), message_delta("max_tokens"), STOP])
    parts = [fragment.get("function") or fragment["custom"] for fragment in fragments(chunks)]
    assert "".join(part["input" if name == "run" else "arguments"] for part in parts) == text
    assert carry(chunks)["blocks"][0]["input"] == {"INVALID_JSON": text}
    assert finish_of(chunks)["finish_reason"] == "length"


@pytest.mark.rule(127, 138, 153)
def test_thinking_streams_as_reasoning_and_is_carried_with_its_signature() -> None:
    chunks = run(
        [
            START,
            start(0, {"type": "thinking", "thinking": "", "signature": ""}),
            delta(0, type="thinking_delta", thinking="One"),
            delta(0, type="thinking_delta", thinking="."),
            delta(0, type="signature_delta", signature="s0"),
            stop(0),
            start(1, {"type": "redacted_thinking", "data": "xyz"}),
            stop(1),
            start(2, {"type": "thinking", "thinking": "", "signature": ""}),
            delta(2, type="thinking_delta", thinking=""),
            delta(2, type="signature_delta", signature="s2"),
            stop(2),
            start(3, {"type": "thinking", "thinking": "Two", "signature": "s3"}),
            delta(3, type="thinking_delta", thinking="!"),
            stop(3),
            *text_block(4, "Done"),
            message_delta(),
            STOP,
        ]
    )
    assert deltas_of(chunks, "reasoning_content") == ["One", ".", "\n\nTwo", "!"]
    assert deltas_of(chunks, "content") == ["", "Done"]
    assert carry(chunks)["blocks"] == [
        {"type": "thinking", "thinking": "One.", "signature": "s0"},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "thinking", "thinking": "", "signature": "s2"},
        {"type": "thinking", "thinking": "Two!", "signature": "s3"},
        {"type": "text", "text": "Done"},
    ]


@pytest.mark.rule(138)
def test_thoughts_that_come_whole_are_set_apart_too() -> None:
    whole = [start(index, {"type": "thinking", "thinking": text, "signature": "s"}) for index, text in enumerate("ab")]
    chunks = run([START, whole[0], stop(0), whole[1], stop(1), message_delta(), STOP])
    assert deltas_of(chunks, "reasoning_content") == ["a", "\n\nb"]


@pytest.mark.rule(132)
def test_cut_thinking_is_not_carried() -> None:
    open_block = [
        start(0, {"type": "thinking", "thinking": "", "signature": ""}),
        delta(0, type="thinking_delta", thinking="Hm"),
    ]
    chunks = run([START, *open_block, *text_block(1, "So"), message_delta("max_tokens"), STOP])
    assert deltas_of(chunks, "reasoning_content") == ["Hm"]
    assert carry(chunks)["blocks"] == [{"type": "text", "text": "So"}]
    signed = [*open_block, delta(0, type="signature_delta", signature="s")]
    chunks = run([START, *signed, message_delta("max_tokens"), STOP])
    assert carry(chunks)["blocks"] == [{"type": "thinking", "thinking": "Hm", "signature": "s"}]


@pytest.mark.rule(58, 135, 139, 153)
def test_server_tools_citations_and_compactions_are_carried_only() -> None:
    web = {
        "type": "web_search_result_location",
        "url": "https://a.example",
        "title": "A",
        "encrypted_index": "e",
        "cited_text": "c",
    }
    result = {
        "type": "web_search_tool_result",
        "tool_use_id": "srvtoolu_1",
        "content": [{"type": "web_search_result", "url": "u"}],
    }
    chunks = run(
        [
            START,
            start(0, {"type": "compaction", "content": None, "encrypted_content": None}),
            delta(0, type="compaction_delta", content="So far", encrypted_content="xx"),
            stop(0),
            start(1, {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}),
            delta(1, type="input_json_delta", partial_json='{"query": "q"}'),
            stop(1),
            start(2, result),
            stop(2),
            *text_block(3, "It is "),
            start(4, {"citations": [], "type": "text", "text": ""}),
            delta(4, type="citations_delta", citation=web),
            delta(4, type="text_delta", text="blue"),
            delta(4, type="citations_delta", citation={**web, "title": None}),
            stop(4),
            start(5, {"type": "text", "text": "!"}),
            delta(5, type="citations_delta", citation={"type": "page_location"}),
            stop(5),
            message_delta(),
            STOP,
        ]
    )
    assert fragments(chunks) == []
    assert deltas_of(chunks, "content") == ["", "It is ", "blue", "!"]
    assert [
        (entry["url_citation"]["start_index"], entry["url_citation"]["end_index"])
        for entry in deltas_of(chunks, "annotations")[0]
    ] == [(6, 10), (6, 10)]
    assert "annotations" in finish_of(chunks)["delta"]
    assert carry(chunks)["blocks"] == [
        {"type": "compaction", "content": "So far", "encrypted_content": "xx"},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
        result,
        {"type": "text", "text": "It is "},
        {"type": "text", "text": "blue", "citations": [web, {**web, "title": None}]},
        {"type": "text", "text": "!", "citations": [{"type": "page_location"}]},
    ]


@pytest.mark.rule(154)
def test_usage_of_the_end_replaces_and_completes_that_of_the_start() -> None:
    usage = {
        "input_tokens": 61,
        "output_tokens": 9,
        "cache_creation_input_tokens": None,
        "output_tokens_details": {"thinking_tokens": 2},
    }
    chunks = run([START, *text_block(0, "Hi"), message_delta(usage=usage), STOP])
    assert chunks[-1]["usage"] == {
        "prompt_tokens": 66,
        "completion_tokens": 9,
        "total_tokens": 75,
        "prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    assert carry(chunks)["usage"] == {
        "input_tokens": 61,
        "cache_read_input_tokens": 5,
        "output_tokens": 9,
        "service_tier": "standard",
        "output_tokens_details": {"thinking_tokens": 2},
    }


@pytest.mark.rule(16)
def test_no_usage_at_all_is_zero() -> None:
    chunks = run([*text_block(0, "Hi"), {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, STOP])
    assert chunks[-1]["usage"]["total_tokens"] == 0
    chunks = run([*text_block(0, "Hi"), {"type": "message_delta"}, STOP])
    assert finish_of(chunks)["finish_reason"] == "stop"
    chunks = run([{"type": "message_start", "message": {}}, *text_block(0, "Hi"), STOP])
    assert chunks[-1]["usage"]["total_tokens"] == 0


@pytest.mark.rule(144, 155)
def test_end_of_the_message_is_carried() -> None:
    event = message_delta("stop_sequence", stop_sequence="END", container={"id": "c"}, stop_details=None)
    chunks = run([START, *text_block(0, "Hi"), {**event, "context_management": {"applied_edits": []}}, STOP])
    data = carry(chunks)
    assert {
        key: data[key] for key in ("v", "model", "stop_reason", "stop_sequence", "container", "context_management")
    } == {
        "v": 1,
        "model": "claude-haiku-5-5-20260901",
        "stop_reason": "stop_sequence",
        "stop_sequence": "END",
        "container": {"id": "c"},
        "context_management": {"applied_edits": []},
    }
    assert "stop_details" not in data
    assert len(deltas_of(chunks, "extra_content")) == 1


@pytest.mark.rule(143, 162)
def test_refusal_in_the_middle_of_a_stream() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "No more."}
    chunks = run([START, *text_block(0, "Well"), message_delta("refusal", stop_details=details), STOP])
    assert deltas_of(chunks, "content") == ["", "Well"]
    assert deltas_of(chunks, "refusal") == ["No more."]
    assert "refusal" not in finish_of(chunks)["delta"]
    assert finish_of(chunks)["finish_reason"] == "content_filter"
    message = {"content": "Well", "refusal": "No more.", "extra_content": finish_of(chunks)["delta"]["extra_content"]}
    assert unpack(message, "anthropic")[1]


@pytest.mark.rule(3)
def test_fallback_before_the_first_word_names_the_model_that_answers() -> None:
    fallback = {"type": "fallback", "from": {"model": "a"}, "to": {"model": "claude-b"}}
    chunks = run([START, start(0, dict(fallback)), stop(0), *text_block(1, "Hi"), message_delta(), STOP])
    assert {chunk["model"] for chunk in chunks} == {"claude-b"}
    assert (carry(chunks)["model"], carry(chunks)["blocks"][0]) == ("claude-b", fallback)


@pytest.mark.rule(2, 3)
def test_fallback_later_changes_the_carry_only() -> None:
    fallback = {"type": "fallback", "from": {"model": "a"}, "to": {"model": "claude-b"}}
    chunks = run([START, *text_block(0, "Hi"), start(1, fallback), stop(1), message_delta(), STOP])
    assert {chunk["model"] for chunk in chunks} == {"claude-haiku-5-5-20260901"}
    assert carry(chunks)["model"] == "claude-b"


@pytest.mark.rule(19, 152)
def test_unknown_events_and_pings_are_passed_over() -> None:
    decoder = MessageDecoder(make_call())
    events = [b'{"type":"ping"}', b'{"type":"event_of_next_year","x":1}', b"[]", b"{}", b"[DONE]"]
    assert [list(decoder.feed(Event(data))) for data in events] == [[]] * 5


@pytest.mark.rule(19, 152)
def test_unknown_delta_is_passed_over_and_warned_of() -> None:
    events = [
        START,
        start(0, {"type": "text", "text": ""}),
        delta(0, type="hologram_delta", cube="x"),
        stop(0),
        message_delta(),
        STOP,
    ]
    with pytest.warns(DragomanWarning, match="hologram_delta"):
        chunks = run(events)
    assert carry(chunks)["blocks"] == [{"type": "text", "text": ""}]


@pytest.mark.rule(7, 19)
def test_each_unknown_word_is_told_once_at_each_provider() -> None:
    def events(kind: str, reason: str) -> list[Json]:
        odd = delta(0, type=kind)
        return [START, start(0, {"type": "text", "text": ""}), odd, odd, stop(0), message_delta(reason), STOP]

    told = [("acme", "a", "end_turn"), ("acme", "b", "end_turn"), ("ajax", "a", "end_turn"), ("ajax", "a", "nap")]
    with pytest.warns(DragomanWarning) as caught:
        answers = [run(events(kind, reason), Call(provider, "m", {})) for provider, kind, reason in told]
    assert [finish_of(chunks)["finish_reason"] for chunks in answers] == ["stop"] * 4
    assert [" ".join(str(warning.message).split()[:4]) for warning in caught] == [
        "acme: unknown delta 'a'",
        "acme: unknown delta 'b'",
        "ajax: unknown delta 'a'",
        "ajax: unknown stop_reason 'nap',",
    ]


def test_type_may_stand_in_the_events_name_only() -> None:
    decoder = MessageDecoder(make_call())
    data = json.dumps({"index": 0, "content_block": {"type": "text", "text": "Hi"}}).encode()
    assert deltas_of(list(decoder.feed(Event(data, "content_block_start"))), "content") == ["", "Hi"]


def test_half_an_emoji_is_delivered() -> None:
    decoder = MessageDecoder(make_call())
    data = b'{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"\\ud83d"}}'
    assert deltas_of(list(decoder.feed(Event(data))), "content") == ["", "\ud83d"]


def test_what_is_not_json_is_an_error() -> None:
    with pytest.raises(ValueError, match="Expecting"):
        MessageDecoder(make_call()).feed(Event(b"<html>", "message_start"))


def test_delta_of_a_block_that_never_began_is_an_error() -> None:
    with pytest.raises(LookupError):
        run([START, delta(3, type="text_delta", text="Hi")])


@pytest.mark.rule(156)
@pytest.mark.parametrize(
    ("event", "status", "code"),
    [
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, 529, "overloaded_error"),
        ({"type": "error", "error": {"type": "rate_limit_error", "message": "Slow"}}, 429, "rate_limit_exceeded"),
        ({"error": {"message": "boom"}}, None, None),
        ({"type": "error"}, None, "error"),
    ],
)
def test_error_in_the_middle(event: Json, status: int | None, code: str | None) -> None:
    with pytest.raises(VendorError) as caught:
        run([START, *text_block(0, "Hi"), event])
    assert (caught.value.status, caught.value.error["code"]) == (status, code)


@pytest.mark.rule(17)
@pytest.mark.parametrize(
    "events", [[], [START], [START, *text_block(0, "Hi")], [START, *text_block(0, "Hi"), message_delta(None)]]
)
def test_a_stream_that_was_cut_never_looks_complete(events: list[Json]) -> None:
    decoder = MessageDecoder(make_call())
    chunks = [chunk for event in events for chunk in decoder.feed(Event(json.dumps(event).encode()))]
    assert not any(choice["finish_reason"] for chunk in chunks for choice in chunk["choices"])
    with pytest.raises(StreamCutError, match=r"^the stream ended before message_stop$"):
        list(decoder.finish())


@pytest.mark.rule(17)
def test_a_stream_that_told_its_stop_reason_is_whole() -> None:
    whole = run([START, *text_block(0, "Hi"), message_delta(), STOP])
    assert run([START, *text_block(0, "Hi"), message_delta()]) == whole


def test_nothing_comes_after_the_end() -> None:
    whole = run([START, *text_block(0, "Hi"), message_delta(), STOP])
    assert run([START, *text_block(0, "Hi"), message_delta(), STOP, START, {"type": "error", "error": {}}, {}]) == whole


@pytest.mark.rule(158)
def test_a_message_that_begins_anew() -> None:
    assert (
        run([START, START, *text_block(0, "Hi"), message_delta(), STOP])[0]["choices"][0]["delta"]["role"]
        == "assistant"
    )
    with pytest.raises(VendorError) as caught:
        run([START, *text_block(0, "Hi"), START])
    assert caught.value.error == {
        "message": "Anthropic's stream began a second message inside the first; ask again",
        "type": "api_error",
        "param": None,
        "code": "stream_restarted",
    }
    assert caught.value.status is None


def test_closing_a_block_twice_does_nothing() -> None:
    events = [START, *tool_block(0, "add"), stop(0), message_delta("tool_use"), STOP]
    assert [fragment["function"]["arguments"] for fragment in fragments(run(events))] == ["", "{}"]


# The promise: whatever Anthropic answers, streamed or not, the caller holds the same message.

texts = st.text(min_size=1, max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(st.text(max_size=5), json_values, max_size=3)
citations = st.builds(
    lambda kind, title: {"type": kind, "url": "https://a.example", "title": title, "cited_text": "c"},
    st.sampled_from(["web_search_result_location", "page_location", "search_result_location"]),
    st.none() | texts,
)
blocks = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, texts),
    st.builds(
        lambda text, cited: {"type": "text", "text": text, "citations": cited},
        texts,
        st.lists(citations, min_size=1, max_size=3),
    ),
    st.builds(
        lambda text, signature: {"type": "thinking", "thinking": text, "signature": signature},
        st.just("") | texts,
        st.text("abc=", min_size=1, max_size=8),
    ),
    st.builds(lambda data: {"type": "redacted_thinking", "data": data}, texts),
    st.builds(
        lambda name, value: {"type": "tool_use", "name": name, "input": value},
        st.sampled_from(["add", tool_names(REQUEST)["mcp.files/read"], "unknown"]),
        objects,
    ),
    st.builds(lambda value: {"type": "tool_use", "name": "pick", "input": {"value": value}}, json_values),
    st.builds(lambda value: {"type": "server_tool_use", "name": "web_search", "input": value}, objects),
    st.builds(lambda value: {"type": "web_search_tool_result", "content": [value]}, objects),
)
counts = st.none() | st.integers(0, 10**6)


@st.composite
def messages(draw: Callable[..., Any]) -> Json:
    content = draw(st.lists(blocks, max_size=6))
    for number, block in enumerate(content):
        if block["type"] in {"tool_use", "server_tool_use"}:
            block["id"] = f"{'srv' if block['type'] != 'tool_use' else ''}toolu_{number}"
    reason = draw(st.sampled_from(["end_turn", "tool_use", "max_tokens", "refusal", "stop_sequence", "pause_turn"]))
    message = {
        **START["message"],  # type: ignore[dict-item]  # JSON
        "content": content,
        "stop_reason": reason,
        "stop_sequence": "END" if reason == "stop_sequence" else None,
        "usage": {
            "input_tokens": draw(st.integers(0, 99)),
            "cache_read_input_tokens": draw(counts),
            "output_tokens": draw(counts),
        },
    }
    if reason == "refusal":
        message["stop_details"] = {"type": "refusal", "category": None, "explanation": draw(st.none() | texts)}
    return message


def stream_of(message: Json, cut: Callable[[str], list[str]]) -> list[Json]:
    """What Anthropic would have sent, had this message been asked for as a stream."""
    empty = {"text": "", "thinking": "", "signature": "", "citations": []}
    kinds = {"text": "text_delta", "thinking": "thinking_delta", "signature": "signature_delta"}
    events: list[Json] = []
    for index, block in enumerate(message["content"]):
        written = block["type"] in {"tool_use", "server_tool_use"}
        first = {key: empty.get(key, value) for key, value in block.items()}
        events.append(start(index, {**first, "input": {}} if written else first))
        if written:
            pieces = (
                cut(json.dumps(block["input"], ensure_ascii=False, separators=(",", ":"))) if block["input"] else [""]
            )
            events += [delta(index, type="input_json_delta", partial_json=piece) for piece in pieces]
        for citation in block.get("citations", ()):
            events.append(delta(index, type="citations_delta", citation=citation))
        for key in ("text", "thinking"):
            events += (
                [delta(index, type=kinds[key], **{key: piece}) for piece in cut(block[key])] if key in block else []
            )
        if "signature" in block:
            events.append(delta(index, type="signature_delta", signature=block["signature"]))
        events.append(stop(index))
    begin = {
        **message,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**message["usage"], "output_tokens": 1},
    }
    begin.pop("stop_details", None)
    end = {key: message.get(key) for key in ("stop_reason", "stop_sequence", "stop_details") if key in message}
    usage = {"output_tokens": message["usage"]["output_tokens"] or 0}
    return [
        {"type": "message_start", "message": begin},
        *events,
        {"type": "message_delta", "delta": end, "usage": usage},
        STOP,
    ]


def visible(message: Json) -> Json:
    calls = [
        (call["id"], call["type"], call["function"]["name"], call["function"]["arguments"])
        for call in message.get("tool_calls") or ()
    ]
    keys = ("refusal", "annotations", "reasoning_content", "extra_content")
    return {"content": message.get("content") or None, "tool_calls": calls, **{key: message.get(key) for key in keys}}


@pytest.mark.rule(9, 10, 11, 12, 13, 14, 150, 153, 154, 155)
@settings(max_examples=200, deadline=None)
@given(messages(), st.integers(1, 7))
def test_the_sum_of_the_chunks_is_the_unstreamed_answer(message: Json, width: int) -> None:
    message["usage"]["output_tokens"] = message["usage"]["output_tokens"] or 0
    whole = decode_message(make_call(), message)
    chunks = run(stream_of(message, lambda text: [text[at : at + width] for at in range(0, len(text), width)]))
    state: ChatCompletionStreamState[Any] = ChatCompletionStreamState()
    for chunk in chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    streamed = json.loads(json.dumps(state.current_completion_snapshot.to_dict()))
    for key in ("id", "created", "model", "usage", "service_tier"):
        assert streamed.get(key) == whole.get(key), key
    assert streamed["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert visible(streamed["choices"][0]["message"]) == visible(whole["choices"][0]["message"])
    data, unedited = unpack(streamed["choices"][0]["message"], "anthropic")
    assert unedited
    assert data is not None
    assert data["blocks"] == message["content"]
