"""What LiteLLM says beside OpenAI's message.

Source: https://docs.litellm.ai/docs/reasoning_content (`thinking_blocks`, `provider_specific_fields`)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dragoman.core import Json

#: Keys of an assistant's message, and of its tool calls, that are the proxy's own, and go back to it as they are.
OWN_KEYS = ("provider_specific_fields", "thinking_blocks")
#: Ids of tools that Anthropic has run itself: LiteLLM lists their calls among the client's.
_SERVER = "srvtoolu_"
#: Where those calls wait for the way back, beside their results, which LiteLLM keeps there.
_HIDDEN = "server_tool_calls"


def own_keys(sent: Json) -> Json:
    """Return what is the proxy's own of a message, or of a tool call."""
    return {key: sent[key] for key in OWN_KEYS if sent.get(key)}


def is_server_call(tool_call: Json) -> bool:
    """Whether a call was run by the vendor: a client that ran it again would answer what nobody asked."""
    return str(tool_call.get("id") or "").startswith(_SERVER)


def hide_server_calls(message: Json) -> Json:
    """Move the vendor's own calls out of `tool_calls`; `show_server_calls` moves them back."""
    calls = message.get("tool_calls") or []
    hidden = [made for made in calls if is_server_call(made)]
    if not hidden:
        return message
    fields = {**(message.get("provider_specific_fields") or {}), _HIDDEN: hidden}
    return {
        **message,
        "tool_calls": [made for made in calls if not is_server_call(made)],
        "provider_specific_fields": fields,
    }


def show_server_calls(message: Json) -> Json:
    """Put the vendor's own calls back, before the client's: the vendor ran them before it handed over."""
    fields = message.get("provider_specific_fields")
    if not isinstance(fields, dict) or _HIDDEN not in fields:
        return message
    rest = {key: value for key, value in fields.items() if key != _HIDDEN}
    calls = [*fields[_HIDDEN], *(message.get("tool_calls") or ())]
    wire = {key: value for key, value in message.items() if key != "provider_specific_fields"}
    return {**wire, "tool_calls": calls, **({"provider_specific_fields": rest} if rest else {})}


class Extras:
    """Collects one streamed choice's extras, which come in pieces, and gives them whole.

    A list of objects without an index, in two deltas, makes the openai package's own accumulator fail.
    """

    def __init__(self) -> None:
        self._thinking: list[Json] = []
        self._fields: Json = {}
        #: The proxy's number of a call -> a call of the vendor's own.
        self._hidden: dict[Any, Json] = {}

    def take(self, delta: Json) -> Json:
        """Return the delta without what is collected here."""
        for piece in delta.get("thinking_blocks") or ():
            self._think(piece)
        self._note(delta.get("provider_specific_fields") or {})
        calls = [piece for piece in delta.get("tool_calls") or () if not self._hide(piece)]
        rest = {key: value for key, value in delta.items() if key not in {*OWN_KEYS, "tool_calls"}}
        return {**rest, "tool_calls": calls} if calls else rest

    def whole(self) -> Json:
        """Everything collected, as an answer that was not streamed has it."""
        hidden = {_HIDDEN: list(self._hidden.values())} if self._hidden else {}
        found = {"thinking_blocks": self._thinking, "provider_specific_fields": {**self._fields, **hidden}}
        return {key: value for key, value in found.items() if value}

    def _think(self, piece: Json) -> None:
        """Texts follow each other until the signature closes a block."""
        piece = {key: value for key, value in piece.items() if key != "index" and value is not None}
        last = self._thinking[-1] if self._thinking else {}
        if piece.get("type") == last.get("type") == "thinking" and not last.get("signature"):
            piece["thinking"] = last.get("thinking", "") + piece.get("thinking", "")
            self._thinking.pop()
        self._thinking.append(piece)

    def _note(self, fields: Json) -> None:
        """Each list holds all there is so far, so the last one counts; only citations come one at a time."""
        for key, value in fields.items():
            if key == "citation":
                # A list for each text block, where the answer comes whole; which block, a stream does not say.
                self._fields.setdefault("citations", [[]])[0].append(value)
            elif key != "thinking_blocks":
                self._fields[key] = value

    def _hide(self, piece: Json) -> bool:
        """Keep a piece of a call of the vendor's own; only the first piece has the id."""
        number = piece.get("index")
        if is_server_call(piece):
            self._hidden[number] = {key: value for key, value in piece.items() if key != "index"}
            return True
        if piece.get("id") or number not in self._hidden:
            return False
        known, more = self._hidden[number]["function"], piece.get("function") or {}
        text = (known.get("arguments") or "") + (more.get("arguments") or "")
        self._hidden[number] = {**self._hidden[number], "function": {**known, "arguments": text}}
        return True
