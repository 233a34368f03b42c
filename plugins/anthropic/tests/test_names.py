"""Tool names that Anthropic refuses, and back."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.anthropic.names import custom_tools, is_native, original_names, tool_names, wrapped_tools


def function(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **more}}


@pytest.mark.rule(68, 69)
def test_only_names_that_are_refused_are_rewritten() -> None:
    chat = {"tools": [function("fine_name-1"), function("mcp.server/read:file")]}
    names = tool_names(chat)
    assert set(names) == {"mcp.server/read:file"}
    assert names["mcp.server/read:file"].startswith("mcp_server_read_file_")
    assert original_names(chat) == {names["mcp.server/read:file"]: "mcp.server/read:file"}


@pytest.mark.rule(68)
def test_names_come_from_definitions_and_history() -> None:
    chat = {
        "tools": [
            function("a.1"),
            {"type": "custom", "custom": {"name": "b.1"}},
            {"type": "x_20250101", "name": "c.1"},
        ],
        "functions": [{"name": "d.1"}],
        "messages": [
            "not a message",
            {"role": "user", "name": "e.1", "content": ""},
            {
                "role": "assistant",
                "function_call": {"name": "f.1"},
                "tool_calls": [
                    {"id": "1", "function": {"name": "g.1"}},
                    {"id": "2", "type": "custom", "custom": {"name": "h.1"}},
                    {"id": "3", "function": {"name": None}},
                    "not a call",
                ],
            },
        ],
    }
    assert list(tool_names(chat)) == ["a.1", "d.1", "b.1", "f.1", "g.1", "h.1"]


@pytest.mark.rule(68)
@given(st.lists(st.text(max_size=8), unique=True, max_size=12))
def test_names_are_injective_and_valid(names: list[str]) -> None:
    renamed = tool_names({"tools": [function(name) for name in names]})
    wires = [renamed.get(name, name) for name in names]
    assert len(set(wires)) == len(names)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", wire) for wire in wires)


@pytest.mark.rule(68, 23)
@given(st.lists(st.text(max_size=6), unique=True, min_size=1, max_size=8))
def test_a_later_name_changes_no_earlier_one(names: list[str]) -> None:
    fewer = tool_names({"tools": [function(name) for name in names[:-1]]})
    more = tool_names({"tools": [function(name) for name in names]})
    assert fewer.items() <= more.items()


@pytest.mark.rule(68)
def test_a_name_made_to_collide_does_not() -> None:
    digest = hashlib.sha256(b"a.b").hexdigest()
    chat = {"tools": [function("a.b"), function(f"a_b_{digest[:8]}")]}
    assert tool_names(chat) == {"a.b": f"a_b_{digest[:9]}"}


@pytest.mark.rule(68)
def test_long_and_empty_names() -> None:
    names = tool_names({"tools": [function("x" * 129), function("")]})
    assert len(names["x" * 129]) <= 128
    assert names[""].startswith("tool_")


@pytest.mark.rule(70, 79)
def test_a_function_gives_way_to_the_server_tool() -> None:
    chat = {"tools": [function("web_search")]}
    assert tool_names(chat) == {}
    assert tool_names({**chat, "web_search_options": {}})["web_search"].startswith("web_search_")


@pytest.mark.rule(64, 65)
def test_wrapped_tools_are_those_without_an_object_on_top() -> None:
    chat = {
        "tools": [
            function("plain", parameters={"type": "object", "properties": {}}),
            function("none"),
            function("union", parameters={"anyOf": [{"type": "object"}, {"type": "string"}]}),
            function("text", parameters={"type": "string"}),
            {"type": "function", "function": {"parameters": {"type": "string"}}},
        ],
        "functions": [{"name": "old", "parameters": {"type": "array"}}],
    }
    assert wrapped_tools(chat) == {"union", "text", "old"}


@pytest.mark.rule(78)
def test_custom_tools_are_openais_not_anthropics() -> None:
    own = {"type": "custom", "name": "mine", "input_schema": {"type": "object"}}
    assert custom_tools({"tools": [{"type": "custom", "custom": {"name": "free"}}, own, function("f")]}) == {"free"}
    assert custom_tools({}) == frozenset()


@pytest.mark.rule(80)
@pytest.mark.parametrize(
    ("tool", "native"),
    [
        ({"type": "web_search_20250305", "name": "web_search"}, True),
        ({"name": "x", "input_schema": {"type": "object"}}, True),
        ({"type": "mcp_toolset", "mcp_server_name": "x"}, True),
        (function("x"), False),
        ({"type": "custom", "custom": {"name": "x"}}, False),
        ({"type": "function", "name": "x"}, False),
        ({}, False),
        ("text", False),
    ],
)
def test_native_tools(tool: Any, native: bool) -> None:
    assert is_native(tool) is native


@pytest.mark.rule(68)
def test_the_form_of_a_rewritten_name() -> None:
    (short,) = tool_names({"tools": [{"function": {"name": "a.b"}}]}).values()
    assert re.fullmatch(r"a_b_[0-9a-f]{8}", short)
    (long,) = tool_names({"tools": [{"function": {"name": "é" * 200}}]}).values()
    assert re.fullmatch(r"_{100}_[0-9a-f]{8}", long)
    (broken,) = tool_names({"tools": [{"function": {"name": "\ud83d"}}]}).values()
    assert re.fullmatch(r"__[0-9a-f]{8}", broken)


@pytest.mark.rule(80)
def test_a_definition_of_openais_is_none_of_anthropics() -> None:
    assert is_native({"name": "f", "input_schema": {}})
    assert not is_native({"function": {"name": "f"}, "input_schema": {}})
    assert not is_native({"type": "custom", "custom": {"name": "f"}, "input_schema": {}})
