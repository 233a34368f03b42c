"""Messages -> chat -> the Anthropic plugin's wire is the same Messages request again, up to what is listed here."""

from __future__ import annotations

import copy
import json
import os
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman.anthropic import Anthropic
from dragoman.anthropic.results import NO_REASON
from dragoman.core import Call, DragomanError, Json
from dragoman.server.messages.carrier import is_ours
from dragoman.server.messages.request import decode_request
from dragoman.server.messages.target import Target

FOLDER = os.environ.get("DRAGOMAN_RECORDINGS")
ANTHROPIC = Anthropic(api_key="none")
NATIVE = Target("anthropic", native=True)
#: A provider that knows nothing but OpenAI's requests.
PLAIN = Target("elsewhere")
MARK = {"type": "ephemeral", "ttl": "1h"}


def wire_of(body: Json, target: Target) -> Json:
    before = copy.deepcopy(body)
    chat, _ = decode_request(body, target)
    assert body == before
    call = Call("anthropic", body["model"], {**chat}, on_unsupported="raise")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wire = ANTHROPIC.encode(call)
    assert wire.body is not None
    return wire.body


# What is said in more than one way, in one of them.


def normal(body: Json) -> Json:
    """A request as the plugin writes it: lists of blocks, one message a turn, no nulls and no defaults."""
    found = {key: value for key, value in body.items() if value is not None and value != [] and value is not False}
    if "system" in found:
        found["system"] = normal_blocks(found["system"])
    turns: list[Json] = []
    for message in found["messages"]:
        blocks = normal_blocks(message["content"])
        # The API wants results first; and a turn that says nothing is none.
        blocks.sort(key=lambda block: block["type"] != "tool_result")
        if turns and turns[-1]["role"] == message["role"]:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": message["role"], "content": blocks})
    found["messages"] = turns
    if "tool_choice" in found:
        found["tool_choice"] = {key: value for key, value in found["tool_choice"].items() if value is not False}
    if found.get("temperature") == 1:
        del found["temperature"]
    return {key: value for key, value in found.items() if value != []}


def normal_blocks(content: Any) -> list[Json]:
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [normal_block(block) for block in blocks if block["type"] != "text" or block["text"].strip()]


def normal_block(block: Json) -> Json:
    found = {key: value for key, value in block.items() if value is not None and value is not False}
    if found["type"] == "tool_result":
        # The API refuses an error that says nothing.
        reason = NO_REASON if found.get("is_error") else ""
        found["content"] = normal_blocks(found.get("content") or "") or normal_blocks(reason)
    elif isinstance(found.get("source"), dict) and found["source"].get("type") == "base64":
        # A recording has a remark in place of long data.
        found["source"] = {**found["source"], "data": "".join(found["source"]["data"].split())}
    return found


# Recorded requests.

#: Refused here before anything is sent, as the plugin refuses them from any client; they were recorded to see the 400,
#: or need what only the pass-through has.
REFUSED = (
    "which the assistant turn before it did not call",
    "this model has no sampling parameters",
    "must end with a user message",
    "'tool_addition'",
    "no message with content besides the system prompt",
)


def recorded() -> list[Json]:
    if not FOLDER:
        return []
    lines = [json.loads(line) for line in (Path(FOLDER) / "anthropic.jsonl").read_text("utf-8").splitlines()]
    return [line for line in lines if line["kind"] == "messages" and isinstance(line["request"].get("body"), dict)]


@pytest.mark.skipif(not FOLDER, reason="DRAGOMAN_RECORDINGS is unset")
def test_recorded_requests_are_the_same_again() -> None:
    same = 0
    for line in recorded():
        body = line["request"]["body"]
        try:
            wire = wire_of(body, NATIVE)
        except DragomanError as exception:
            refused = str(exception)
        else:
            assert normal(wire) == normal(body), line["id"]
            same += 1
            continue
        assert any(known in refused for known in REFUSED), line["id"]
    assert same > 700


# Made-up requests.

texts = st.sampled_from(["", "Hello", "Grüße \U0001f600", "two\nlines ", "a" * 40])
said = st.sampled_from(["Yes.", "Grüße", "one\n\ntwo"])
inputs = st.sampled_from([{}, {"b": 1, "a": [1.5, None, "ä"]}, {"nested": {"x": True}}])


def marked(block: st.SearchStrategy[Json], marks: bool) -> st.SearchStrategy[Json]:
    if not marks:
        return block
    return st.builds(lambda found, mark: {**found, **mark}, block, st.sampled_from([{}, {"cache_control": MARK}]))


def users_blocks(*, native: bool) -> st.SearchStrategy[Json]:
    """Blocks that a user may send: those that OpenAI has a part for, and natively any."""
    plain: list[Json] = [
        {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
        {
            "type": "document",
            "title": "a.pdf",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
        },
    ]
    own: list[Json] = [
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hi"}, "title": "t"},
        {"type": "document", "source": {"type": "url", "url": "https://x.test/a.pdf"}, "citations": {"enabled": True}},
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "c"}]},
        {"type": "container_upload", "file_id": "file_2"},
    ]
    text = st.builds(lambda value: {"type": "text", "text": value}, said)
    return text | st.sampled_from([*plain, *own] if native else plain)


