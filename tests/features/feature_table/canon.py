"""What is asked and what is answered, in no vendor's words: the wires read the one and write the other."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

Json = dict[str, Any]

#: Tokens of every answer.
PROMPT_TOKENS, COMPLETION_TOKENS = 7, 5
#: What every embedding is.
VECTOR = [0.5, -0.25]
MODELS = ("model-a", "model-b")


class RefusedError(Exception):
    """The vendor's documentation has no such thing: its server answers 400."""


class Made(NamedTuple):
    """A tool call."""

    name: str
    arguments: Json


@dataclass(frozen=True)
class Said:
    """An answer for a vendor to give. `status`: an error of that HTTP status instead, with `text` as its message."""

    text: str = ""
    thoughts: str = ""
    calls: tuple[Made, ...] = ()
    status: int = 200

    @property
    def finish(self) -> str:
        """Why it ended, in OpenAI's words."""
        return "tool_calls" if self.calls else "stop"


@dataclass
class Heard:
    """A request, as a vendor understood it from its own documentation."""

    model: str = ""
    stream: bool = False
    system: list[str] = field(default_factory=list)
    #: (role, text) of the turns of user and assistant that have text.
    turns: list[tuple[str, str]] = field(default_factory=list)
    calls: list[Made] = field(default_factory=list)
    #: (name of the tool that was called, text).
    results: list[tuple[str, str]] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    images: list[bytes] = field(default_factory=list)
    documents: list[tuple[str, bytes]] = field(default_factory=list)
    #: (name, description, schema).
    tools: list[tuple[str, str, Json]] = field(default_factory=list)
    #: "auto", "none", "required", or (the tool's name,).
    choice: str | tuple[str] = "auto"
    #: What the answer shall be: a schema, "object", or None for text.
    form: Any = None
    stop: list[str] = field(default_factory=list)
    seed: int | None = None
    n: int = 1
    #: How many alternatives are wanted; None: no log probabilities.
    logprobs: int | None = None
    usage: bool = False
    inputs: list[str] = field(default_factory=list)


class Wire(Protocol):
    """One vendor's API, as far as the features need it."""

    @property
    def root(self) -> str:
        """What the base URL ends with."""

    @property
    def gives_thoughts(self) -> bool:
        """Whether answers can have thoughts."""

    @property
    def takes_thoughts(self) -> bool:
        """Whether a history may have thoughts."""

    def hear(self, path: str, body: Json) -> Heard:
        """Read a POST. Raises `RefusedError` for what the vendor does not have."""

    def say(self, path: str, said: Said, heard: Heard) -> tuple[str, bytes]:
        """Write the answer: content type and body."""

    def models(self, path: str) -> Any:
        """The list of models. Raises `RefusedError` for another path."""

    def error(self, status: int, message: str) -> Any:
        """The body of a failure."""


def pieces(text: str) -> list[str]:
    """Cut a text in two, as streams do."""
    middle = len(text) // 2
    return [piece for piece in (text[:middle], text[middle:]) if piece]


def sse(*events: Any, named: bool = False) -> bytes:
    """Server-sent events; `named`: with their `type` as the event's name."""
    lines = []
    for event in events:
        name = f"event: {event['type']}\n" if named else ""
        lines.append(f"{name}data: {event if isinstance(event, str) else json.dumps(event)}\n\n")
    return "".join(lines).encode()
