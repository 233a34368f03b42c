"""A stream's chunks -> the whole answer, for hooks that want to see it when the call has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dragoman.core.provider import Json


class Assembly:
    """Takes chunks one by one; `completion` is what the answer would have been without streaming."""

    def __init__(self) -> None:
        self._head: Json = {}
        self._choices: dict[int, Json] = {}
        #: Keys of chunks that say nothing new about the whole.
        self._usual = {"choices"}

    def add(self, chunk: Json) -> None:
        """Take one chunk; it is not kept."""
        choices: list[Json] = chunk.get("choices") or []
        usual = len(choices) == 1 and self._usual.issuperset(chunk) and not chunk.get("usage")
        if usual and self._add_text(choices[0]):
            return
        self._head.update({key: value for key, value in chunk.items() if key != "choices" and value is not None})
        self._usual = {"choices", "usage", *self._head}
        for piece in choices:
            index = piece.get("index", 0)
            choice = self._choices.setdefault(index, {"index": index, "message": {}, "finish_reason": None})
            _merge(choice["message"], piece.get("delta") or {})
            if piece.get("logprobs"):
                _merge(choice.setdefault("logprobs", {}), piece["logprobs"])
            choice["finish_reason"] = piece.get("finish_reason") or choice["finish_reason"]

    def _add_text(self, piece: Json) -> bool:
        """Take a piece that is more text and nothing else, as most are; False: it is something else."""
        delta = piece.get("delta")
        if not delta or len(delta) != 1 or piece.get("finish_reason") or piece.get("logprobs"):
            return False
        choice, text = self._choices.get(piece.get("index", 0)), delta.get("content")
        known = choice["message"].get("content") if choice is not None else None
        if choice is None or not isinstance(known, str) or not isinstance(text, str):
            return False
        choice["message"]["content"] = known + text
        return True

    def completion(self) -> Json:
        """Return the answer so far, as a `chat.completion`."""
        choices = [self._choices[index] for index in sorted(self._choices)]
        for choice in choices:
            for call in choice["message"].get("tool_calls") or ():
                call.pop("index", None)
        return {**self._head, "object": "chat.completion", "choices": choices}


#: Texts that say what something is; a second one replaces the first.
_NAMES = frozenset({"id", "name", "role", "type"})


def _merge(whole: Json, delta: Json) -> None:
    for key, value in delta.items():
        known = whole.get(key)
        if known is None:
            whole[key] = copied(value)
        elif isinstance(known, str) and isinstance(value, str) and key not in _NAMES:
            whole[key] = known + value
        elif isinstance(known, dict) and isinstance(value, dict):
            _merge(known, value)
        elif isinstance(known, list) and isinstance(value, list):
            _merge_list(known, value)
        elif value is not None:
            whole[key] = value


def _merge_list(known: list[Any], items: list[Any]) -> None:
    """Items with an index continue the one that has it; others follow."""
    for item in items:
        index = item.get("index") if isinstance(item, dict) else None
        same = [other for other in known if index is not None and other.get("index") == index]
        if same:
            _merge(same[0], item)
        else:
            known.append(copied(item))


def copied(value: Any) -> Any:
    """Copy JSON deeply; what is no JSON stays as it is, for whoever encodes it to refuse."""
    if isinstance(value, dict):
        return {key: item if type(item) is str else copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [item if type(item) is str else copied(item) for item in value]
    return value
