"""What is asked, and what is said when the answer is wrong: a diff of paths and values, in OpenAI's words."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_LINES = 60


def same(what: str, found: Any, wanted: Any) -> None:
    """Fail with a diff if two JSON values differ; true is not 1, and the order of keys says nothing."""
    expected, given = list(lines(wanted)), list(lines(found))
    if expected == given:
        return
    diff = list(difflib.unified_diff(expected, given, "expected", "provider", n=1, lineterm=""))
    if len(diff) > _MOST_LINES:
        diff = [*diff[:_MOST_LINES], f"... and {len(diff) - _MOST_LINES} lines more"]
    pytest.fail("\n".join([what, *diff]), pytrace=False)


def holds(condition: object, what: str) -> None:
    """Fail with a sentence unless the condition holds."""
    if not condition:
        pytest.fail(what, pytrace=False)


def lines(value: Any, path: str = "") -> Iterator[str]:
    """One line per value: `choices[0].message.content = "Hi"`, keys in order."""
    if isinstance(value, dict) and value:
        for key in sorted(value):
            yield from lines(value[key], f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for number, item in enumerate(value):
            yield from lines(item, f"{path}[{number}]")
    else:
        yield f"{path} = {json.dumps(value, ensure_ascii=False, default=repr)}"


def without_nulls(value: Any) -> Any:
    """Leave out nulls: in a message they say the same as nothing."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def begun(long: Any, short: Any) -> Any:
    """Cut a list to the length of another, and what stands last there likewise: a conversation grows at its end."""
    if isinstance(long, list) and isinstance(short, list) and short and len(long) >= len(short):
        last = len(short) - 1
        return [*long[:last], begun(long[last], short[last])]
    if isinstance(long, dict) and isinstance(short, dict):
        return {
            key: begun(value, short[key]) if isinstance(value, list) and key in short else value
            for key, value in long.items()
        }
    return long


def texts_in(value: Any) -> str:
    """All texts of a JSON value, joined in their order; the types of parts are none."""
    if isinstance(value, dict):
        value = [item for key, item in value.items() if key != "type"]
    if isinstance(value, list):
        return "".join(map(texts_in, value))
    return value if isinstance(value, str) else ""
