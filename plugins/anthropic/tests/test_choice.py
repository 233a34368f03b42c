"""The choice among tools."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dragoman.core import DragomanWarning, InvalidRequest, Json, UnsupportedParameter

FREE, UNFORCED = "claude-sonnet-4-5", "claude-opus-5-5"
TOOLS = [{"type": "function", "function": {"name": name}} for name in ("f", "a.b")]
TOOLS.append({"type": "custom", "custom": {"name": "c"}})


def named(name: str) -> Json:
    return {"type": "function", "function": {"name": name}}


@pytest.mark.rule(71, 77)
@pytest.mark.parametrize(
    ("value", "choice"),
    [
        ("auto", {"type": "auto"}),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        (named("f"), {"type": "tool", "name": "f"}),
        ({"type": "custom", "custom": {"name": "c"}}, {"type": "tool", "name": "c"}),
        ({"type": "auto"}, {"type": "auto"}),
        ({"type": "none"}, {"type": "none"}),
        ({"type": "any", "disable_parallel_tool_use": True}, {"type": "any", "disable_parallel_tool_use": True}),
        (
            {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
            {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        ),
    ],
)
def test_choices(encode: Any, value: Any, choice: Json) -> None:
    sent = encode(tools=TOOLS, tool_choice=value)
    assert sent.body["tool_choice"] == choice
    assert len(sent.body["tools"]) == 3


@pytest.mark.rule(71)
def test_no_choice_is_none(encode: Any) -> None:
    assert "tool_choice" not in encode(tools=TOOLS).body


@pytest.mark.rule(68, 71)
def test_a_rewritten_name_is_chosen_by_its_wire_name(encode: Any) -> None:
    sent = encode(tools=TOOLS, tool_choice=named("a.b"))
    assert sent.body["tool_choice"]["name"] == sent.body["tools"][1]["name"] != "a.b"


@pytest.mark.rule(30, 71)
def test_the_legacy_choice(encode: Any) -> None:
    sent = encode(functions=[{"name": "f"}], function_call={"name": "f"})
    # The answer has a place for one call.
    assert sent.body["tool_choice"] == {"type": "tool", "name": "f", "disable_parallel_tool_use": True}
    single = {"type": "auto", "disable_parallel_tool_use": True}
    assert encode(functions=[{"name": "f"}]).body["tool_choice"] == single
    assert encode(functions=[{"name": "f"}], function_call="none").body["tool_choice"] == {"type": "none"}
    assert "tool_choice" not in encode(functions=[{"name": "f"}], tools=TOOLS).body
    with pytest.raises(InvalidRequest, match="function_call names 'g'"):
        encode(functions=[{"name": "f"}], function_call={"name": "g"})
    with pytest.raises(UnsupportedParameter) as caught:
        encode(UNFORCED, functions=[{"name": "f"}], function_call={"name": "f"})
    assert caught.value.param == "function_call"


@pytest.mark.parametrize(
    "value", [named("nobody"), "sometimes", {"type": "function"}, {"function": "f"}, 3, {"type": "mcp", "name": None}]
)
def test_a_choice_that_is_none(encode: Any, value: Any) -> None:
    with pytest.raises(InvalidRequest, match="tool_choice"):
        encode(tools=TOOLS, tool_choice=value)


@pytest.mark.rule(60)
def test_a_choice_without_tools(encode: Any) -> None:
    for value in ("auto", "none"):
        assert "tool_choice" not in encode(tool_choice=value).body
    for forced in ("required", named("f")):
        with pytest.raises(InvalidRequest, match="no tools"):
            encode(tool_choice=forced)


@pytest.mark.rule(72)
@pytest.mark.parametrize(
    ("value", "choice"),
    [
        (None, {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", {"type": "any", "disable_parallel_tool_use": True}),
        (named("f"), {"type": "tool", "name": "f", "disable_parallel_tool_use": True}),
        ("none", {"type": "none"}),
    ],
)
def test_one_call_at_a_time(encode: Any, value: Any, choice: Json) -> None:
    assert encode(tools=TOOLS, tool_choice=value, parallel_tool_calls=False).body["tool_choice"] == choice


@pytest.mark.rule(73)
def test_parallel_calls_are_the_default(encode: Any) -> None:
    assert "tool_choice" not in encode(tools=TOOLS, parallel_tool_calls=True).body
    assert "tool_choice" not in encode(parallel_tool_calls=False).body


@pytest.mark.rule(74)
@pytest.mark.parametrize(("mode", "kind"), [("auto", "auto"), ("required", "any")])
def test_allowed_tools_are_the_only_ones_sent(encode: Any, mode: str, kind: str) -> None:
    allowed = {"mode": mode, "tools": [named("a.b"), {"type": "custom", "custom": {"name": "c"}}]}
    said = (
        "there is no choice among a part of the tools, so only the allowed ones were sent. A different set in every "
        "request costs the prompt cache."
    )
    with pytest.warns(DragomanWarning, match=f": {re.escape(said)}$"):
        sent = encode(tools=TOOLS, tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
    assert [tool["name"][:3] for tool in sent.body["tools"]] == ["a_b", "c"]
    assert sent.body["tool_choice"] == {"type": kind}


@pytest.mark.rule(74)
@pytest.mark.parametrize("allowed", [{"mode": "auto", "tools": [named("x"), "f"]}, {}, None])
def test_allowing_nothing_is_refused(encode: Any, allowed: Any) -> None:
    said = "tool_choice.allowed_tools allows none of the request's tools. Name some of them, or use none."
    with pytest.raises(InvalidRequest, match=f"^{re.escape(said)}$"):
        encode(tools=TOOLS, tool_choice={"type": "allowed_tools", "allowed_tools": allowed})


@pytest.mark.rule(75)
@pytest.mark.parametrize("value", ["required", named("f")])
def test_models_that_cannot_be_forced(encode: Any, value: Any) -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        encode(UNFORCED, tools=TOOLS, tool_choice=value)
    assert caught.value.param == "tool_choice"
    assert caught.value.reason == "this model cannot be forced to call a tool"
    assert caught.value.hint == 'use tool_choice="auto", or response_format for JSON'
    sent = encode(UNFORCED, policy="ignore", tools=TOOLS, tool_choice=value)
    assert sent.body["tool_choice"] == {"type": "auto"}
    assert sent.call.ledger.dropped == ["tool_choice"]
    assert "system" not in sent.body
    assert not any("strict" in tool for tool in sent.body["tools"])


@pytest.mark.rule(75)
@pytest.mark.parametrize(
    ("value", "strict", "said"),
    [
        (named("f"), ["f"], "Answer by calling the tool f."),
        ("required", ["f", "g"], "Answer by calling one of the tools."),
    ],
)
def test_models_that_cannot_be_forced_are_asked_under_adapt(
    encode: Any, value: Any, strict: list[str], said: str
) -> None:
    loose = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}}
    tools = [
        named("f"),
        {"type": "function", "function": {"name": "g"}},
        {"type": "function", "function": {"name": "h", "parameters": loose}},
        {"type": "bash_20250124", "name": "bash"},
    ]
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}]
    with pytest.warns(DragomanWarning):
        sent = encode(
            UNFORCED, policy="adapt", messages=messages, tools=tools, tool_choice=value, parallel_tool_calls=False
        )
    assert sent.call.ledger.adapted == {"tool_choice": "auto, strict tools, and an instruction"}
    assert sent.body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert [tool["name"] for tool in sent.body["tools"] if tool.get("strict")] == strict
    assert [block["text"] for block in sent.body["system"]] == ["s", said]
    assert sent.body["tools"][0] == {
        "name": "f",
        "input_schema": {"type": "object", "properties": {}, "additionalProperties": False},
        "strict": True,
    }
    assert sent.body["tools"][2]["input_schema"] == loose


@pytest.mark.rule(76)
@pytest.mark.parametrize("model", [FREE, "claude-opus-4-8"])
def test_thinking_and_force_exclude_each_other(encode: Any, model: str) -> None:
    settings = {"tools": TOOLS, "tool_choice": "required", "reasoning_effort": "high"}
    with pytest.raises(UnsupportedParameter) as caught:
        encode(model, **settings)
    assert caught.value.param == "reasoning_effort"
    assert caught.value.reason == "this model cannot think where tool_choice forces a call"
    assert caught.value.hint == ('leave out one of reasoning_effort and tool_choice, or choose on_unsupported="adapt"')
    with pytest.warns(DragomanWarning):
        sent = encode(model, policy="adapt", **settings)
    assert sent.call.ledger.adapted == {"reasoning_effort": "the call is forced and thinking left out"}
    assert "thinking" not in sent.body
    assert sent.body["tool_choice"] == {"type": "any"}
    assert ("output_config" in sent.body) is (model != FREE)
    sent = encode(model, policy="ignore", **settings)
    assert "thinking" not in sent.body
    assert "output_config" not in sent.body


@pytest.mark.rule(76)
@pytest.mark.parametrize(
    ("model", "effort"),
    [("claude-opus-4-7", "high"), ("claude-opus-5", "high"), ("demo", "high"), (FREE, "none"), (FREE, None)],
)
def test_elsewhere_both_go(encode: Any, model: str, effort: str | None) -> None:
    sent = encode(model, tools=TOOLS, tool_choice="required", reasoning_effort=effort)
    assert sent.body["tool_choice"] == {"type": "any"}
    assert sent.body.get("thinking") == encode(model, reasoning_effort=effort).body.get("thinking")
