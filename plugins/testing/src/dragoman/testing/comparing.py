"""What is asked, and what is said when the answer is wrong: a diff of paths and values, in OpenAI's words."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.core import diff_json


def same(what: str, found: Any, wanted: Any) -> None:
    """Fail with a diff if two JSON values differ; true is not 1, and the order of keys says nothing."""
    if diff := diff_json(wanted, found, ("expected", "provider")):
        pytest.fail("\n".join([what, *diff]), pytrace=False)


def holds(condition: object, what: str) -> None:
    """Fail with a sentence unless the condition holds."""
    if not condition:
        pytest.fail(what, pytrace=False)


def without_nulls(value: Any) -> Any:
    """Leave out nulls: in a message they say the same as nothing."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def begun(long: Any, short: Any) -> Any:
    """Cut a list to the length of another, and what stands last there likewise: a conversation grows at its end.

    A text is begun by a list of parts whose first is that text.
    """
    if isinstance(long, list) and isinstance(short, str):
        first = long[0] if long else None
        return short if isinstance(first, dict) and first.get("text") == short else long
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
