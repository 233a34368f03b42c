"""OpenAI's list of messages -> Anthropic's `system` and alternating `messages`.

Every placement depends on what came before and on the next turn only. So, where a conversation grows by an
answer and what follows it, the wire messages of one turn are a prefix of the next one's: caches stay warm and
thinking blocks that are bound to their transcript stay valid
(https://platform.claude.com/docs/en/build-with-claude/prompt-caching).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.anthropic.assistant import encode_assistant
from dragoman.anthropic.content import (
    SYSTEM_PARTS,
    USER_PARTS,
    blocks_of,
    cache_marker,
    encode_content,
    is_text_turn,
    mark_last,
    text_alone,
    text_block,
)
from dragoman.anthropic.ids import CallIds
from dragoman.anthropic.results import Results
from dragoman.anthropic.servercalls import has_server_calls, without_open_calls
from dragoman.core import InvalidRequest

if TYPE_CHECKING:
    from dragoman.anthropic.draft import Draft
    from dragoman.core import Json

#: What a repaired conversation begins with, where the caller's begins with the assistant.
OPENING = "(The conversation begins with the assistant.)"
_ROLES = frozenset({"assistant", "function", "system", "tool", "user"})


class _History:
    """Sorts messages into turns: results right after their calls, and what came in between after the results.

    A turn is a wire message in the making; its content is a text where nothing but a text was said, else blocks.
    `paused`: the last answer is one that the model will go on with. `served`: a tool on Anthropic's side was called.
    """

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.turns: list[Json] = []
        self.paused = self.served = False
        self._results = Results(draft.ttl)
        self._deferred: list[Json] = []
        self._ids = CallIds()

    def add(self, message: Json, index: int) -> None:
        role = message["role"]
        if role == "assistant":
            if self._results.blocks or self._deferred:
                self._end_results()
            self.turns.append(self._answered(message, index))
        elif role in {"tool", "function"}:
            self._results.take(message, f"messages[{index}]")
        elif self._results.expected:
            self._deferred.append(self._said(message, index))
        else:
            self.turns.append(self._said(message, index))

    def _answered(self, message: Json, index: int) -> Json:
        if is_text_turn(message):
            self.paused = False
            return message
        text = text_alone(message)
        if text is not None:
            self.paused = self.paused and not text
            return {"role": "assistant", "content": text}
        _warn_of_name(self.draft, message)
        turn = encode_assistant(message, f"messages[{index}]", self.draft, self._ids)
        self._results.expect(turn.calls)
        if turn.blocks:
            self.paused = turn.paused
            self.served = self.served or has_server_calls(turn.blocks)
        return {"role": "assistant", "content": turn.blocks}

    def _said(self, message: Json, index: int) -> Json:
        role = message["role"]
        if role == "user":
            if is_text_turn(message):
                return message
            text = text_alone(message)
            if text is not None:
                return {"role": role, "content": text}
        _warn_of_name(self.draft, message)
        parts = USER_PARTS if role == "user" else SYSTEM_PARTS
        blocks = encode_content(message.get("content"), f"messages[{index}].content", parts, self.draft.ttl)
        return {"role": role, "content": mark_last(blocks, cache_marker(message, self.draft.ttl))}

    def _end_results(self) -> None:
        if self._results.expected:
            self.turns.append({"role": "user", "content": self._results.close(self.draft)})
            self._results = Results(self.draft.ttl)
            self._ids = CallIds()
        self.turns += self._deferred
        self._deferred.clear()

    def end(self) -> list[Json]:
        self._end_results()
        return self.turns


def encode_messages(draft: Draft, messages: Any) -> None:
    """Write `system` and `messages` into the draft's body.

    Raises `InvalidRequest` for conversations that Anthropic cannot take whatever the policy: none at all, tool
    results without their call, an assistant's turn at an end that the model cannot go on from.
    """
    if not isinstance(messages, list) or not messages:
        msg = "messages is empty. Anthropic needs at least one user message."
        raise InvalidRequest(msg)
    checked = [_checked(message, index) for index, message in enumerate(messages)]
    system: list[Json] = []
    lead = 0
    while lead < len(checked) and checked[lead]["role"] == "system":
        blocks = encode_content(checked[lead].get("content"), f"messages[{lead}].content", SYSTEM_PARTS, draft.ttl)
        _warn_of_name(draft, checked[lead])
        system += mark_last(blocks, cache_marker(checked[lead], draft.ttl))
        lead += 1
    history = _History(draft)
    for index, message in enumerate(checked[lead:], lead):
        history.add(message, index)
    turns = _merged(history.end())
    if any(turn["role"] == "system" for turn in turns):
        turns = _merged(_placed(turns, draft))
    if history.served:
        turns = _merged(without_open_calls(turns, draft))
    _check_ends(turns, draft, checked[-1]["role"], paused=history.paused)
    if system:
        draft.body["system"] = system
    draft.body["messages"] = turns


def _checked(message: Any, index: int) -> Json:
    """The message with `developer` called what Anthropic calls it."""
    role = message.get("role") if isinstance(message, dict) else None
    if role == "developer":
        return {**message, "role": "system"}
    if role not in _ROLES:
        msg = f"messages[{index}] has the role {role!r}. Use system, developer, user, assistant or tool."
        raise InvalidRequest(msg)
    found: Json = message
    return found


def _warn_of_name(draft: Draft, message: Json) -> None:
    if message.get("name") and message["role"] in {"user", "assistant", "system"}:
        draft.warn("messages.name", "messages have no name there; the names of the participants were left out.")


def _merged(turns: list[Json]) -> list[Json]:
    """Join neighbours of one role; a turn without any content disappears."""
    merged: list[Json] = []
    last = None
    for turn in turns:
        if not turn["content"]:
            continue
        if turn["role"] == last:
            merged[-1] = {"role": last, "content": [*blocks_of(merged[-1]["content"]), *blocks_of(turn["content"])]}
        else:
            merged.append(turn)
            last = turn["role"]
    return merged


def _placed(turns: list[Json], draft: Draft) -> list[Json]:
    """Leave system turns where the model takes them; elsewhere they become marked notes in the user's turn.

    A system turn has to follow a user's, or the results of server tools in an assistant's, and to be last or before
    an assistant's. It is never moved to the top: that would change the beginning of every later request.
    """
    placed: list[Json] = []
    for index, turn in enumerate(turns):
        if turn["role"] != "system":
            placed.append(turn)
            continue
        before = turns[index - 1]["role"] if index else None
        after = turns[index + 1]["role"] if index + 1 < len(turns) else "assistant"
        if draft.facts.system_messages and after == "assistant" and (before == "user" or _ends_served(turns[:index])):
            placed.append(turn)
            continue
        draft.warn(
            "system message",
            "a system message inside the conversation has no place of its own there; it was sent as a note in the "
            "user's turn.",
        )
        notes = [{**block, **_note(block["text"])} for block in blocks_of(turn["content"])]
        placed.append({"role": "user", "content": notes})
    return placed


def _ends_served(turns: list[Json]) -> bool:
    """Whether the last thing said is the result of a tool on Anthropic's side."""
    return bool(turns) and blocks_of(turns[-1]["content"])[-1]["type"].endswith("_tool_result")


