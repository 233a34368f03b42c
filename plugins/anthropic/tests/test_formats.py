"""`response_format`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.anthropic.formats import answer_tool
from dragoman.anthropic.models import facts_of
from dragoman.core import DragomanWarning, InvalidRequest, Json, UnsupportedParameter

OBJECT = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
OLD = "claude-3-haiku-20240307"
TOOLS = [{"type": "function", "function": {"name": "f"}}]


def wanted(schema: Any, **fields: Any) -> Json:
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, **fields}}


def schema_in(sent: Any) -> Json:
    assert sent.body["output_config"]["format"]["type"] == "json_schema"
    found: Json = sent.body["output_config"]["format"]["schema"]
    return found


@pytest.mark.rule(94)
@pytest.mark.parametrize("value", [None, {"type": "text"}])
def test_text_is_the_default(encode: Any, value: Any) -> None:
    assert "output_config" not in encode(response_format=value).body


@pytest.mark.rule(104)
def test_a_schema_goes_beside_the_effort(encode: Any) -> None:
    sent = encode("claude-opus-5", response_format=wanted(OBJECT, strict=True), reasoning_effort="low")
    assert sent.body["output_config"] == {"effort": "low", "format": {"type": "json_schema", "schema": OBJECT}}


@pytest.mark.rule(104)
def test_a_description_finds_its_place_in_the_schema(encode: Any) -> None:
    assert schema_in(encode(response_format=wanted(OBJECT, description="d"))) == {**OBJECT, "description": "d"}
    described = {**OBJECT, "description": "own"}
    assert schema_in(encode(response_format=wanted(described, description="d"))) == described


@pytest.mark.rule(105)
def test_what_was_left_open_is_closed(encode: Any) -> None:
    assert schema_in(encode(response_format=wanted({"properties": {"a": {"properties": {}}}}))) == {
        "type": "object",
        "properties": {"a": {"properties": {}, "additionalProperties": False}},
        "additionalProperties": False,
    }


@pytest.mark.rule(45, 104)
@pytest.mark.parametrize("model", ["claude-sonnet-4-5", OLD])
@pytest.mark.filterwarnings("ignore::dragoman.core.DragomanWarning")
def test_the_keys_of_a_schema_keep_their_order(encode: Any, model: str) -> None:
    schema = {"additionalProperties": False, "properties": {}, "type": "object"}
    body = encode(model, policy="adapt", response_format=wanted(schema)).body
    sent = body["output_config"]["format"]["schema"] if model != OLD else body["tools"][0]["input_schema"]
    assert list(sent) == list(schema)


@pytest.mark.rule(105)
def test_what_cannot_be_enforced_goes_by_policy(encode: Any) -> None:
    value = wanted({**OBJECT, "properties": {"a": {"type": "integer", "minimum": 1, "maximum": 2}}})
    with pytest.raises(UnsupportedParameter) as caught:
        encode(response_format=value)
    assert caught.value.param == "response_format.json_schema.schema"
    assert caught.value.reason == "Anthropic cannot enforce minimum, maximum"
    assert caught.value.hint == (
        'simplify the schema, or choose on_unsupported="adapt" to have it described instead of enforced'
    )
    with pytest.warns(DragomanWarning):
        sent = encode(policy="adapt", response_format=value)
    assert sent.call.ledger.adapted == {
        "response_format.json_schema.schema": "what cannot be enforced was moved into descriptions"
    }
    assert schema_in(sent)["properties"]["a"] == {"type": "integer", "description": "(minimum: 1, maximum: 2)"}
    assert "output_config" not in encode(policy="ignore", response_format=value).body


@pytest.mark.rule(105)
def test_recursion_is_described_in_words(encode: Any) -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}, "additionalProperties": False}
    schema = {"$ref": "#/$defs/Node", "$defs": {"Node": node}}
    with pytest.raises(UnsupportedParameter, match="recursion"):
        encode(response_format=wanted(schema))
    with pytest.warns(DragomanWarning, match="an instruction with the schema"):
        sent = encode(policy="adapt", response_format=wanted(schema))
    assert "output_config" not in sent.body
    assert '"#/$defs/Node"' in sent.body["system"][-1]["text"]


@pytest.mark.rule(106)
@pytest.mark.parametrize("schema", [{"type": "array", "items": {"type": "string"}}, {"anyOf": [{"type": "string"}]}])
def test_the_top_must_be_an_object(encode: Any, schema: Json) -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        encode(response_format=wanted(schema))
    assert caught.value.param == "response_format.json_schema.schema"
    assert caught.value.reason == "the top of the schema must be a plain object"
    assert caught.value.hint == "put the schema into a property of an object"
    with pytest.warns(DragomanWarning):
        sent = encode(policy="adapt", response_format=wanted(schema))
    assert sent.call.ledger.adapted == {
        "response_format.json_schema.schema": 'the answer is an object with the wanted value under "value"'
    }
    assert schema_in(sent)["properties"] == {"value": schema}
    assert "output_config" not in encode(policy="ignore", response_format=wanted(schema)).body


@pytest.mark.rule(107)
@pytest.mark.parametrize("value", [{"type": "json_object"}, {"type": "json_schema", "json_schema": {"name": "x"}}])
def test_json_without_a_schema(encode: Any, value: Json) -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        encode(response_format=value)
    assert (caught.value.param, caught.value.reason) == ("response_format", "JSON needs a schema there")
    assert caught.value.hint == "use json_schema"
    with pytest.warns(DragomanWarning):
        sent = encode(policy="adapt", response_format=value)
    assert sent.call.ledger.adapted == {"response_format": "an instruction"}
    assert sent.body["system"] == [{"type": "text", "text": "Answer with one JSON object and nothing else."}]
    assert "system" not in encode(policy="ignore", response_format=value).body


@pytest.mark.parametrize("value", [{"type": "yaml"}, {}, "json"])
def test_unknown_formats(encode: Any, value: Any) -> None:
    with pytest.raises(InvalidRequest, match="response_format has the type"):
        encode(response_format=value)


@pytest.mark.rule(110)
def test_citations_exclude_a_format(encode: Any) -> None:
    document: Json = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
    cited = {**document, "citations": {"enabled": True}}
    found: Json = {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "x"}]}
    for block in (cited, {**found, "citations": {"enabled": True}}):
        with pytest.raises(InvalidRequest, match=r"^Anthropic cannot cite documents in an answer of a given format\. "):
            encode(messages=[{"role": "user", "content": [block]}], response_format=wanted(OBJECT))
    sent = encode(messages=[{"role": "user", "content": [document]}], response_format=wanted(OBJECT))
    assert schema_in(sent) == OBJECT


@pytest.mark.rule(108)
@pytest.mark.parametrize(
    ("schema", "form"),
    [
        (OBJECT, OBJECT),
        ({"properties": {}}, {"type": "object", "properties": {}}),
        ({"type": "string"}, {"type": "object", "properties": {"value": {"type": "string"}}, "required": ["value"]}),
    ],
)
def test_older_models_are_made_to_call_a_tool(encode: Any, schema: Json, form: Json) -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        encode(OLD, response_format=wanted(schema))
    assert (caught.value.param, caught.value.reason) == ("response_format", "this model has no structured outputs")
    with pytest.warns(DragomanWarning):
        sent = encode(OLD, policy="adapt", response_format=wanted(schema))
    assert sent.call.ledger.adapted == {"response_format": "a tool that the model has to call stands in for it"}
    assert sent.body["tools"] == [{"name": "json_answer", "input_schema": form}]
    assert sent.body["tool_choice"] == {"type": "tool", "name": "json_answer"}
    assert answer_tool(sent.call) == "json_answer"
    assert "tools" not in encode(OLD, policy="ignore", response_format=wanted(schema)).body


CALLED = {"role": "assistant", "function_call": {"name": "f", "arguments": ""}}
CALLS = {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": ""}}]}


@pytest.mark.rule(108)
@pytest.mark.parametrize(
    "more",
    [
        {"tools": TOOLS},
        {"functions": [{"name": "f"}]},
        {"reasoning_effort": "low", "model": "claude-sonnet-4-0"},
        {"web_search_options": {"user_location": {}}},
        {"messages": [{"role": "user", "content": "q"}, CALLED, {"role": "function", "name": "f", "content": "r"}]},
        {"messages": [{"role": "user", "content": "q"}, CALLS, {"role": "tool", "tool_call_id": "c", "content": "r"}]},
    ],
)
@pytest.mark.filterwarnings("ignore::dragoman.core.DragomanWarning")
def test_never_beside_the_callers_own_tools_or_thinking(encode: Any, more: Json) -> None:
    settings: Json = {"model": OLD, **more}
    sent = encode(policy="adapt", response_format=wanted(OBJECT), **settings)
    assert json.dumps(OBJECT) in sent.body["system"][-1]["text"]
    assert sent.call.ledger.adapted["response_format"] == "an instruction with the schema"
    assert answer_tool(sent.call) is None
    assert "json_answer" not in str(sent.body)


@pytest.mark.rule(108)
@pytest.mark.filterwarnings("ignore::dragoman.core.DragomanWarning")
def test_a_described_schema_is_in_the_callers_letters(encode: Any) -> None:
    schema = {**OBJECT, "description": "Größe"}
    sent = encode(OLD, policy="adapt", tools=TOOLS, response_format=wanted(schema))
    assert sent.body["system"][-1]["text"] == (
        "Answer with one JSON object and nothing else. It must conform to this JSON schema:\n"
        + json.dumps(schema, ensure_ascii=False)
    )


@pytest.mark.rule(108)
@pytest.mark.filterwarnings("ignore::dragoman.core.DragomanWarning")
def test_whether_a_stand_in_is_needed_is_asked_of_the_given_facts(encode: Any) -> None:
    sent = encode(
        policy="adapt",
        response_format=wanted(OBJECT),
        facts_for=lambda model: facts_of(model, {"structured_output": False}),
    )
    assert sent.body["tools"] == [{"name": "json_answer", "input_schema": OBJECT}]


@pytest.mark.rule(108)
def test_no_stand_in_where_none_is_needed(make_call: Any) -> None:
    assert answer_tool(make_call(OLD, policy="adapt")) is None
    assert answer_tool(make_call(OLD, response_format=wanted(OBJECT))) is None
    call = make_call("claude-sonnet-4-5", policy="adapt", response_format=wanted(OBJECT))
    assert answer_tool(call) is None
    assert answer_tool(call, lambda model: facts_of(model, {"structured_output": False})) == "json_answer"


@pytest.mark.rule(109)
def test_formats_are_the_vendors(encode: Any, schema_of: Any) -> None:
    validator = schema_of("MessageCreateParams")
    sent = encode("claude-opus-5", response_format=wanted(OBJECT), reasoning_effort="xhigh")
    assert "output_format" not in sent.body
    validator.validate(sent.body)
