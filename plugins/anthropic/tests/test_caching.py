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


SHORT, LONG = {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}


def said(text: str, **fields: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text, "prompt_cache_breakpoint": {"mode": "explicit", **fields}}]


def asked(*call: str) -> dict[str, Any]:
    found = [{"id": name, "type": "function", "function": {"name": "f", "arguments": "{}"}} for name in call]
    return {"role": "assistant", "tool_calls": found}


@pytest.mark.rule(123)
def test_the_requests_lifetime_is_that_of_all_its_breakpoints(encode: Any) -> None:
    messages = [
        {"role": "system", "content": said("s")},
        {"role": "user", "content": said("u")},
        {**asked("c"), "content": said("a")},
        {"role": "tool", "tool_call_id": "c", "content": said("r")},
    ]
    sent = encode(messages=messages, prompt_cache_options={"mode": "explicit", "ttl": "30m"})
    blocks = [*sent.body["system"], *sent.blocks]
    assert [block.get("cache_control") for block in blocks] == [LONG, LONG, LONG, None, LONG]


@pytest.mark.rule(123)
@pytest.mark.parametrize(
    ("first", "sent"),
    [({"prompt_cache_breakpoint": {}}, LONG), ({"cache_control": SHORT}, SHORT)],
)
def test_what_comes_before_an_hour_lives_as_long(encode: Any, first: Any, sent: Any) -> None:
    system = [{"type": "text", "text": "s", **first}]
    last = {"role": "user", "content": said("v")}
    messages = [{"role": "system", "content": system}, {"role": "user", "content": said("u", ttl="12h")}]
    found = encode(messages=[*messages, {"role": "assistant", "content": "a"}, last])
    blocks = [*found.body["system"], *found.blocks]
    assert [block.get("cache_control") for block in blocks] == [sent, LONG, None, SHORT]


@pytest.mark.rule(123)
def test_automatic_caching_for_an_hour_comes_last(encode: Any) -> None:
    found = encode(messages=[{"role": "user", "content": said("u")}], cache_control=LONG)
    assert found.blocks[0]["cache_control"] == LONG


@pytest.mark.rule(123)
def test_breakpoints_in_results_are_counted(encode: Any) -> None:
    messages: list[Any] = [{"role": "user", "content": "q"}]
    for name in "abcdef":
        messages += [asked(name), {"role": "tool", "tool_call_id": name, "content": said(name)}]
    found = [block["tool_use_id"] for block in encode(messages=messages).blocks if "cache_control" in block]
    assert found == ["c", "d", "e", "f"]


@pytest.mark.rule(123)
def test_the_caller_has_to_ask_for_automatic_caching(encode: Any) -> None:
    assert "cache_control" not in encode(prompt_cache_options={"mode": "implicit"}).body
    assert encode(cache_control=MARK).body["cache_control"] == MARK
