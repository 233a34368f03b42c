"""A chat request in the making: what the parts of the translation share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dragoman.core import Call, InvalidRequest, unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dragoman.core import Json, Ledger, OnUnsupported
    from dragoman.server.messages.target import Target


@dataclass(slots=True)
class Draft:
    """A Messages request, who will answer it, and the chat as far as it is written."""

    body: Json
    target: Target
    policy: OnUnsupported = "raise"
    chat: Json = field(default_factory=dict)
    #: What goes to the provider's wire as it is.
    extra_body: Json = field(default_factory=dict)
    #: The exchange's own call does not exist yet, and core's policy wants one.
    call: Call = field(init=False)

    def __post_init__(self) -> None:
        self.call = Call(self.target.name, str(self.body.get("model")), {}, on_unsupported=self.policy)

    @property
    def native(self) -> bool:
        """Whether the provider knows all that a request may say in this dialect."""
        return self.target.native

    @property
    def ledger(self) -> Ledger:
        """What was left out or adapted."""
        return self.call.ledger

    def unsupported(self, param: str, value: Any, *, reason: str, hint: str = "", nearest: str = "") -> bool:
        """Ask the caller's policy; True: do the nearest thing (`dragoman.core.unsupported`)."""
        return unsupported(self.call, param, value, reason=reason, hint=hint, nearest=nearest)

    def drop(self, what: str) -> None:
        """Note that something of another provider's was left out of the history."""
        if what not in self.ledger.dropped:
            self.ledger.dropped.append(what)


def blocks_of(content: Any, place: str) -> Iterator[tuple[Json, str]]:
    """Walk over content as blocks with their places; a string is one block of text."""
    if isinstance(content, str):
        yield {"type": "text", "text": content}, place
        return
    if not isinstance(content, list):
        msg = f"{place}: send a string or a list of content blocks, not {_kind(content)}"
        raise InvalidRequest(msg)
    for index, block in enumerate(content):
        where = f"{place}.{index}"
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            msg = f"{where}: a content block is an object with a type"
            raise InvalidRequest(msg)
        yield block, where


def text_of(block: Json, place: str, key: str = "text") -> str:
    """The text that a block has to have."""
    text = block.get(key)
    if not isinstance(text, str):
        msg = f"{place}.{key}: send a string, not {_kind(text)}"
        raise InvalidRequest(msg)
    return text


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
