"""Comparing JSON values: where they differ, and whether they would be the same bytes."""

from __future__ import annotations

import json


def changed(want: object, got: object, where: str = "") -> list[str]:
    """Paths at which two JSON values differ; 1, 1.0 and true are three different values."""
    if isinstance(want, dict) and isinstance(got, dict):
        keys = [*want, *(key for key in got if key not in want)]
        missing = object()
        pairs = ((f"{where}.{key}", want.get(key, missing), got.get(key, missing)) for key in keys)
        return [path for place, mine, theirs in pairs for path in changed(mine, theirs, place)]
    if isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
        places = ((f"{where}[{number}]", *pair) for number, pair in enumerate(zip(want, got, strict=True)))
        return [path for place, mine, theirs in places for path in changed(mine, theirs, place)]
    if type(want) is type(got) and want == got:
        return []
    return [f"{where or '.'} (recorded {shown(want)}, got {shown(got)})"]


def shown(value: object) -> str:
    """A value in a message: JSON, shortened."""
    if type(value) is object:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 160 else f"{text[:110]} … {text[-40:]}"


def same_bytes(want: object, got: object) -> bool:
    """Whether two JSON values are equal and have their keys in the same order."""
    return json.dumps(want, ensure_ascii=False) == json.dumps(got, ensure_ascii=False)


def lost(recorded: object, seen: object) -> list[str]:
    """Keys of an answer that its reader no longer finds anywhere, with what they said.

    Keys that are put straight are judged by what they mean; a key that says nothing may go.
    """
    found: set[str] = set()
    _collect(seen, found)
    missing: list[str] = []
    _search(recorded, found, missing)
    return missing


#: Judged elsewhere, or said in OpenAI's words by another key.
_TRANSLATED = frozenset(
    {"id", "object", "created", "created_at", "model", "choices", "message", "delta", "index", "finish_reason", "done"}
    | {"done_reason", "role", "content", "text", "refusal", "reasoning", "reasoning_content", "thinking", "tool_calls"}
    | {"function_call", "audio", "logprobs", "usage", "prompt_tokens", "completion_tokens", "total_tokens"}
    | {"prompt_tokens_details", "prompt_token_details", "completion_tokens_details", "cached_tokens"}
    | {"num_cached_tokens", "prompt_eval_count", "eval_count"}
    # Together's, of each piece: put together it is no token's.
    | {"token_id"}
)


def _collect(seen: object, found: set[str]) -> None:
    if isinstance(seen, dict):
        found |= {_fact(key, value) for key, value in seen.items()}
    for item in seen.values() if isinstance(seen, dict) else seen if isinstance(seen, list) else ():
        _collect(item, found)


def _search(recorded: object, found: set[str], missing: list[str]) -> None:
    if isinstance(recorded, list):
        for item in recorded:
            _search(item, found, missing)
    elif isinstance(recorded, dict):
        for key, value in recorded.items():
            if key in _TRANSLATED:
                _search(value if key not in {"tool_calls", "content"} else None, found, missing)
            elif value not in (None, "", [], {}) and _fact(key, value) not in found:
                missing.append(f"{key} = {shown(value)}")


def _fact(key: str, value: object) -> str:
    return f"{key}={json.dumps(value, sort_keys=True, default=repr)}"
