"""What makes two calls the same."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.cache.keys import key_of
from dragoman.core import Call


def call(**fields: Any) -> Call:
    request = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields.pop("request", {})}
    return Call(**{"provider": "acme", "model": "m", "request": request, "base_url": "https://a.test/v1", **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {"request": {"stream": True, "stream_options": {"include_usage": True}}},
        {"api_key": "sk-other"},
        {"extra_headers": {"authorization": "Bearer other"}},
        {"id": "another", "created": 5, "timeout": 3.0, "max_retries": 1},
        {"base_url": "https://user:secret@a.test/v1"},
    ],
)
def test_what_changes_no_answer_changes_no_key(fields: dict[str, Any]) -> None:
    assert key_of(call(**fields)) == key_of(call())


@pytest.mark.parametrize(
    "fields",
    [
        {"provider": "other"},
        {"base_url": "https://b.test/v1"},
        {"base_url": "https://a.test:8000/v1"},
        {"base_url": "https://a.test/v1?api-version=2"},
        {"request": {"model": "n"}},
        {"request": {"seed": 1}},
        {"request": {"messages": []}},
        {"extra_body": {"top_k": 1}},
        {"extra_query": {"a": 1}},
        {"on_unsupported": "adapt"},
    ],
)
def test_what_may_change_an_answer_changes_the_key(fields: dict[str, Any]) -> None:
    assert key_of(call(**fields)) != key_of(call())


def test_the_order_of_keys_says_nothing() -> None:
    first, second = call(), call()
    second.request = dict(reversed(second.request.items()))
    assert key_of(first) == key_of(second)


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}])
def test_what_is_no_json_has_no_key(value: Any) -> None:
    assert key_of(call(request={"seed": value})) is None