def _note(text: str) -> Json:
    return text_block(f"<operator_note>\n{text}\n</operator_note>")


def _check_ends(turns: list[Json], draft: Draft, last_role: str, *, paused: bool) -> None:
    """See to the first and the last turn, where Anthropic's rules differ from model to model."""
    if not turns:
        msg = "There is no message with content besides the system prompt. Anthropic needs at least one user message."
        raise InvalidRequest(msg)
    if turns[0]["role"] == "assistant" and not draft.facts.assistant_first:
        _open_conversation(turns, draft)
    last = turns[-1]
    if last["role"] != "assistant":
        return
    if last_role != "assistant":
        msg = f"The last {last_role} message is empty; without it the conversation would end with the assistant's turn."
        raise InvalidRequest(msg)
    if paused:
        return
    if not draft.facts.prefill:
        msg = (
            "This model does not continue an assistant message: the conversation must end with a user message. "
            "Add one, or ask for the form of the answer with response_format."
        )
        raise InvalidRequest(msg)
    *before, end = blocks_of(last["content"])
    if end["type"] == "text":
        text = end["text"].rstrip()
        # A new turn: the old one may be the caller's own message.
        turns[-1] = {**last, "content": [*before, *([{**end, "text": text}] if text else [])]}


def _open_conversation(turns: list[Json], draft: Draft) -> None:
    if draft.call.on_unsupported != "adapt":
        msg = (
            "The conversation begins with an assistant message, which this model does not accept. Begin with a user "
            'message, or choose on_unsupported="adapt" to have one added.'
        )
        raise InvalidRequest(msg)
    draft.unsupported(
        "messages[0]",
        "assistant",
        reason="a conversation begins with the user",
        nearest="a user message that says so was put first",
    )
    turns.insert(0, {"role": "user", "content": [text_block(OPENING)]})
