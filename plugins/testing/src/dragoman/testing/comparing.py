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
