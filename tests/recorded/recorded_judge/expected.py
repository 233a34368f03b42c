"""What a caller must see: the same few facts, whoever the provider is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

#: In place of a fact that the recording does not settle: anything will do, or any text but an empty one.
ANYTHING = "<anything>"
SOME_TEXT = "<some text>"


@dataclass
class ToolCall:
    """One tool call; `arguments` is text, `value` what it says (None if it is no JSON)."""

    id: str | None
    name: str
    arguments: str
    value: Any


@dataclass
class Answer:
    """One choice of an answer."""

    text: str | None = None
    refusal: str | None = None
    reasoning: str | None = None
    calls: list[ToolCall] = field(default_factory=list)
    finish: str | None = None
    annotations: list[Json] = field(default_factory=list)
    #: Legacy `function_call` and `audio`, as they are.
    other: Json = field(default_factory=dict)


@dataclass
class Outcome:
    """A whole answer. `error`: how the stream broke off, if it did; then the rest is what came before.

    In `usage`, ANYTHING stands for a number that is not judged; `service_tier` and `created` are not judged if None.
    """

    id: str | None
    model: str | None
    answers: dict[int, Answer]
    usage: dict[str, Any] | str | None
    service_tier: str | None = None
    error: str | None = None
    created: int | None = None


def usage_numbers(usage: Json | None) -> dict[str, int] | None:
    """OpenAI's usage as flat numbers; counts that are absent or null are 0."""
    if usage is None:
        return None
    prompt = usage.get("prompt_tokens_details") or {}
    completion = usage.get("completion_tokens_details") or {}
    return {
        "prompt": usage["prompt_tokens"],
        "completion": usage["completion_tokens"],
        "total": usage["total_tokens"],
        "cached": prompt.get("cached_tokens") or 0,
        "cache_write": prompt.get("cache_write_tokens") or 0,
        "reasoning": completion.get("reasoning_tokens") or 0,
    }


def differences(want: Outcome, got: Outcome) -> list[str]:
    """Every fact in which two outcomes differ, one readable line each."""
    found = _compare("id", want.id, got.id) + _compare("model", want.model, got.model)
    found += _compare("usage", want.usage, got.usage) + _compare("error", want.error, got.error)
    found += _compare("choices", sorted(want.answers), sorted(got.answers))
    for name in ("service_tier", "created"):
        if getattr(want, name) is not None:
            found += _compare(name, getattr(want, name), getattr(got, name))
    for index in sorted(set(want.answers) & set(got.answers)):
        mine, theirs = want.answers[index], got.answers[index]
        for name in ("text", "refusal", "reasoning", "finish", "annotations", "other"):
            found += _compare(f"choice {index} {name}", getattr(mine, name), getattr(theirs, name))
        found += _compare_calls(index, mine, theirs)
    return found


def _compare_calls(index: int, want: Answer, got: Answer) -> list[str]:
    if len(want.calls) != len(got.calls):
        return _compare(f"choice {index} calls", [c.name for c in want.calls], [c.name for c in got.calls])
    found = []
    taken = [theirs.id for mine, theirs in zip(want.calls, got.calls, strict=True) if mine.id == SOME_TEXT]
    taken += [mine.id for mine in want.calls if taken and mine.id != SOME_TEXT]
    if len(set(taken)) != len(taken):
        found.append(f"choice {index}: two calls have one id: {taken}")
    for number, (mine, theirs) in enumerate(zip(want.calls, got.calls, strict=True)):
        for name in ("id", "name", "value", "arguments"):
            wanted = getattr(mine, name)
            # An empty text stands for "only the value is known": Anthropic sends objects, not text.
            if name == "arguments" and wanted == "":
                continue
            found += _compare(f"choice {index} call {number} {name}", wanted, getattr(theirs, name))
    return found


def _compare(what: str, want: object, got: object) -> list[str]:
    return [] if _same(want, got) else [f"{what}: recorded {_short(want)}, got {_short(got)}"]


def _same(want: object, got: object) -> bool:
    if want == ANYTHING:
        return True
    if want == SOME_TEXT:
        return isinstance(got, str) and bool(got.strip())
    # 1 == 1.0 == True in Python, and an int that became a float is a loss on the wire.
    if type(want) is not type(got):
        return False
    if isinstance(want, dict) and isinstance(got, dict):
        return want.keys() == got.keys() and all(_same(value, got[key]) for key, value in want.items())
    if isinstance(want, list) and isinstance(got, list):
        return len(want) == len(got) and all(_same(*pair) for pair in zip(want, got, strict=True))
    return want == got


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:140]} … {text[-140:]} ({len(text)} characters)"
