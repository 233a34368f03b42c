"""JSON for people: laid out so that it can be reviewed, and compared in a way that can be read."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDTH = 110
#: Values longer than this are shown around the place where they differ.
_LONG = 160
_BEFORE, _AFTER = 30, 90


def lay_out(value: Any, indent: int = 0) -> str:
    """Write JSON for readers: what fits into a line stands in one."""
    text = json.dumps(value, ensure_ascii=False)
    if not value or not isinstance(value, dict | list) or (indent and indent + len(text) <= _WIDTH):
        return text
    inner = indent + 2
    if isinstance(value, dict):
        parts = [f"{json.dumps(key, ensure_ascii=False)}: {lay_out(item, inner)}" for key, item in value.items()]
    else:
        parts = [lay_out(item, inner) for item in value]
    start, end = "{}" if isinstance(value, dict) else "[]"
    pad = "\n" + " " * inner
    return start + pad + f",{pad}".join(parts) + "\n" + " " * indent + end


def diff_json(wanted: Any, found: Any, names: tuple[str, str] = ("expected", "found"), most: int = 60) -> list[str]:
    """Compare two JSON values; return the lines of a unified diff of paths and values, none if they are equal.

    True is not 1, and the order of keys says nothing. After `most` lines the rest is only counted.
    """
    old, new = list(_leaves(wanted)), list(_leaves(found))
    if old == new:
        return []
    before, after = _lines(old, dict(new)), _lines(new, dict(old))
    diff = list(difflib.unified_diff(before, after, *names, n=1, lineterm=""))
    return diff if len(diff) <= most else [*diff[:most], f"... and {len(diff) - most} lines more"]


def distance(one: Any, other: Any) -> int:
    """How many values stand in one of two JSON values and not in the other."""
    return len(set(_leaves(one)) ^ set(_leaves(other)))


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """One pair per value: `choices[0].message.content` and `"Hi"`, keys in order."""
    if isinstance(value, dict) and value:
        for key in sorted(value):
            yield from _leaves(value[key], f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for number, item in enumerate(value):
            yield from _leaves(item, f"{path}[{number}]")
    else:
        yield path, json.dumps(value, ensure_ascii=False, default=repr)


def _lines(leaves: list[tuple[str, str]], others: dict[str, str]) -> list[str]:
    """Write `path = value`; of long values only the part around the first difference, or the beginning."""
    return [f"{path} = {text if len(text) <= _LONG else _part(text, others.get(path, text))}" for path, text in leaves]


def _part(text: str, other: str) -> str:
    same = next((at for at, pair in enumerate(zip(text, other, strict=False)) if pair[0] != pair[1]), 0)
    start = 0 if text == other else max(same - _BEFORE, 0)
    rest = text[start : start + _BEFORE + _AFTER]
    return f"{'…' if start else ''}{rest}{'…' if start + len(rest) < len(text) else ''}"
