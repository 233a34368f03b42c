from __future__ import annotations

from typing import Any

import openai
import pytest

from dragoman.core import Client
from dragoman.core.cli.conversation import Conversation
from dragoman.core.cli.failures import ProviderFailure
from dragoman.core.cli.terminal import View
from dragoman.core.cli.tools import Tool


def add(a: int, b: int) -> int:
    if a < 0:
        message = "too small"
        raise ValueError(message)
    return a + b


@pytest.fixture
def converse(server: Any) -> Any:
    def converse(model: str, **more: Any) -> Conversation:
        return Conversation(client=Client(base_url=server.url), params={"model": model}, view=View(), **more)

    return converse


TOOLS = {"add": Tool(add, "add")}
both_ways = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])


@both_ways
def test_turns_add_up(converse: Any, server: Any, stream: bool, capsys: pytest.CaptureFixture[str]) -> None:
    system = {"role": "system", "content": "be brief"}
    conversation = converse("small", stream=stream, messages=[system])
    conversation.ask("one")
    conversation.ask("two")
    said = [message["content"].strip() for message in conversation.messages]
    assert said == ["be brief", "one", "You said: one", "two", "You said: two"]
    assert server.requests[1]["messages"] == conversation.messages[:4]
    assert [line.strip() for line in capsys.readouterr().out.splitlines()] == ["You said: one", "You said: two"]
    conversation.clear()
    assert conversation.messages == [system]


@both_ways
def test_tools_are_called_and_their_results_fed_back(
    converse: Any, server: Any, stream: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    conversation = converse("tool", stream=stream, tools=TOOLS)
    conversation.ask("2 + 3?")
    _, called, result, last = conversation.messages
    assert called["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"a": 2, "b": 3}'}
    assert called["role"] == "assistant"
    assert result == {"role": "tool", "tool_call_id": "call_1", "content": "5"}
    assert last["content"].strip() == "You said: 5"
    assert server.requests[1]["messages"] == conversation.messages[:3]
    out, err = capsys.readouterr()
    assert out.strip() == "You said: 5"
    assert err == '→ add({"a": 2, "b": 3})\n← 5\n'


def test_a_tool_that_fails_tells_the_model(converse: Any) -> None:
    def fail(a: int, b: int) -> int:
        raise ValueError(a + b)

    conversation = converse("tool", tools={"add": Tool(fail, "add")})
    conversation.ask("2 + 3?")
    assert conversation.messages[2]["content"] == "Error: ValueError: 5"


def test_a_tool_that_does_not_exist_is_an_answer_too(converse: Any) -> None:
    conversation = converse("stranger", tools=TOOLS)
    conversation.ask("clean up")
    assert conversation.messages[2]["content"] == "Error: there is no tool 'rm' here"
    assert conversation.messages[3]["content"].startswith("You said: Error")


def test_calls_that_nobody_runs_end_the_turn(converse: Any, server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    conversation = converse("tool")
    conversation.ask("2 + 3?")
    assert len(server.requests) == 1
    assert [message["role"] for message in conversation.messages] == ["user", "assistant", "tool"]
    assert '→ add({"a": 2, "b": 3})' in capsys.readouterr().err


@pytest.mark.parametrize("rounds", [0, 1, 3])
def test_rounds_are_bounded(converse: Any, server: Any, rounds: int) -> None:
    conversation = converse("loop", tools=TOOLS, max_rounds=rounds)
    with pytest.raises(ProviderFailure, match=f"after {rounds} rounds; --max-rounds allows more"):
        conversation.ask("2 + 3?")
    assert len(server.requests) == rounds + 1
    assert conversation.messages == []


@both_ways
def test_a_turn_that_fails_is_forgotten(converse: Any, stream: bool) -> None:
    conversation = converse("small", stream=stream)
    conversation.ask("one")
    conversation.params = {"model": "status-500"}
    with pytest.raises(openai.InternalServerError):
        conversation.ask("two")
    assert [message["content"].strip() for message in conversation.messages] == ["one", "You said: one"]


def test_an_answer_that_broke_is_forgotten(converse: Any, capsys: pytest.CaptureFixture[str]) -> None:
    conversation = converse("broken")
    with pytest.raises(openai.APIConnectionError):
        conversation.ask("one")
    assert conversation.messages == []
    assert capsys.readouterr().out == "You said: one \n"


class Impatient(View):
    """A reader who presses Ctrl-C after some words."""

    def __init__(self, words: int) -> None:
        super().__init__()
        self.words = words

    def text(self, text: str) -> None:
        super().text(text)
        self.words -= 1
        if self.words == 0:
            raise KeyboardInterrupt


def test_what_was_read_of_a_stopped_answer_stays(converse: Any, capsys: pytest.CaptureFixture[str]) -> None:
    conversation = converse("small")
    conversation.view = Impatient(2)
    with pytest.raises(KeyboardInterrupt):
        conversation.ask("one two three")
    assert conversation.messages == [
        {"role": "user", "content": "one two three"},
        {"role": "assistant", "content": "You said: "},
    ]
    assert capsys.readouterr().out == "You said: \n"


@both_ways
def test_reasoning_is_shown_and_kept(converse: Any, stream: bool, capsys: pytest.CaptureFixture[str]) -> None:
    conversation = converse("think", stream=stream)
    conversation.ask("2 + 2?")
    out, err = capsys.readouterr()
    assert (out.strip(), err.strip()) == ("four", "two and two")
    assert conversation.messages[1]["reasoning_content"].strip() == "two and two"


def test_a_cut_answer_says_so(converse: Any, capsys: pytest.CaptureFixture[str]) -> None:
    converse("cut").ask("tell a story")
    out, err = capsys.readouterr()
    assert (out.strip(), err) == ("once upon a", "(the answer was cut: the limit of tokens is reached)\n")
