from __future__ import annotations

from typing import Any

from dragoman.autogen.tokens import PER_IMAGE, PER_MESSAGE, count

USER: dict[str, Any] = {"role": "user", "content": "0123456789abcdef"}
TOOL = {"type": "function", "function": {"name": "add", "description": "d" * 40, "parameters": {"type": "object"}}}


def test_four_bytes_are_a_token_and_a_message_costs_some_itself() -> None:
    assert count([]) == 0
    assert count([USER]) == 4 + PER_MESSAGE
    assert count([USER, USER]) == 2 * count([USER])
    assert count([{"role": "user", "content": "ä" * 16}]) == 8 + PER_MESSAGE
    assert count([{"role": "assistant", "content": None}]) == PER_MESSAGE


def test_calls_names_and_tools_count_and_what_only_providers_read_does_not() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    said = {"role": "assistant", "content": None, "tool_calls": [call]}
    assert count([said]) > PER_MESSAGE + 10
    assert count([{**USER, "name": "Anna"}]) == count([USER]) + 1
    assert count([USER], [TOOL]) > count([USER]) + 10
    assert count([{**USER, "extra_content": {"anthropic": {"blocks": ["x" * 1000]}}}]) == count([USER])


def test_a_picture_costs_the_same_however_many_bytes_it_has() -> None:
    text = {"type": "text", "text": USER["content"]}
    for size in (10, 100_000):
        picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * size}}
        assert count([{"role": "user", "content": [text, picture, picture]}]) == count([USER]) + 2 * PER_IMAGE


def test_half_a_character_is_no_reason_to_fail() -> None:
    assert count([{"role": "user", "content": "\ud83d"}]) == 1 + PER_MESSAGE
