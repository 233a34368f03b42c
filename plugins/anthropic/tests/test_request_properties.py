"""What holds for every conversation, however odd."""

from __future__ import annotations

import copy
import itertools
import json
import warnings
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dragoman.anthropic.content import blocks_of
from dragoman.anthropic.request import encode_request
from dragoman.core import Call, DragomanError, InvalidRequest, Json, UnsupportedParameter, pack

TOOLS: list[Json] = [
    {"type": "function", "function": {"name": "plain", "parameters": {"type": "object", "properties": {}}}},
    {"type": "function", "function": {"name": "dotted.name"}},
    {
        "type": "function",
        "function": {"name": "union", "parameters": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
    },
    {"type": "custom", "custom": {"name": "free"}},
]
MODELS = [
    "claude-fable-5-1",
    "claude-opus-4-8",
    "claude-sonnet-4-6",
    "claude-sonnet-4-5",
    "claude-3-haiku-20240307",
    "demo",
]
MARK = {"cache_control": {"type": "ephemeral"}}

texts = st.sampled_from(["", " ", "\n", "Hello", "Grüße \U0001f600", "a" * 50, "end \n"])
text_parts = st.builds(
    lambda text, mark: {"type": "text", "text": text, **mark},
    texts,
    st.sampled_from([{}, MARK, {"prompt_cache_breakpoint": {"mode": "explicit"}}]),
)
images = st.sampled_from(
    [
        {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
        {"type": "image_url", "image_url": {"url": "ftp://x.test/a.png"}},
        {"type": "file", "file": {"file_data": "data:text/plain,hi", "filename": "a.txt"}},
        {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
    ]
)
ids = st.sampled_from(["c1", "c2", "f:0", "f_0", "", "srvtoolu_1"])
arguments = st.sampled_from(['{"b": 1, "a": 2}', "", "null", "[1]", '{"broken', None])
names = st.sampled_from(["plain", "dotted.name", "union", "unknown tool"])
functions = st.builds(
    lambda call_id, name, text: {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}},
    ids,
    names,
    arguments,
)
customs = st.builds(
    lambda call_id, text: {"id": call_id, "type": "custom", "custom": {"name": "free", "input": text}}, ids, texts
)
calls = st.lists(functions | customs, max_size=3)
contents = st.none() | texts | st.lists(text_parts, max_size=3)


@st.composite
def answers(draw: st.DrawFn) -> Json:
    """An assistant message as OpenAI's schema has it, sometimes with what Anthropic said behind it."""
    message: Json = {"role": "assistant", "content": draw(contents)}
    made = draw(calls)
    if made:
        message["tool_calls"] = made
    kind = draw(st.sampled_from(["plain", "carried", "peer", "refused"]))
    if kind == "carried":
        blocks: list[Json] = [{"type": "thinking", "thinking": "", "signature": "s"}, {"type": "text", "text": " hm "}]
        blocks += [{"type": "tool_use", "id": call["id"], "name": "plain", "input": {}} for call in made]
        message["extra_content"] = pack(message, "anthropic", {"blocks": blocks, "stop_reason": "end_turn"})
    elif kind == "peer":
        message["thinking_blocks"] = [{"type": "thinking", "thinking": "t", "signature": "s"}]
    elif kind == "refused":
        message["refusal"] = "No."
    return message


@st.composite
def conversations(draw: st.DrawFn, *, tidy: bool = False) -> list[Json]:
    """Messages in any order; tidy ones answer every call, begin with the user and say something in every answer."""
    messages: list[Json] = [
        {"role": role, "content": "S"} for role in draw(st.lists(st.sampled_from(["system", "developer"]), max_size=2))
    ]
    if tidy:
        messages.append({"role": "user", "content": "Begin."})
    for _ in range(draw(st.integers(0, 6))):
        kind = draw(st.sampled_from(["user", "user", "system", "assistant", "assistant", "tool"]))
        if kind == "user":
            messages.append({"role": "user", "content": draw(contents | st.lists(text_parts | images, max_size=3))})
        elif kind == "system":
            messages.append({"role": draw(st.sampled_from(["system", "developer"])), "content": draw(contents)})
        elif kind == "tool" and not tidy:
            messages.append({"role": "tool", "tool_call_id": draw(ids), "content": draw(texts)})
        elif kind == "assistant":
            messages += _answered(draw, draw(answers()), tidy=tidy)
    return messages


def _answered(draw: st.DrawFn, answer: Json, *, tidy: bool) -> list[Json]:
    found = [call["id"] for call in answer.get("tool_calls", ())]
    if tidy and not found and not (isinstance(answer["content"], str) and answer["content"].strip()):
        answer = {"role": "assistant", "content": "Yes."}
    complete = tidy or draw(st.booleans())
    results = draw(st.permutations(found)) if complete else []
    noted = bool(found) and draw(st.booleans())
    between = [{"role": "system", "content": "N"}] if noted else []
    return [answer, *between, *({"role": "tool", "tool_call_id": name, "content": draw(texts)} for name in results)]


def encoded(model: str, messages: list[Json], policy: Any = "ignore", **more: Any) -> Json:
    call = Call(
        "anthropic", model, {"model": model, "messages": messages, "tools": TOOLS, **more}, on_unsupported=policy
    )
    before = copy.deepcopy(call.request)
    wire = encode_request(call)
    assert call.request == before
    assert wire.body is not None
    return wire.body


def check(body: Json) -> None:
    """What the API demands of the shape of a conversation."""
    roles = [message["role"] for message in body["messages"]]
    assert roles
    speakers = [role for role in roles if role != "system"]
    assert all(one != other for one, other in itertools.pairwise(speakers))
    for index, role in enumerate(roles):
        if role == "system":
            assert index > 0
            assert roles[index - 1] == "user"
            assert roles[index + 1 : index + 2] in ([], ["assistant"])
    open_calls: list[str] = []
    for message in body["messages"]:
        blocks = blocks_of(message["content"])
        kinds = [block["type"] for block in blocks]
        assert kinds
        assert all(block["text"] != "" for block in blocks if block["type"] == "text")
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        assert kinds[: len(results)] == ["tool_result"] * len(results)
        if message["role"] != "system":
            assert sorted(results) == sorted(open_calls)
            open_calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
            assert len(set(open_calls)) == len(open_calls)
    assert not open_calls
    marked = [
        block for message in body["messages"] for block in blocks_of(message["content"]) if block.get("cache_control")
    ]
    assert len(marked) + sum("cache_control" in block for block in body.get("system", ())) <= 4


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@pytest.mark.rule(21, 28, 32, 38, 46, 48, 49, 56, 57, 123)
@given(st.sampled_from(MODELS), conversations(), st.sampled_from(["raise", "warn", "ignore", "adapt"]))
def test_every_conversation_is_encoded_or_refused(model: str, messages: list[Json], policy: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            body = encoded(model, messages, policy)
        except (InvalidRequest, UnsupportedParameter):
            return
        again = encoded(model, messages, policy)
    check(body)
    assert json.dumps(body) == json.dumps(again)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None)
@given(st.sampled_from(MODELS), conversations())
def test_every_encoded_conversation_is_the_vendors(schema_of: Any, model: str, messages: list[Json]) -> None:
    try:
        body = encoded(model, messages)
    except DragomanError:
        assume(False)
    schema_of("MessageCreateParams").validate(body)


def flat(body: Json) -> list[tuple[str, Json]]:
    """Roles and blocks. Breakpoints are left out: they say what to store, not what the prompt is."""
    return [
        (message["role"], {key: value for key, value in block.items() if key != "cache_control"})
        for message in body["messages"]
        for block in blocks_of(message["content"])
    ]


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None)
@pytest.mark.rule(22, 23, 24, 47, 56, 57, 68)
@given(st.sampled_from(MODELS), conversations(tidy=True), st.data())
def test_an_earlier_request_is_a_prefix_of_a_later_one(model: str, messages: list[Json], data: st.DataObject) -> None:
    """Cut where the model was asked: right before one of its answers.

    A request that was never answered may be continued by the user, which joins two turns into one longer turn
    (and an operator's message may then stand where no system turn can): nothing depends on it yet, so the
    property is not claimed for it. Likewise a model that said nothing at all leaves no turn to keep its neighbours
    apart, so that theirs are joined; the messages here say something.
    """
    spots = [index for index, message in enumerate(messages) if message["role"] == "assistant" and index]
    assume(spots)
    cut = data.draw(st.sampled_from(spots))
    messages = [*messages, {"role": "user", "content": "And then?"}]
    try:
        shorter = encoded(model, messages[:cut])
        longer = encoded(model, messages)
    except DragomanError:
        assume(False)
    assume(shorter["messages"][-1]["role"] != "assistant")
    assert flat(longer)[: len(flat(shorter))] == flat(shorter)
    count = len(shorter["messages"])
    assert [message["role"] for message in longer["messages"][:count]] == [
        message["role"] for message in shorter["messages"]
    ]
    assert len(longer["messages"][count - 1]["content"]) == len(shorter["messages"][-1]["content"])
