"""OpenAI's list of messages -> Mistral's.

Source: https://docs.mistral.ai/api (chat completions, `messages`). Mistral refuses keys that it does not know and
ids of another form than its own, and wants each call of a turn answered right after it. What a message becomes
depends on those before it only, so the wire of a shorter conversation is a prefix of a longer one's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core import InvalidRequest, unpack, unsupported, warn_once
from dragoman.mistralai.content import encode_content
from dragoman.mistralai.ids import CallIds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dragoman.core import Call, Json

#: The name under which a message carries what only Mistral understands.
NAME = "mistralai"
#: What `adapt` puts between a tool's result and a user's message.
BRIDGE = "OK"

_KEYS = {
    "system": ("role", "content"),
    "user": ("role", "content"),
    "assistant": ("role", "content", "tool_calls", "prefix"),
    "tool": ("role", "content", "tool_call_id", "name"),
}
#: Keys of answers that say nothing more than the rest of the message does.
_SPARE = frozenset({"annotations", "parsed", "refusal", "tool_calls"})


def encode_messages(call: Call, messages: Iterable[tuple[Json, Json]]) -> list[Json]:
    """Return the wire's messages; given are pairs of a message as it came and as any compatible server takes it.

    Raises `InvalidRequest` for conversations that Mistral cannot take whatever the policy: calls without results,
    results without calls, roles and parts that it does not have.
    """
    history = _History(call)
    for index, (original, message) in enumerate(messages):
        history.add(original, message, f"messages[{index}]")
    return history.end()


class _History:
    """The wire so far, and the calls that wait for their results."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.wire: list[Json] = []
        self._ids = CallIds()
        #: (the caller's id, the wire's) of each call that is still unanswered.
        self._open: list[tuple[str, str]] = []

    def add(self, original: Json, message: Json, place: str) -> None:
        role = message.get("role")
        if role not in _KEYS:
            msg = f"{place} has the role {role!r}. Use system, developer, user, assistant or tool."
            raise InvalidRequest(msg)
        wire = self._known(message, place)
        wire["content"] = encode_content(message.get("content"), f"{place}.content")
        if role == "tool":
            wire["tool_call_id"] = self._answered(message, place)
        else:
            self._check_answered(place)
        if role == "assistant":
            self._add_assistant(original, message, wire, place)
            return
        if role == "user" and self.wire and self.wire[-1]["role"] == "tool":
            self._bridge()
        self.wire.append(wire)

    def end(self) -> list[Json]:
        self._check_answered("the end")
        if self.wire and self.wire[-1]["role"] == "assistant":
            # An assistant's text at the end is one that the model shall go on with.
            self.wire[-1] = {"prefix": True, **self.wire[-1]}
        return self.wire

    def _known(self, message: Json, place: str) -> Json:
        known = _KEYS[message["role"]]
        for key in ("audio", "function_call"):
            if message.get(key):
                msg = f"{place}.{key}: Mistral has nothing like it. Send the text as content, the call as tool_calls."
                raise InvalidRequest(msg)
        strange = sorted(key for key in message if key not in known and key not in _SPARE and message[key])
        if strange and self.call.on_unsupported != "ignore":
            text = f"{self.call.provider}: a message has no {', '.join(strange)} there; left out."
            warn_once(self.call.provider, f"messages.{','.join(strange)}", text)
        return {key: message[key] for key in known if message.get(key) is not None}

    def _add_assistant(self, original: Json, message: Json, wire: Json, place: str) -> None:
        data = self._carried(original)
        self.wire += data.get("messages", ())
        wire["content"] = data.get("content") or wire["content"] or message.get("refusal") or ""
        calls = wire.pop("tool_calls", None)
        if calls:
            wire["tool_calls"] = self._encode_calls(calls, f"{place}.tool_calls")
        if wire["content"] or calls:
            # A turn in which nothing was said is refused.
            self.wire.append(wire)

    def _carried(self, original: Json) -> Json:
        data, unedited = unpack(original, NAME)
        if data is None or unedited:
            return data or {}
        if self.call.on_unsupported != "ignore":
            text = f"{self.call.provider}: an answer was edited, so its thinking and references were left out."
            warn_once(self.call.provider, "edited answer", text)
        return {}

    def _encode_calls(self, calls: list[Json], place: str) -> list[Json]:
        for index, call in enumerate(calls):
            if not isinstance(call.get("function"), dict):
                msg = f"{place}[{index}] is no call of a function; Mistral has no other calls"
                raise InvalidRequest(msg)
        originals = [str(call.get("id") or "") for call in calls]
        wires = self._ids.assign(originals)
        self._open = list(zip(originals, wires, strict=True))
        return [
            {
                "id": wire,
                "type": "function",
                "function": {key: call["function"].get(key) for key in ("name", "arguments")},
            }
            for wire, call in zip(wires, calls, strict=True)
        ]

    def _answered(self, message: Json, place: str) -> str:
        original = str(message.get("tool_call_id") or "")
        found = next((pair for pair in self._open if pair[0] == original), None)
        if found is None:
            msg = f"{place} is the result of the call {original!r}, which is not open there. Send it after its call."
            raise InvalidRequest(msg)
        self._open.remove(found)
        return found[1]

    def _check_answered(self, place: str) -> None:
        if self._open:
            names = ", ".join(repr(original) for original, _ in self._open)
            msg = f"{place} comes before the result of {names}. Send a tool message for each call, right after it."
            raise InvalidRequest(msg)

    def _bridge(self) -> None:
        # Mistral's API takes the user's word after a tool's; older deployments of its models refuse that.
        if self.call.on_unsupported != "adapt":
            return
        reason = "some deployments refuse a user's message right after a tool's"
        nearest = f"an assistant message {BRIDGE!r} put between a tool's result and a user's message"
        if unsupported(self.call, "messages", BRIDGE, reason=reason, nearest=nearest):
            self.wire.append({"role": "assistant", "content": BRIDGE})
