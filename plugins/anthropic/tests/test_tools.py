"""Tool definitions."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.core import DragomanWarning, InvalidRequest, Json, UnsupportedParameter

USER = {"role": "user", "content": "q"}
OBJECT = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
MARK = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


def function(name: str = "f", settings: Json | None = None, **fields: Any) -> Json:
    return {"type": "function", "function": {"name": name, **fields}, **(settings or {})}


@pytest.mark.rule(61)
def test_a_function(encode: Any) -> None:
    sent = encode(tools=[function(description="Does f.", parameters=OBJECT)])
    assert sent.body["tools"] == [{"name": "f", "description": "Does f.", "input_schema": OBJECT}]


@pytest.mark.rule(62, 63)
@pytest.mark.parametrize(
    "fields", [{}, {"parameters": None, "description": None}, {"description": "", "strict": False}]
)
def test_what_is_missing_is_left_out(encode: Any, fields: Json) -> None:
    sent = encode(tools=[function(**fields)])
    assert sent.body["tools"] == [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]


@pytest.mark.rule(64, 65)
def test_other_schemas_are_nested(encode: Any) -> None:
    schema = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    (tool,) = encode(tools=[function(parameters=schema)]).body["tools"]
    assert tool["input_schema"] == {"type": "object", "properties": {"value": schema}, "required": ["value"]}


@pytest.mark.rule(67)
def test_strict_goes_where_the_schema_can_be_enforced(encode: Any) -> None:
    assert encode(tools=[function(parameters=OBJECT, strict=True)]).body["tools"] == [
        {"name": "f", "input_schema": OBJECT, "strict": True}
    ]
    schema = {"type": "object", "properties": {}}
    (tool,) = encode(tools=[function(parameters=schema, strict=True)]).body["tools"]
    assert tool["input_schema"]["additionalProperties"] is False


@pytest.mark.rule(67)
@pytest.mark.parametrize(
    ("model", "parameters", "said"),
    [
        (
            "claude-sonnet-4-5",
            {"properties": {"a": {"type": "integer", "minimum": 1, "maximum": 2}}},
            "tools[0]: Anthropic cannot enforce minimum, maximum",
        ),
        ("claude-3-haiku-20240307", OBJECT, "this model has no strict tools"),
    ],
)
def test_elsewhere_the_policy_decides(encode: Any, model: str, parameters: Json, said: str) -> None:
    tools = [function(parameters=parameters, strict=True)]
    with pytest.raises(UnsupportedParameter) as caught:
        encode(model, tools=tools)
    assert caught.value.param == "tools.function.strict"
    assert caught.value.reason == said
    assert caught.value.hint == 'leave strict out, simplify the schema, or choose on_unsupported="adapt"'
    with pytest.warns(DragomanWarning, match="without strict"):
        sent = encode(model, policy="adapt", tools=tools)
    assert "strict" not in sent.body["tools"][0]
    assert "additionalProperties" not in sent.body["tools"][0]["input_schema"] or parameters is OBJECT
    assert sent.call.ledger.adapted == {"tools.function.strict": "the tool was sent without strict"}


@pytest.mark.rule(78)
def test_a_custom_tool_is_a_function_with_one_string(encode: Any) -> None:
    custom = {"name": "c", "description": "Free.", "format": {"type": "text"}}
    sent = encode(tools=[{"type": "custom", "custom": custom}, {"type": "custom", "custom": {"name": "d"}}])
    schema = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
    assert sent.body["tools"] == [
        {"name": "c", "description": "Free.", "input_schema": schema},
        {"name": "d", "input_schema": schema},
    ]


def grammar(syntax: str, definition: str) -> list[Json]:
    inner = {"syntax": syntax, "definition": definition}
    return [{"type": "custom", "custom": {"name": "c", "format": {"type": "grammar", "grammar": inner}}}]


@pytest.mark.rule(78)
def test_a_regular_expression_is_enforced_as_a_pattern(encode: Any) -> None:
    (tool,) = encode(tools=grammar("regex", "a|b")).body["tools"]
    assert tool["strict"] is True
    assert tool["input_schema"] == {
        "type": "object",
        "properties": {"input": {"type": "string", "pattern": "^(?:a|b)$"}},
        "required": ["input"],
        "additionalProperties": False,
    }


@pytest.mark.rule(78)
@pytest.mark.parametrize(
    ("model", "syntax", "definition"),
    [
        ("claude-sonnet-4-5", "lark", 'start: "a"'),
        ("claude-sonnet-4-5", "regex", r"(?i)a\b"),
        ("claude-3-haiku-20240307", "regex", "a"),
    ],
)
def test_other_grammars_cannot_be_enforced(encode: Any, model: str, syntax: str, definition: str) -> None:
    tools = grammar(syntax, definition)
    with pytest.raises(UnsupportedParameter) as caught:
        encode(model, tools=tools)
    assert caught.value.param == "tools.custom.format"
    assert caught.value.reason == "tools[0]: this grammar cannot be enforced"
    with pytest.warns(DragomanWarning):
        sent = encode(model, policy="adapt", tools=tools)
    assert sent.call.ledger.adapted == {"tools.custom.format": "the grammar became the description of the tool's input"}
    (tool,) = sent.body["tools"]
    described = {"type": "string", "description": f"Must match this {syntax} grammar:\n{definition}"}
    assert tool["input_schema"]["properties"] == {"input": described}
    (tool,) = encode(model, policy="ignore", tools=tools).body["tools"]
    assert tool["input_schema"]["properties"] == {"input": {"type": "string"}}


@pytest.mark.rule(79)
def test_web_search(encode: Any) -> None:
    sent = encode(web_search_options={}, tools=[function()])
    assert sent.body["tools"][1] == {"type": "web_search_20250305", "name": "web_search"}
    place = {"city": "Bern", "region": "BE", "country": "CH", "timezone": "Europe/Zurich"}
    sent = encode(web_search_options={"user_location": {"type": "approximate", "approximate": place}})
    assert sent.body["tools"][0]["user_location"] == {"type": "approximate", **place}
    where = {"type": "approximate", "approximate": {"city": "Bern", "country": "CH", "region": None}}
    sent = encode(web_search_options={"search_context_size": "medium", "user_location": where})
    assert sent.body["tools"] == [
        {
            "type": "web_search_20250305",
            "name": "web_search",
            "user_location": {"type": "approximate", "city": "Bern", "country": "CH"},
        }
    ]


@pytest.mark.rule(79)
def test_the_amount_of_search_results_cannot_be_chosen(encode: Any) -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        encode(web_search_options={"search_context_size": "high"})
    assert caught.value.param == "web_search_options.search_context_size"
    assert caught.value.reason == "the amount of search results cannot be chosen"
    sent = encode(policy="ignore", web_search_options={"search_context_size": "high"})
    assert sent.body["tools"] == [{"type": "web_search_20250305", "name": "web_search"}]
    assert sent.call.ledger.dropped == ["web_search_options.search_context_size"]
    with pytest.warns(DragomanWarning, match="the provider's own amount"):
        sent = encode(policy="adapt", web_search_options={"search_context_size": "high"})
    assert sent.body["tools"] == [{"type": "web_search_20250305", "name": "web_search"}]
    assert sent.call.ledger.report() == {
        "adapted": {"web_search_options.search_context_size": "a search with the provider's own amount of results"}
    }


@pytest.mark.rule(80, 81)
def test_anthropics_own_tools_and_the_order(encode: Any) -> None:
    native = [
        {"type": "bash_20250124", "name": "bash"},
        {"name": "n", "input_schema": {"type": "object"}, **MARK},
        {"type": "custom", "name": "o", "input_schema": {"type": "object"}},
    ]
    sent = encode(tools=[native[0], function("z"), native[1], function("a"), native[2]], functions=[{"name": "old"}])
    assert [tool["name"] for tool in sent.body["tools"]] == ["bash", "z", "n", "a", "o", "old"]
    assert [sent.body["tools"][index] for index in (0, 2, 4)] == native


@pytest.mark.rule(122, 83)
@pytest.mark.parametrize("stream", [True, False])
def test_settings_beside_the_definition(encode: Any, stream: bool) -> None:
    settings = {"eager_input_streaming": True, "defer_loading": True, "input_examples": [{"a": 1}], **MARK}
    sent = encode(
        tools=[function(settings=settings), {"type": "custom", "custom": {"name": "c"}, **MARK}], stream=stream
    )
    first, second = sent.body["tools"]
    kept = settings if stream else {key: settings[key] for key in settings if key != "eager_input_streaming"}
    assert first == {"name": "f", "input_schema": {"type": "object", "properties": {}}, **kept}
    assert second["cache_control"] == MARK["cache_control"]


@pytest.mark.parametrize("tool", ["x", {}, {"type": "function"}, {"type": "function", "name": "f", "parameters": {}}])
def test_what_is_no_tool(encode: Any, tool: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"tools\[0\] is no function"):
        encode(tools=[tool])


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"tools": [function(name=3)]}, r"tools\[0\] has no name"),  # type: ignore[arg-type]  # wrong on purpose
        ({"tools": [{"type": "custom", "custom": {}}]}, r"tools\[0\] has no name"),
        ({"functions": [{}]}, r"functions\[0\] has no name"),
        ({"functions": ["f"]}, r"functions\[0\] has no name"),
        ({"tools": {"f": 1}}, "tools is a dict"),
    ],
)
def test_tools_need_a_name(encode: Any, fields: Json, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        encode(**fields)


@pytest.mark.rule(59)
@pytest.mark.parametrize("tools", [None, []])
def test_no_tools_are_made_up_for_a_history_that_used_some(encode: Any, tools: Any) -> None:
    called = {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": ""}}]}
    result = {"role": "tool", "tool_call_id": "c", "content": "r"}
    sent = encode(messages=[USER, called, result], tools=tools, tool_choice="auto", parallel_tool_calls=False)
    assert [block["type"] for block in sent.blocks] == ["text", "tool_use", "tool_result"]
    assert not {"tools", "tool_choice"} & sent.body.keys()


def test_no_tools_are_none(encode: Any) -> None:
    assert "tools" not in encode(tools=[]).body


def test_tools_are_the_vendors(encode: Any, schema_of: Any) -> None:
    tools = [
        function(parameters=OBJECT, strict=True),
        *grammar("regex", "a"),
        {"type": "bash_20250124", "name": "bash"},
    ]
    sent = encode(tools=tools, web_search_options={"user_location": {"approximate": {"city": "Bern"}}})
    schema_of("MessageCreateParams").validate(sent.body)
