"""Checks of conversations: what an answer carries comes back with the next request."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from dragoman.core import pack
from dragoman.testing.assembling import message_of
from dragoman.testing.base import Base, over
from dragoman.testing.comparing import begun, holds, same, texts_in, without_nulls
from dragoman.testing.playing import replay

if TYPE_CHECKING:
    from dragoman.core import Json
    from dragoman.testing.tapes import Tape

#: What no vendor has heard of.
_STRANGERS = "a-strangers-data"


class HistoryChecks(Base):
    """An assistant's message goes back as it came, whatever frameworks and databases it went through."""

    @over("spoken")
    def test_history_survives_storage(self, tape: Tape) -> None:
        """Stored as JSON, or dumped by pydantic, with nulls or without: a message is the same to the vendor."""
        from openai.types.chat import ChatCompletionMessage

        message = self._message(tape)
        wanted = without_nulls(self._history(tape, message))
        model = ChatCompletionMessage.model_validate(message)
        stored = {
            "JSON": json.loads(json.dumps(message)),
            "model_dump()": model.model_dump(),
            "model_dump(exclude_none=True)": model.model_dump(exclude_none=True),
            "to_dict()": model.to_dict(),
        }
        for how, kept in stored.items():
            found = without_nulls(self._history(tape, kept))
            same(f"{tape.name}: the history after {how}", found, wanted)

    @over("spoken")
    def test_history_only_grows(self, tape: Tape) -> None:
        """What was sent before stands unchanged before what is new: caches and signed thoughts rely on it."""
        asked = self._history(tape)
        message = self._message(tape)
        answered = self._history(tape, message)
        same(f"{tape.name}: the request within the next one", begun(answered, asked), asked)
        later = self._history(tape, message, {"role": "assistant", "content": "Well."}, ask("And now?"))
        same(f"{tape.name}: the second request within the third", begun(later, answered), answered)

    @over("spoken")
    def test_history_of_strangers_stays_home(self, tape: Tape) -> None:
        """What another provider left in a message is sent to nobody else."""
        message = self._message(tape)
        strange = pack(message, "another-provider", {"kept": _STRANGERS})
        extra = {**(message.get("extra_content") or {}), **strange}
        sent = self._history(tape, {**message, "extra_content": extra})
        holds(_STRANGERS not in json.dumps(sent), f"{tape.name}: another provider's `extra_content` is in the request")

    @over("spoken")
    def test_history_shows_the_answer(self, tape: Tape) -> None:
        """The text and the names of the calls are there when the message comes back."""
        message = self._message(tape)
        sent = self._history(tape, message)
        words = json.dumps(sent, ensure_ascii=False)
        called = [*(message.get("tool_calls") or ()), {"function": message.get("function_call")}]
        names = [(call.get("function") or call.get("custom") or {}).get("name") for call in called]
        for said in filter(None, [*names, message.get("content")]):
            inner = json.dumps(said, ensure_ascii=False)
            # A text may go back in several parts.
            there = inner in words or inner[1:-1] in words or said in texts_in(sent)
            holds(there, f"{tape.name}: {inner} is not in the next request")

    def _message(self, tape: Tape) -> Json:
        outcome, _ = replay(self.make(), tape)
        if outcome.response is None:
            return message_of(outcome.chunks)
        message: Json = outcome.response["choices"][0]["message"]
        return message

    def _history(self, tape: Tape, *more: Json) -> Any:
        """The vendor's form of the tape's conversation, of what follows, and of the results of calls."""
        request = copy.deepcopy(tape.data["request"])
        for message in more:
            request["messages"].append(message)
            calls = message.get("tool_calls") or ()
            request["messages"] += [
                {"role": "tool", "tool_call_id": call["id"], "content": f"Result {number}."}
                for number, call in enumerate(calls)
            ]
            legacy = message.get("function_call")
            if legacy:
                request["messages"].append({"role": "function", "name": legacy["name"], "content": "Result 0."})
            if message.get("role") == "assistant" and not (calls or legacy):
                request["messages"].append(ask("Go on."))
        provider = self.make()
        wire = provider.encode(self.call(provider, request, on_unsupported="ignore"))
        body = wire.body or {}
        holds(self.history in body, f"{tape.name}: the vendor's request has no {self.history!r}: set `history`")
        return body[self.history]


def ask(text: str) -> Json:
    """A user's message."""
    return {"role": "user", "content": text}
