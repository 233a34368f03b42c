"""Tool calls of OpenAI-compatible servers, whole or in fragments, as OpenAI promises them.

Each has an id of its own, a name, and arguments that are the text of a JSON object; in a stream they are counted
0, 1, 2 …, and id, type and name come with the first fragment only.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dragoman.core.provider import Call, Json


#: What stands where an id should be.
_NO_IDS = frozenset({None, "", "null"})


def read_tool_calls(call: Call, choice: int, sent: list[Json]) -> list[Json]:
    """Return the tool calls of a whole message, the `choice`-th of the answer."""
    ids = _Ids(call, choice)
    return [_whole(ids, tool_call, position) for position, tool_call in enumerate(sent)]


def _whole(ids: _Ids, sent: Json, position: int) -> Json:
    fixed = {key: value for key, value in sent.items() if key != "index"}
    fixed["id"] = ids.take(sent.get("id"), position)
    if isinstance(sent.get("custom"), dict):
        return fixed
    function = sent.get("function") or {}
    text = _arguments(function.get("arguments"))
    fixed["function"] = {**function, "name": function.get("name") or "", "arguments": text if text.strip() else "{}"}
    return {**fixed, "type": "function"}


def _arguments(sent: Any) -> str:
    if isinstance(sent, str):
        return sent
    return "" if sent is None else json.dumps(sent, ensure_ascii=False)


class _Ids:
    """The ids of one message's calls: the server's, where each can be told from the others."""

    def __init__(self, call: Call, choice: int) -> None:
        self._stem = f"call_{call.id}_{choice}"
        self._taken: set[str] = set()

    def take(self, sent: Any, position: int) -> str:
        """Return the server's id, or one that is the same whenever it is asked for."""
        usable = isinstance(sent, str) and sent not in _NO_IDS and sent not in self._taken
        found: str = sent if usable else f"{self._stem}_{position}"
        self._taken.add(found)
        return found


@dataclass(slots=True)
class _Known:
    """What is known of a streamed call so far."""

    position: int
    sent_id: Any
    opened: bool = False
    #: Whether it has arguments; and those that came before its name.
    spoken: bool = False
    early: str = ""


class Fragments:
    """Puts the fragments of one streamed choice's tool calls straight."""

    def __init__(self, call: Call, choice: int) -> None:
        self._ids = _Ids(call, choice)
        self._calls: list[_Known] = []
        #: The server's number of a call -> the latest call that it gave this number.
        self._numbers: dict[int, _Known] = {}

    def __bool__(self) -> bool:
        """Whether there was a call."""
        return bool(self._calls)

    def feed(self, sent: Json) -> Iterator[Json]:
        """Continue the call that a fragment belongs to, or open a new one."""
        known = self._belongs_to(sent)
        custom = isinstance(sent.get("custom"), dict)
        function = sent["custom"] if custom else sent.get("function") or {}
        text = _arguments(function.get("input" if custom else "arguments"))
        known.spoken = known.spoken or bool(text.strip())
        if not known.opened and not function.get("name"):
            known.early += text
        elif not known.opened:
            yield self._open(known, sent, known.early + text)
        elif text and custom:
            yield {"index": known.position, "custom": {"input": text}}
        elif text:
            yield {"index": known.position, "function": {"arguments": text}}

    def finish(self) -> Iterator[Json]:
        """Complete the calls when the choice ends: no arguments are an empty object, and no call stays unsaid."""
        for known in self._calls:
            if not known.opened:
                yield self._open(known, {}, known.early or "{}")
            elif not known.spoken:
                yield {"index": known.position, "function": {"arguments": "{}"}}

    def _open(self, known: _Known, sent: Json, text: str) -> Json:
        known.opened = True
        fixed = {**sent, "index": known.position, "id": self._ids.take(known.sent_id, known.position)}
        if isinstance(sent.get("custom"), dict):
            return {**fixed, "type": "custom", "custom": {**sent["custom"], "input": text}}
        function = sent.get("function") or {}
        said = {**function, "name": function.get("name") or "", "arguments": text}
        return {**fixed, "type": "function", "function": said}

    def _belongs_to(self, sent: Json) -> _Known:
        """Find a fragment's call by the server's number, unless another id says that it is another call."""
        number, sent_id = sent.get("index"), sent.get("id")
        if sent_id in _NO_IDS:
            sent_id = None
        found = self._unnumbered(sent, sent_id) if number is None else self._numbers.get(int(number))
        if found is not None and sent_id is not None and found.sent_id not in {None, sent_id}:
            found = None
        if found is None:
            found = _Known(len(self._calls), sent_id)
            self._calls.append(found)
        if number is not None:
            self._numbers[int(number)] = found
        found.sent_id = found.sent_id or sent_id
        return found

    def _unnumbered(self, sent: Json, sent_id: Any) -> _Known | None:
        """A call without a number is known by its id; without both, a name says that another call begins."""
        if sent_id is not None:
            return next((one for one in self._calls if one.sent_id == sent_id), None)
        if (sent.get("function") or {}).get("name") or not self._calls:
            return None
        return self._calls[-1]
