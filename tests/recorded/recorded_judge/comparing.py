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
