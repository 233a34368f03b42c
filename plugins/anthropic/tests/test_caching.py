"""Cache breakpoints."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.anthropic.content import blocks_of

MARK = {"type": "ephemeral"}


def marked(body: dict[str, Any]) -> list[str]:
    """The names and texts of what has a breakpoint, in the order of the prompt."""
    blocks = [*body.get("tools", []), *body.get("system", [])]
    blocks += [block for message in body["messages"] for block in blocks_of(message["content"])]
    return [block.get("name") or block["text"] for block in blocks if block.get("cache_control")]


@pytest.mark.rule(123)
@pytest.mark.parametrize(("more", "kept"), [({}, ["a", "b", "c", "d"]), ({"cache_control": MARK}, ["b", "c", "d"])])
def test_the_last_four_breakpoints_are_kept(encode: Any, more: Any, kept: list[str]) -> None:
    tool = {"type": "function", "function": {"name": "t"}, "cache_control": MARK}
    parts = [{"type": "text", "text": text, "prompt_cache_breakpoint": {"mode": "explicit"}} for text in "abcd"]
    parts.insert(0, {"type": "text", "text": "plain"})
    messages = [{"role": "system", "content": "s", "cache_control": MARK}, {"role": "user", "content": parts[:3]}]
    messages += [{"role": "assistant", "content": "x"}, {"role": "user", "content": parts[3:]}]
    sent = encode(messages=messages, tools=[tool], **more)
    assert marked(sent.body) == kept
    assert [block["text"] for block in sent.blocks] == ["plain", "a", "b", "x", "c", "d"]


@pytest.mark.rule(122, 123)
def test_four_are_not_too_many(encode: Any) -> None:
    parts = [{"type": "text", "text": text, "cache_control": {**MARK, "ttl": "1h"}} for text in "abcd"]
    sent = encode(messages=[{"role": "user", "content": parts}])
    assert sent.blocks == parts


@pytest.mark.rule(123)
def test_the_caller_has_to_ask_for_automatic_caching(encode: Any) -> None:
    assert "cache_control" not in encode(prompt_cache_options={"mode": "implicit"}).body
    assert encode(cache_control=MARK).body["cache_control"] == MARK
