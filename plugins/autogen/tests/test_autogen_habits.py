"""AutoGen's habits, and what strict providers get instead."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from dragoman.autogen.habits import check_hiding, fitted, without_hidden_tools
from dragoman.core import ConfigError

USER = {"role": "user", "content": "Hi", "name": "user"}
ASSISTANT = {"role": "assistant", "content": "Hello", "name": "assistant"}
SYSTEM = {"role": "system", "content": "Be kind."}
GO_ON = {"role": "user", "content": "Please continue."}


def calling(*names: str) -> dict[str, Any]:
    calls = [{"id": f"id-{name}", "type": "function", "function": {"name": name, "arguments": "{}"}} for name in names]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(name: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": f"id-{name}", "content": "ok"}


def tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}


@pytest.mark.parametrize(
    ("messages", "when", "hidden"),
    [
        ([USER], "if_any_run", False),
        ([USER, calling("a"), result("a")], "never", False),
        ([USER, calling("a"), result("a")], "if_any_run", True),
        ([USER, calling("a"), result("a")], "if_all_run", False),
        ([USER, calling("a", "b"), result("a"), result("b")], "if_all_run", True),
        ([USER, calling("a"), result("a"), calling("b"), result("b")], "if_all_run", True),
        ([USER, calling("a", "b"), result("a")], "if_all_run", False),
    ],
)
def test_tools_are_hidden_when_they_have_run(messages: Any, when: str, hidden: bool) -> None:
    request = {"model": "m", "messages": messages, "tools": [tool("a"), tool("b")], "tool_choice": "auto"}
    found = without_hidden_tools(request, when)
    assert found == ({"model": "m", "messages": messages} if hidden else request)


def test_without_tools_there_is_nothing_to_hide() -> None:
    request = {"messages": [USER, calling("a"), result("a")]}
    assert without_hidden_tools(request, "if_any_run") == request


def test_a_word_that_says_nothing_about_hiding() -> None:
    assert check_hiding("if_all_run") == "if_all_run"
    with pytest.raises(ConfigError, match="never, if_any_run, if_all_run, not 'always'"):
        check_hiding("always")


@pytest.mark.parametrize("provider", ["openai", "vllm", "together"])
def test_others_get_what_autogen_sends(provider: str) -> None:
    request = {"messages": [SYSTEM, ASSISTANT, calling("a"), result("a"), SYSTEM]}
    assert fitted(request, provider) == request
    assert fitted({"input": "x"}, "anthropic") == {"input": "x"}


def roles(request: dict[str, Any], provider: str) -> list[str]:
    before = copy.deepcopy(request)
    found = fitted(request, provider)
    assert request == before
    return [message["role"] for message in found["messages"]]


@pytest.mark.parametrize("provider", ["anthropic", "mistralai", "ollama"])
def test_names_are_left_out(provider: str) -> None:
    named_result = {**result("a"), "name": "a"}
    found = fitted({"messages": [USER, calling("a"), named_result], "tools": [tool("a")]}, provider)
    assert ["name" in message for message in found["messages"]] == [False, False, True]


def test_a_system_message_at_the_end_is_the_users() -> None:
    request = {"messages": [SYSTEM, USER, ASSISTANT, SYSTEM]}
    for provider in ("anthropic", "mistralai"):
        assert roles(request, provider) == ["system", "user", "assistant", "user"]
    assert roles(request, "ollama")[-1] == "system"
    assert roles({"messages": [SYSTEM]}, "mistralai") == ["system"]


def test_the_first_and_the_last_word_are_the_users() -> None:
    assert fitted({"messages": [SYSTEM, ASSISTANT, USER]}, "anthropic")["messages"][1] == GO_ON
    assert roles({"messages": [SYSTEM, ASSISTANT, USER]}, "mistralai") == ["system", "assistant", "user"]
    for provider in ("anthropic", "mistralai", "ollama"):
        assert fitted({"messages": [USER, ASSISTANT]}, provider)["messages"][-1] == GO_ON
        empty = {"role": "user", "content": ""}
        assert fitted({"messages": [USER, ASSISTANT, empty]}, provider)["messages"][-1] == GO_ON
        assert fitted({"messages": [USER, calling("a"), result("a")]}, provider)["messages"][-1] == result("a")


def test_tools_of_the_history_are_declared_and_may_not_be_called() -> None:
    request = {"messages": [USER, calling("a", "b"), result("a"), result("b"), calling("a"), result("a")]}
    found = fitted(request, "anthropic")
    assert [one["function"]["name"] for one in found["tools"]] == ["a", "b"]
    assert found["tool_choice"] == "none"
    offered = {**request, "tools": [tool("c")]}
    assert fitted(offered, "anthropic")["tools"] == [tool("c")]
    assert "tools" not in fitted(request, "mistralai")
