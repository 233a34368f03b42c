"""The choice of a tool at servers that read words only."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from dragoman.core import (
    Call,
    CompatibleProvider,
    DragomanWarning,
    InvalidRequest,
    Json,
    UnsupportedParameter,
    allowed_tools,
)


class Words(CompatibleProvider):
    name = "words"
    names_tools: ClassVar = False


def function(name: str) -> Json:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}


def chosen(name: str) -> Json:
    return {"type": "function", "function": {"name": name}}


def encode(choice: Any, *tools: str, policy: Any = "raise") -> Json:
    request = {"model": "m", "messages": [], "tools": [function(name) for name in tools], "tool_choice": choice}
    return Words().encode_chat(Call("words", "m", request, on_unsupported=policy))


@pytest.mark.parametrize("word", ["none", "auto", "required"])
def test_words_pass(word: str) -> None:
    assert encode(word, "f", "g")["tool_choice"] == word


def test_choosing_all_there_is_means_requiring_a_call() -> None:
    assert encode(chosen("f"), "f")["tool_choice"] == "required"
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [chosen("f"), chosen("g")]}}
    assert encode(allowed, "f", "g")["tool_choice"] == "auto"


@pytest.mark.rule(268)
def test_choosing_one_of_several_follows_the_policy() -> None:
    with pytest.raises(UnsupportedParameter, match="send only those tools, with tool_choice='required'"):
        encode(chosen("g"), "f", "g")
    with pytest.warns(DragomanWarning, match="only g offered"):
        wire = encode(chosen("g"), "f", "g", policy="adapt")
    assert (wire["tools"], wire["tool_choice"]) == ([function("g")], "required")
    ignored = encode(chosen("g"), "f", "g", policy="ignore")
    assert ignored["tools"] == [function("f"), function("g")]
    assert "tool_choice" not in ignored


def test_a_tool_that_is_not_there_is_never_adapted() -> None:
    assert "tool_choice" not in encode(chosen("nope"), "f", policy="ignore")
    with pytest.warns(DragomanWarning, match="left out"):
        assert "tool_choice" not in encode(chosen("nope"), "f", policy="adapt")


FLAT = {"type": "function", "name": "g"}
OWN = {"type": "web_search"}


@pytest.mark.parametrize("named", [chosen("g"), FLAT, {"type": "custom", "custom": {"name": "g"}}])
@pytest.mark.parametrize("flat", [False, True])
def test_allowed_tools_in_both_forms(named: Json, flat: bool) -> None:
    allowed = {"mode": "required", "tools": [named]}
    choice = {"type": "allowed_tools", **(allowed if flat else {"allowed_tools": allowed})}
    assert allowed_tools(choice, [function("f"), function("g")]) == ([function("g")], "required")


def test_what_is_allowed_may_have_no_name() -> None:
    choice = {"type": "allowed_tools", "allowed_tools": {"tools": [OWN]}}
    assert allowed_tools(choice, [function("f"), OWN]) == ([OWN], "auto")


@pytest.mark.parametrize("named", [[], [chosen("nope")], [chosen("f"), chosen("nope")], None])
def test_allowed_is_only_what_is_there(named: Any) -> None:
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": named}}
    with pytest.raises(InvalidRequest, match="allowed_tools"):
        allowed_tools(choice, [function("f")])
    with pytest.raises(InvalidRequest, match="allowed_tools"):
        encode(choice, "f", policy="ignore")


def test_a_flat_choice_of_a_tool() -> None:
    assert encode(FLAT, "g")["tool_choice"] == "required"
