"""Streams, shown and put together."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from openai.types.chat import ChatCompletion

from dragoman.autogen.streaming import shown

HEAD = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}


def chunk(index: int = 0, finish_reason: str | None = None, **delta: Any) -> dict[str, Any]:
    return {**HEAD, "choices": [{"index": index, "delta": delta, "finish_reason": finish_reason}]}


USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


def test_texts_are_put_together() -> None:
    made = shown(
        [
            chunk(role="assistant", content=""),
            chunk(content="a", reasoning_content="t"),
            chunk(content="b"),
            chunk(finish_reason="length", extra_content={"x": {"y": [1]}}),
            chunk(content=""),
            {**HEAD, "choices": [], "usage": USAGE},
        ]
    )
    (choice,) = made["choices"]
    assert choice["finish_reason"] == "length"
    assert choice["message"] == {
        "role": "assistant",
        "content": "ab",
        "reasoning_content": "t",
        "extra_content": {"x": {"y": [1]}},
    }
    assert made["usage"] == USAGE
    ChatCompletion.model_validate(made)


def test_tool_calls_and_choices_stay_apart() -> None:
    calls = [
        {"index": n, "id": f"c{n}", "type": "function", "function": {"name": "f", "arguments": ""}} for n in (0, 1)
    ]
    more = [{"index": n, "function": {"arguments": f"{n}"}} for n in (1, 0)]
    made = shown(
        [
            chunk(tool_calls=calls),
            chunk(tool_calls=more),
            chunk(finish_reason="tool_calls"),
            chunk(1, content="other"),
            chunk(1, "stop"),
        ]
    )
    first, second = made["choices"]
    assert [(call["id"], call["function"]["arguments"]) for call in first["message"]["tool_calls"]] == [
        ("c0", "0"),
        ("c1", "1"),
    ]
    assert first["message"]["content"] is None
    assert second["message"] == {"role": "assistant", "content": "other"}
    ChatCompletion.model_validate(made)


def test_nothing_said_is_an_answer_without_choices() -> None:
    assert shown([{**HEAD, "choices": []}])["choices"] == []


class Console:
    """What AutoGen 0.2 prints on."""

    def __init__(self) -> None:
        self.printed = ""

    def print(self, *texts: str, end: str = "\n", flush: bool = False) -> None:
        self.printed += "".join(texts) + end


class Events(Console):
    """What AG2 sends events to."""

    def send(self, event: Any) -> None:
        self.printed += f"<{event.content}>"


@pytest.mark.parametrize(
    ("stream", "printed"), [(Console(), "\033[32mab\033[0m\n\n"), (Events(), "<a><b>")], ids=["0.2", "classic"]
)
def test_pieces_are_shown_as_they_come(stream: Any, printed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    base = SimpleNamespace(IOStream=SimpleNamespace(get_default=lambda: stream))
    events = SimpleNamespace(StreamEvent=lambda content: SimpleNamespace(content=content))
    monkeypatch.setitem(sys.modules, "autogen.io.base", base)  # type: ignore[arg-type]  # a namespace is enough
    monkeypatch.setitem(sys.modules, "autogen.events.client_events", events)  # type: ignore[arg-type]  # as above
    shown([chunk(content="a"), chunk(content="b"), chunk(finish_reason="stop")])
    assert stream.printed == printed


def test_a_broken_stream_leaves_the_terminal_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console()
    base = SimpleNamespace(IOStream=SimpleNamespace(get_default=lambda: console))
    monkeypatch.setitem(sys.modules, "autogen.io.base", base)  # type: ignore[arg-type]  # a namespace is enough

    def chunks() -> Any:
        yield chunk(content="a")
        raise ConnectionError

    with pytest.raises(ConnectionError):
        shown(chunks())
    assert console.printed == "\033[32ma\033[0m\n\n"
