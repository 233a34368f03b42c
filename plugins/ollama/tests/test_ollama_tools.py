"""Tools, and the choice among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core import Call, DragomanWarning, InvalidRequest, Json, UnsupportedParameter
from dragoman.ollama.tools import encode_tools

if TYPE_CHECKING:
    from collections.abc import Callable


def tool(name: str, **more: Any) -> Json:
    parameters = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}
    return {"type": "function", "function": {"name": name, "description": "d", "parameters": parameters, **more}}


LOOK, LISTEN = tool("look", strict=True), tool("listen")
BOTH = [LOOK, LISTEN]


def named(name: str) -> Json:
    return {"type": "function", "function": {"name": name}}


def allowed(mode: str, *names: str) -> Json:
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [named(name) for name in names]}}


def test_tools_are_sent_as_they_are(make_call: Callable[..., Call]) -> None:
    assert encode_tools(make_call(tools=BOTH)) == BOTH
    assert encode_tools(make_call()) == []
    assert encode_tools(make_call(tools=None)) == []


def test_a_tool_without_parameters_gets_empty_ones(make_call: Callable[..., Call]) -> None:
    bare = {"type": "function", "function": {"name": "now"}}
    empty = {"type": "object", "properties": {}}
    assert encode_tools(make_call(tools=[bare])) == [
        {"type": "function", "function": {"name": "now", "parameters": empty}}
    ]
    assert "parameters" not in bare["function"]


@pytest.mark.rule(244)
@pytest.mark.parametrize(
    ("choice", "offered"),
    [
        ("auto", BOTH),
        (None, BOTH),
        ("none", []),
        (allowed("auto", "listen"), [LISTEN]),
        (allowed("auto", "listen", "look"), BOTH),
    ],
)
def test_a_choice_that_can_be_made_by_what_is_offered(
    make_call: Callable[..., Call], choice: Any, offered: Any
) -> None:
    assert encode_tools(make_call(tools=BOTH, tool_choice=choice)) == offered


@pytest.mark.rule(244)
@pytest.mark.parametrize(
    ("choice", "offered"),
    [("required", BOTH), (named("listen"), [LISTEN]), (allowed("required", "look"), [LOOK])],
)
def test_force_follows_the_policy(make_call: Callable[..., Call], choice: Any, offered: list[Json]) -> None:
    with pytest.raises(UnsupportedParameter, match="cannot make a model call a tool") as caught:
        encode_tools(make_call(tools=BOTH, tool_choice=choice))
    assert caught.value.param == "tool_choice"
    call = make_call("adapt", tools=BOTH, tool_choice=choice)
    with pytest.warns(DragomanWarning, match="left to the model"):
        assert encode_tools(call) == offered
    assert "left to the model" in call.ledger.adapted["tool_choice"]
    ignoring = make_call("ignore", tools=BOTH, tool_choice=choice)
    assert encode_tools(ignoring) == ([LOOK] if isinstance(choice, dict) and "allowed_tools" in choice else BOTH)
    assert ignoring.ledger.dropped == ["tool_choice"]


@pytest.mark.rule(244)
def test_the_flat_form_of_a_choice(make_call: Callable[..., Call]) -> None:
    flat = {"type": "function", "name": "listen"}
    allowing = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [flat]}}
    assert encode_tools(make_call(tools=BOTH, tool_choice=allowing)) == [LISTEN]
    with pytest.warns(DragomanWarning, match="only 'listen' is offered"):
        assert encode_tools(make_call("adapt", tools=BOTH, tool_choice=flat)) == [LISTEN]


@pytest.mark.rule(244)
@pytest.mark.parametrize("policy", ["raise", "adapt", "ignore"])
def test_allowed_tools_that_are_not_there(make_call: Callable[..., Call], policy: Any) -> None:
    for choice in (allowed("auto", "smell"), allowed("required", "look", "smell"), allowed("auto")):
        with pytest.raises(InvalidRequest, match="allowed_tools"):
            encode_tools(make_call(policy, tools=BOTH, tool_choice=choice))


def test_an_allowed_tool_that_is_left_out(make_call: Callable[..., Call]) -> None:
    custom = {"type": "custom", "custom": {"name": "shell"}}
    assert encode_tools(make_call(tools=[custom, LOOK], tool_choice=allowed("auto", "look"))) == [LOOK]
    assert encode_tools(make_call("ignore", tools=[custom, LOOK], tool_choice=allowed("auto", "shell"))) == []


@pytest.mark.rule(244)
def test_a_name_that_no_tool_has(make_call: Callable[..., Call]) -> None:
    call = make_call("adapt", tools=BOTH, tool_choice=named("smell"))
    with pytest.warns(DragomanWarning, match="left out"):
        assert encode_tools(call) == BOTH
    assert call.ledger.dropped == ["tool_choice"]


def test_other_kinds_of_tools_follow_the_policy(make_call: Callable[..., Call]) -> None:
    custom = {"type": "custom", "custom": {"name": "shell"}}
    with pytest.raises(UnsupportedParameter, match="no tool of type 'custom'"):
        encode_tools(make_call(tools=[custom, LOOK]))
    call = make_call("ignore", tools=[custom, LOOK])
    assert encode_tools(call) == [LOOK]
    assert call.ledger.dropped == ["tools"]
