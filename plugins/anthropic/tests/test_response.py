"""Whole Messages -> chat completions."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from anthropic.types import Message, TextBlock, ToolUseBlock, Usage
from openai.types.chat import ChatCompletion

from dragoman.anthropic.formats import ANSWER_TOOL
from dragoman.anthropic.names import tool_names
from dragoman.anthropic.response import decode_message, decode_stop_reason, decode_usage
from dragoman.core import Call, DragomanWarning, Json, unpack

TEXT = {"type": "text", "text": "Hello"}


def make_call(**request: Any) -> Call:
    return Call("anthropic", "claude-haiku-5-5", request, id="call_1", created=1_700_000_000)


def formatted_call(schema: Json) -> Call:
    """A request for JSON to a model without structured outputs, which a forced tool gives it."""
    chat: Json = {
        "model": "claude-3-haiku-20240307",
        "messages": [],
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
    }
    return Call("anthropic", chat["model"], chat, on_unsupported="adapt")


def make_message(*blocks: Json, **fields: Any) -> Json:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-5-5-20260901",
        "content": list(blocks),
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 5},
        **fields,
    }


def decode(*blocks: Json, request: Json | None = None, **fields: Any) -> ChatCompletion:
    body = make_message(*blocks, **fields)
    before = copy.deepcopy(body)
    decoded = decode_message(make_call(**(request or {})), body)
    assert body == before, "the translator changed its argument"
    return ChatCompletion.model_validate(json.loads(json.dumps(decoded)))


def carry(completion: ChatCompletion) -> Json:
    data, unedited = unpack(completion.choices[0].message.to_dict(), "anthropic")
    assert data is not None
    assert unedited
    return data


def tool_use(name: str = "add", value: Json | None = None, **fields: Any) -> Json:
    return {"type": "tool_use", "id": "toolu_1", "name": name, "input": value or {}, **fields}


def function(name: str, parameters: Json | None = None) -> Json:
    return {"type": "function", "function": {"name": name, "parameters": parameters or {"type": "object"}}}


@pytest.mark.rule(1, 2, 3, 4, 20)
def test_envelope_is_the_vendors_where_it_has_one() -> None:
    completion = decode(TEXT)
    assert completion.id == "msg_1"
    assert completion.model == "claude-haiku-5-5-20260901"
    assert completion.created == 1_700_000_000
    assert completion.object == "chat.completion"
    assert completion.choices[0].message.content == "Hello"
    assert completion.choices[0].finish_reason == "stop"


@pytest.mark.rule(4, 20)
def test_envelope_has_openais_keys_and_no_others() -> None:
    body = make_message(TEXT)
    decoded = decode_message(make_call(), body)
    assert decoded.keys() == {"id", "object", "created", "model", "choices", "usage"}
    (choice,) = decoded["choices"]
    assert (choice.pop("message")["content"], choice) == (
        "Hello",
        {"index": 0, "finish_reason": "stop", "logprobs": None},
    )


@pytest.mark.rule(1, 3, 19)
def test_envelope_falls_back_to_the_call() -> None:
    completion = decode(TEXT, id=None, model=None)
    assert (completion.id, completion.model) == ("call_1", "claude-haiku-5-5")


def test_reads_what_the_sdk_makes() -> None:
    message = Message(
        id="msg_9",
        type="message",
        role="assistant",
        model="claude-opus-5-5",
        content=[
            TextBlock(type="text", text="Let me see."),
            ToolUseBlock(type="tool_use", id="toolu_9", name="look", input={"at": [1, 2]}),
        ],
        stop_reason="tool_use",
        stop_sequence=None,
        usage=Usage(input_tokens=1, output_tokens=2),
    )
    decoded = decode_message(make_call(), message.to_dict(mode="json"))
    completion = ChatCompletion.model_validate(decoded)
    assert completion.choices[0].message.content == "Let me see."
    assert completion.choices[0].message.tool_calls is not None
    assert completion.choices[0].finish_reason == "tool_calls"


@pytest.mark.rule(5, 6, 148)
def test_no_text_is_null_and_no_calls_are_absent() -> None:
    completion = decode()
    message = completion.choices[0].message
    assert message.content is None
    assert "tool_calls" not in message.to_dict()
    assert "reasoning_content" not in message.to_dict()
    assert "annotations" not in message.to_dict()
    assert completion.choices[0].finish_reason == "stop"


@pytest.mark.rule(148)
@pytest.mark.parametrize("text", ["", None])
def test_an_empty_text_is_none(text: str | None) -> None:
    assert decode({"type": "text", "text": text}).choices[0].message.content is None


@pytest.mark.rule(5, 8)
def test_calls_alone_have_null_content() -> None:
    completion = decode(tool_use(), stop_reason="tool_use")
    assert completion.choices[0].message.content is None
    assert completion.choices[0].finish_reason == "tool_calls"


LEGACY: Json = {"functions": [{"name": "a.b", "parameters": {"type": "array"}}]}


@pytest.mark.rule(30, 68, 64)
def test_the_first_tool_interface_is_answered_in_its_own_form() -> None:
    wire = tool_names(LEGACY)["a.b"]
    completion = decode(tool_use(wire, {"value": [1]}), stop_reason="tool_use", request=LEGACY)
    choice = completion.choices[0]
    assert choice.message.to_dict()["function_call"] == {"name": "a.b", "arguments": "[1]"}
    assert "tool_calls" not in choice.message.to_dict()
    assert choice.finish_reason == "function_call"
    assert carry(completion)["blocks"] == [tool_use(wire, {"value": [1]})]


@pytest.mark.rule(30)
@pytest.mark.parametrize("request_", [LEGACY, {**LEGACY, "tools": [function("add")]}, {**LEGACY, "tools": []}])
def test_without_a_call_of_the_first_interface(request_: Json) -> None:
    choice = decode(TEXT, request=request_).choices[0]
    assert choice.finish_reason == "stop"
    assert not {"function_call", "tool_calls"} & choice.message.to_dict().keys()


@pytest.mark.rule(30)
def test_both_interfaces_at_once_are_answered_in_the_newer_one() -> None:
    choice = decode(tool_use(), stop_reason="tool_use", request={**LEGACY, "tools": [function("add")]}).choices[0]
    assert choice.finish_reason == "tool_calls"
    assert "function_call" not in choice.message.to_dict()


@pytest.mark.rule(136)
def test_texts_are_joined_without_separator() -> None:
    assert decode({"type": "text", "text": "The sky "}, {"type": "text", "text": "is blue."}).choices[
        0
    ].message.content == ("The sky is blue.")


@pytest.mark.rule(12, 137)
def test_every_call_becomes_a_call_with_compact_arguments() -> None:
    completion = decode(
        tool_use("add", {"b": 12345678901234567890, "a": "ü"}),
        {**tool_use("now"), "id": "toolu_2"},
        stop_reason="tool_use",
    )
    calls = completion.choices[0].message.to_dict()["tool_calls"]
    assert calls == [
        {
            "id": "toolu_1",
            "type": "function",
            "function": {"name": "add", "arguments": '{"b":12345678901234567890,"a":"ü"}'},
        },
        {"id": "toolu_2", "type": "function", "function": {"name": "now", "arguments": "{}"}},
    ]


@pytest.mark.rule(68, 69)
def test_rewritten_names_come_back_as_the_callers_own() -> None:
    request = {"tools": [function("mcp.files/read"), function("plain")]}
    wire = tool_names(request)["mcp.files/read"]
    assert wire != "mcp.files/read"
    completion = decode(tool_use(wire), tool_use("plain"), request=request, stop_reason="tool_use")
    names = [call.function.name for call in completion.choices[0].message.tool_calls or ()]  # type: ignore[union-attr]  # functions only
    assert names == ["mcp.files/read", "plain"]


@pytest.mark.rule(64, 65)
@pytest.mark.parametrize(
    ("value", "arguments"), [([1, 2], "[1,2]"), ("x", '"x"'), ({"a": 1}, '{"a":1}'), (None, "null")]
)
def test_wrapped_arguments_are_unwrapped(value: Any, arguments: str) -> None:
    request = {"tools": [function("pick", {"anyOf": [{"type": "object"}, {"type": "array"}]})]}
    completion = decode(tool_use("pick", {"value": value}), request=request, stop_reason="tool_use")
    calls: Any = completion.choices[0].message.to_dict()["tool_calls"]
    assert calls[0]["function"]["arguments"] == arguments
    assert carry(completion)["blocks"][0]["input"] == {"value": value}


@pytest.mark.rule(64, 65)
def test_arguments_that_the_model_did_not_wrap_stay() -> None:
    request = {"tools": [function("pick", {"anyOf": [{"type": "object"}, {"type": "array"}]})]}
    completion = decode(tool_use("pick", {"value": 1, "more": 2}), request=request, stop_reason="tool_use")
    calls: Any = completion.choices[0].message.to_dict()["tool_calls"]
    assert calls[0]["function"]["arguments"] == '{"value":1,"more":2}'


@pytest.mark.rule(78)
@pytest.mark.parametrize(("value", "text"), [({"input": "print(1)"}, "print(1)"), ({"code": 1}, '{"code":1}')])
def test_custom_tools_get_their_text_back(value: Json, text: str) -> None:
    request = {"tools": [{"type": "custom", "custom": {"name": "run.py"}}]}
    wire = tool_names(request)["run.py"]
    completion = decode(tool_use(wire, value), request=request, stop_reason="tool_use")
    calls = completion.choices[0].message.to_dict()["tool_calls"]
    assert calls == [{"id": "toolu_1", "type": "custom", "custom": {"name": "run.py", "input": text}}]


@pytest.mark.rule(108)
@pytest.mark.parametrize(
    ("schema", "value", "content"),
    [
        ({"type": "object"}, {"value": "ü"}, '{"value":"ü"}'),
        ({"type": "array"}, {"value": [1]}, "[1]"),
        ({"type": "object"}, {}, "{}"),
    ],
)
def test_tool_that_stands_in_for_a_format_is_the_answers_text(schema: Json, value: Json, content: str) -> None:
    completion = decode_message(
        formatted_call(schema), make_message(tool_use(ANSWER_TOOL, value), stop_reason="tool_use")
    )
    choice = ChatCompletion.model_validate(completion).choices[0]
    assert (choice.message.content, choice.message.tool_calls, choice.finish_reason) == (content, None, "stop")
    # A call without a result could not be sent back.
    data = carry(ChatCompletion.model_validate(completion))
    assert data["blocks"] == [{"type": "text", "text": content}]


@pytest.mark.rule(108)
def test_what_stands_beside_that_tool_stays() -> None:
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
    body = make_message(thinking, TEXT, tool_use(ANSWER_TOOL, {"a": 1}), tool_use("other"), stop_reason="tool_use")
    completion = ChatCompletion.model_validate(decode_message(formatted_call({"type": "object"}), body))
    assert completion.choices[0].message.content == 'Hello{"a":1}'
    assert carry(completion)["blocks"] == [thinking, TEXT, {"type": "text", "text": '{"a":1}'}, tool_use("other")]


@pytest.mark.rule(108)
def test_a_tool_of_the_callers_with_that_name_stays_a_call() -> None:
    completion = decode(tool_use(ANSWER_TOOL), request={"tools": [function(ANSWER_TOOL)]}, stop_reason="tool_use")
    assert len(completion.choices[0].message.tool_calls or ()) == 1


@pytest.mark.rule(138)
def test_thinking_is_apart_from_content() -> None:
    completion = decode(
        {"type": "thinking", "thinking": "First.", "signature": "s1"},
        {"type": "thinking", "thinking": "", "signature": "s2"},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "thinking", "thinking": "Second.", "signature": "s3"},
        TEXT,
    )
    message = completion.choices[0].message.to_dict()
    assert message["content"] == "Hello"
    assert message["reasoning_content"] == "First.\n\nSecond."


@pytest.mark.rule(127, 130, 133)
def test_hidden_thinking_has_no_text_but_is_carried() -> None:
    block = {"type": "thinking", "thinking": "", "signature": "s"}
    completion = decode(block, TEXT)
    assert "reasoning_content" not in completion.choices[0].message.to_dict()
    assert carry(completion)["blocks"] == [block, TEXT]


@pytest.mark.rule(58, 139)
def test_server_tools_are_no_calls_of_the_client() -> None:
    blocks: list[Json] = [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
        {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "x", "input": {}, "server_name": "s"},
        {"type": "tool_use", "id": "srvtoolu_2", "name": "odd", "input": {}},
        {"type": "a_block_of_next_year", "payload": 1},
        TEXT,
    ]
    completion = decode(*blocks)
    assert completion.choices[0].message.tool_calls is None
    assert completion.choices[0].finish_reason == "stop"
    assert carry(completion)["blocks"] == blocks


@pytest.mark.rule(149)
def test_calls_of_programs_are_calls_and_keep_their_caller() -> None:
    block = tool_use(caller={"type": "code_execution_20250825", "tool_id": "srvtoolu_1"})
    completion = decode(block, stop_reason="tool_use")
    assert len(completion.choices[0].message.tool_calls or ()) == 1
    assert carry(completion)["blocks"] == [block]


@pytest.mark.rule(140)
def test_web_citations_become_annotations_over_their_text() -> None:
    web = {
        "type": "web_search_result_location",
        "url": "https://a.example",
        "title": "A",
        "encrypted_index": "e",
        "cited_text": "c",
    }
    untitled = {**web, "url": "https://b.example", "title": None}
    page = {
        "type": "page_location",
        "cited_text": "c",
        "document_index": 0,
        "start_page_number": 1,
        "end_page_number": 2,
    }
    completion = decode(
        {"type": "text", "text": "Sëe: "},
        tool_use(),
        {"type": "text", "text": "blue", "citations": [web, untitled]},
        {"type": "text", "text": ".", "citations": None},
        {"type": "text", "text": "End", "citations": [page]},
        stop_reason="tool_use",
    )
    message = completion.choices[0].message
    assert [annotation.url_citation.to_dict() for annotation in message.annotations or ()] == [
        {"url": "https://a.example", "title": "A", "start_index": 5, "end_index": 9},
        {"url": "https://b.example", "title": "", "start_index": 5, "end_index": 9},
    ]
    citation = (message.annotations or [])[0].url_citation
    assert (message.content or "")[citation.start_index : citation.end_index] == "blue"
    assert carry(completion)["blocks"][4]["citations"] == [page]


@pytest.mark.rule(7, 8, 141, 142)
@pytest.mark.parametrize(
    ("reason", "plain", "with_calls"),
    [
        ("end_turn", "stop", "tool_calls"),
        ("stop_sequence", "stop", "tool_calls"),
        ("tool_use", "stop", "tool_calls"),
        ("max_tokens", "length", "length"),
        ("model_context_window_exceeded", "length", "length"),
        ("pause_turn", "length", "length"),
        ("compaction", "length", "length"),
        ("refusal", "content_filter", "content_filter"),
        (None, "stop", "tool_calls"),
    ],
)
def test_stop_reasons(reason: str | None, plain: str, with_calls: str) -> None:
    assert decode_stop_reason(make_call(), reason, called=None) == plain
    assert decode_stop_reason(make_call(), reason, called="tool_calls") == with_calls
    completion = decode(TEXT, stop_reason=reason)
    assert completion.choices[0].finish_reason == plain
    assert carry(completion).get("stop_reason") == reason


@pytest.mark.rule(7, 19)
def test_unknown_stop_reason_is_stop_and_warned_of() -> None:
    with pytest.warns(DragomanWarning, match="'tea_break'"):
        completion = decode(TEXT, stop_reason="tea_break")
    assert completion.choices[0].finish_reason == "stop"
    assert carry(completion)["stop_reason"] == "tea_break"


@pytest.mark.rule(7)
def test_each_unknown_stop_reason_is_warned_of_once_at_each_provider() -> None:
    told = [("acme", "nap"), ("acme", "nap"), ("acme", "walk"), ("ajax", "nap")]
    with pytest.warns(DragomanWarning) as caught:
        reasons = [decode_stop_reason(Call(provider, "m", {}), reason, called=None) for provider, reason in told]
    assert reasons == ["stop"] * 4
    said = [str(warning.message).partition(",")[0] for warning in caught]
    assert said == [
        "acme: unknown stop_reason 'nap'",
        "acme: unknown stop_reason 'walk'",
        "ajax: unknown stop_reason 'nap'",
    ]


@pytest.mark.rule(143)
def test_refusal_tells_its_explanation() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "No."}
    completion = decode(stop_reason="refusal", stop_details=details)
    message = completion.choices[0].message
    assert (message.content, message.refusal) == (None, "No.")
    assert completion.choices[0].finish_reason == "content_filter"
    assert carry(completion)["stop_details"] == details


@pytest.mark.rule(143)
@pytest.mark.parametrize("details", [None, {"type": "refusal", "category": None, "explanation": None}])
def test_refusal_without_explanation(details: Json | None) -> None:
    completion = decode(TEXT, stop_reason="refusal", stop_details=details)
    assert completion.choices[0].message.refusal is None
    assert completion.choices[0].finish_reason == "content_filter"


@pytest.mark.rule(16, 145, 146)
def test_usage_sums_what_anthropic_counts_apart() -> None:
    usage = {
        "input_tokens": 10,
        "cache_read_input_tokens": 200,
        "cache_creation_input_tokens": 3000,
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 4},
    }
    assert decode_usage(usage) == {
        "prompt_tokens": 3210,
        "completion_tokens": 7,
        "total_tokens": 3217,
        "prompt_tokens_details": {"cached_tokens": 200, "cache_write_tokens": 3000},
        "completion_tokens_details": {"reasoning_tokens": 4},
    }


@pytest.mark.rule(146)
@pytest.mark.parametrize(
    "usage", [{}, {"input_tokens": None, "output_tokens": None, "output_tokens_details": None, "iterations": None}]
)
def test_missing_counts_are_zero_and_unknown_reasoning_is_absent(usage: Json) -> None:
    assert decode_usage(usage) == {
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "total_tokens": 0,
        "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    }


@pytest.mark.rule(146)
@pytest.mark.parametrize(
    ("passes", "prompt", "completion"),
    [
        (["message"], 10, 2),
        (["compaction", "message"], 1135, 42),
        (["message", "advisor_message", "message"], 10, 2),
        (["compaction", "message", "fallback_message"], 10, 2),
    ],
)
def test_compactions_are_billed_on_top(passes: list[str], prompt: int, completion: int) -> None:
    counts = {
        "compaction": {
            "input_tokens": 1000,
            "cache_creation_input_tokens": 100,
            "cache_read_input_tokens": 25,
            "output_tokens": 40,
        }
    }
    usage = {
        "input_tokens": 10,
        "output_tokens": 2,
        "iterations": [
            {"type": kind, "input_tokens": 5, "output_tokens": 1, **counts.get(kind, {})} for kind in passes
        ],
    }
    decoded = decode_usage(usage)
    assert (decoded["prompt_tokens"], decoded["completion_tokens"]) == (prompt, completion)
    assert decoded["total_tokens"] == prompt + completion


@pytest.mark.rule(98, 20)
@pytest.mark.parametrize(
    ("tier", "expected"), [("standard", "default"), ("priority", "priority"), ("batch", None), (None, None)]
)
def test_service_tier_in_openais_words(tier: str | None, expected: str | None) -> None:
    completion = decode(TEXT, usage={"input_tokens": 1, "output_tokens": 1, "service_tier": tier})
    assert completion.service_tier == expected
    assert carry(completion)["usage"]["service_tier"] == tier


@pytest.mark.rule(135, 144, 147)
def test_carry_has_everything_that_the_completion_has_not() -> None:
    usage = {
        "input_tokens": 1,
        "output_tokens": 1,
        "server_tool_use": {"web_search_requests": 2},
        "inference_geo": "eu",
    }
    completion = decode(
        TEXT,
        usage=usage,
        stop_reason="stop_sequence",
        stop_sequence="END",
        container={"id": "c", "expires_at": "2026-11-22T00:00:00Z"},
        context_management={"applied_edits": []},
        stop_details=None,
    )
    data = carry(completion)
    visible = data.pop("visible")
    assert len(visible) == 64
    assert data == {
        "v": 1,
        "model": "claude-haiku-5-5-20260901",
        "blocks": [TEXT],
        "stop_reason": "stop_sequence",
        "stop_sequence": "END",
        "usage": usage,
        "container": {"id": "c", "expires_at": "2026-11-22T00:00:00Z"},
        "context_management": {"applied_edits": []},
    }


@pytest.mark.rule(127, 131)
def test_carry_tells_when_the_message_was_edited() -> None:
    message = decode({"type": "thinking", "thinking": "t", "signature": "s"}, TEXT).choices[0].message.to_dict()
    assert unpack(message, "anthropic")[1]
    assert not unpack({**message, "content": "Bye"}, "anthropic")[1]


@pytest.mark.rule(19)
def test_content_null_is_an_empty_answer() -> None:
    completion = decode(content=None)
    assert completion.choices[0].message.content is None
    assert carry(completion)["blocks"] == []


@pytest.mark.rule(19)
def test_what_is_no_message_is_not_decoded() -> None:
    with pytest.raises(LookupError):
        decode_message(make_call(), {"hello": "world"})