@st.composite
def answers(draw: st.DrawFn, *, native: bool, number: int) -> tuple[list[Json], list[str]]:
    """An assistant's blocks and the ids of its calls."""
    blocks: list[Json] = []
    if native and draw(st.booleans()):
        blocks.append({"type": "thinking", "thinking": draw(texts), "signature": "c2ln"})
    if native and draw(st.booleans()):
        blocks.append({"type": "redacted_thinking", "data": "ZGF0YQ=="})
    blocks.append({"type": "text", "text": draw(said)})
    if native and draw(st.booleans()):
        blocks += [
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
            {"type": "text", "text": "Found."},
        ]
    ids = [f"toolu_{number}_{index}" for index in range(draw(st.integers(0, 3)))]
    blocks += [{"type": "tool_use", "id": one, "name": "look_up", "input": draw(inputs)} for one in ids]
    return blocks, ids


@st.composite
def conversations(draw: st.DrawFn, *, native: bool) -> list[Json]:
    messages: list[Json] = [{"role": "user", "content": draw(said)}]
    for number in range(draw(st.integers(0, 3))):
        blocks, ids = draw(answers(native=native, number=number))
        content = blocks[0]["text"] if len(blocks) == 1 and draw(st.booleans()) else blocks
        messages.append({"role": "assistant", "content": content})
        results = [draw(result(one, native=native)) for one in ids]
        others = draw(st.lists(marked(users_blocks(native=native), native), min_size=not results, max_size=2))
        messages.append({"role": "user", "content": [*results, *others]})
    return messages


@st.composite
def result(draw: st.DrawFn, call_id: str, *, native: bool) -> Json:
    block: Json = {"type": "tool_result", "tool_use_id": call_id}
    content = draw(st.none() | said | st.lists(users_blocks(native=False), min_size=1, max_size=2))
    if content is not None:
        block["content"] = content
    if native and draw(st.booleans()):
        block["is_error"] = True
    return block


TOOL: Json = {
    "name": "look_up",
    "description": "Looks up.",
    "input_schema": {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"type": "string"}}},
}
CHOICES: list[Json] = [
    {"type": "auto"},
    {"type": "auto", "disable_parallel_tool_use": True},
    {"type": "any"},
    {"type": "tool", "name": "look_up"},
    {"type": "none"},
]
#: Parameters that OpenAI has exact equivalents for.
SHARED: list[Json] = [
    {"stop_sequences": ["END", "\n\nHuman:"]},
    {"temperature": 0.5},
    {"top_p": 0.9},
    {"metadata": {"user_id": "user_0123abcd_session_9"}},
    {"stream": True},
    {"service_tier": "standard_only"},
    {"system": "Be brief."},
    {"system": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}]},
    *({"tools": [TOOL], "tool_choice": choice} for choice in CHOICES),
]
OWN: list[Json] = [
    {"system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]},
    {"tools": [{**TOOL, "cache_control": MARK}, {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}]},
    {"thinking": {"type": "enabled", "budget_tokens": 2000}},
    {"top_k": 5},
    {"metadata": {"user_id": "user_" + "0123456789abcdef" * 8}},
    {"container": "container_1"},
    {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}},
    {"mcp_servers": [{"type": "url", "name": "x", "url": "https://x.test"}]},
    {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object", "properties": {}}}}},
    {"a_parameter_of_next_year": {"x": 1}},
]


@st.composite
def requests(draw: st.DrawFn, *, native: bool) -> Json:
    body: Json = {"model": "claude-sonnet-4-5", "max_tokens": 4096, "messages": draw(conversations(native=native))}
    for more in draw(st.lists(st.sampled_from([*SHARED, *OWN] if native else SHARED), max_size=3)):
        body.update(more)
    if len({"temperature", "top_p"} & body.keys()) > 1:
        del body["top_p"]  # the model takes one of them
    return body


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(requests(native=True))
def test_a_request_to_claude_is_the_same_again(body: Json) -> None:
    assume_few_marks(body)
    if body.get("thinking"):
        # What the plugin refuses for this model while it thinks is not the point here.
        body = {key: value for key, value in body.items() if key not in {"temperature", "top_p", "tool_choice"}}
    assert normal(wire_of(body, NATIVE)) == normal(body)


def assume_few_marks(body: Json) -> None:
    """The plugin keeps the last four breakpoints, which is all the API takes."""
    if json.dumps(body).count("cache_control") > 4:
        for message in body["messages"]:
            for block in message["content"] if isinstance(message["content"], list) else ():
                block.pop("cache_control", None)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(requests(native=False))
def test_what_openai_can_say_is_the_same_again(body: Json) -> None:
    """The chat is a plain one of OpenAI's, as any provider gets it."""
    chat, ledger = decode_request(body, PLAIN)
    assert "cache_control" not in json.dumps(chat)
    assert "extra_content" not in json.dumps(chat)
    assert not ledger.report()
    assert normal(wire_of(body, PLAIN)) == normal(body)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(requests(native=True), st.sampled_from([NATIVE, PLAIN, Target("local", reads=frozenset({"top_k"}))]))
def test_every_request_is_translated_or_refused(body: Json, target: Target) -> None:
    try:
        chat, _ = decode_request(body, target)
    except DragomanError:
        return
    json.dumps(chat)
    assert not any(is_ours(block) for message in chat["messages"] for block in message.get("content") or ())
    calls = [call["id"] for message in chat["messages"] for call in message.get("tool_calls", ())]
    results = [message["tool_call_id"] for message in chat["messages"] if message["role"] == "tool"]
    assert sorted(calls) == sorted(results)
