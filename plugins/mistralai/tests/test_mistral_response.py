"""Whole answers."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from openai.types.chat import ChatCompletion

from dragoman.core import Call, DragomanWarning, Json, VendorError, unpack
from dragoman.mistralai import Mistral

if TYPE_CHECKING:
    from collections.abc import Callable

THOUGHT: list[Json] = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}, {"type": "text", "text": "."}], "closed": True},
    {"type": "text", "text": "Yes"},
    {"type": "reference", "reference_ids": [0]},
    {"type": "text", "text": "."},
]


@pytest.fixture
def decode(make_call: Callable[..., Call]) -> Callable[..., Json]:
    """Decode a message, see that what was given stays as it is and that the SDK's own type takes the answer."""

    def run(message: Json, finish_reason: str = "stop", usage: Json | None = None, **choice: Any) -> Json:
        body = {"id": "a", "model": "m-1", "created": 5, "usage": usage or {"prompt_tokens": 1}}
        body["choices"] = [{"index": 0, "message": message, "finish_reason": finish_reason, **choice}]
        if not message:
            del body["choices"][0]["message"]
        before = copy.deepcopy(body)
        decoded = Mistral().decode(make_call(), body)
        assert body == before
        ChatCompletion.model_validate(json.loads(json.dumps(decoded)))
        return decoded

    return run


def call(**fields: Any) -> Json:
    return {"id": "AbCdEf123", "function": {"name": "f", "arguments": "{}"}, **fields}


@pytest.mark.rule(1, 2, 3, 4)
def test_the_head_is_mistrals(decode: Callable[..., Json]) -> None:
    decoded = decode({"role": "assistant", "content": "Hi", "tool_calls": None})
    assert (decoded["id"], decoded["created"], decoded["model"]) == ("a", 5, "m-1")
    assert decoded["object"] == "chat.completion"
    assert decoded["choices"][0]["message"] == {"role": "assistant", "content": "Hi"}


@pytest.mark.rule(192, 193, 20)
def test_a_list_is_text_thoughts_and_a_carry(decode: Callable[..., Json]) -> None:
    message = decode({"role": "assistant", "content": THOUGHT})["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("Yes.", "Hm.")
    data, unedited = unpack(json.loads(json.dumps(message)), "mistralai")
    assert unedited
    assert data is not None
    assert json.dumps(data["content"]) == json.dumps(THOUGHT)


@pytest.mark.rule(5, 192, 193)
def test_a_thought_before_a_call(decode: Callable[..., Json]) -> None:
    choice = decode({"content": THOUGHT[:1], "tool_calls": [call()]}, "tool_calls")["choices"][0]
    assert choice["message"]["content"] is None
    assert choice["message"]["reasoning_content"] == "Hm."
    data, unedited = unpack(choice["message"], "mistralai")
    assert (data or {})["content"] == THOUGHT[:1]
    assert unedited


def test_content_that_is_text_needs_no_carry(decode: Callable[..., Json]) -> None:
    assert "extra_content" not in decode({"content": "Hi"})["choices"][0]["message"]


@pytest.mark.rule(5, 6, 8, 174, 194, 195)
@pytest.mark.parametrize(
    ("sent", "arguments"),
    [
        (call(), "{}"),
        (call(index=0, type="function"), "{}"),
        (call(function={"name": "f", "arguments": {"a": "é"}}), '{"a": "é"}'),
        (call(function={"name": "f", "arguments": {}}), "{}"),
        (call(function={"name": "f", "arguments": ""}), "{}"),
    ],
)
def test_calls(decode: Callable[..., Json], sent: Json, arguments: str) -> None:
    choice = decode({"role": "assistant", "content": "", "tool_calls": [sent]}, "tool_calls")["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    (made,) = choice["message"]["tool_calls"]
    assert made == {"id": "AbCdEf123", "type": "function", "function": {"name": "f", "arguments": arguments}}


@pytest.mark.rule(195)
@pytest.mark.parametrize("missing", ["null", "", None])
def test_a_missing_id_is_made_up_the_same_way_every_time(decode: Callable[..., Json], missing: Any) -> None:
    message = {"content": "", "tool_calls": [call(id=missing), call(id=missing)]}
    one, two = (made["id"] for made in decode(message, "tool_calls")["choices"][0]["message"]["tool_calls"])
    assert one
    assert one != two
    assert "null" not in {one, two}
    assert [made["id"] for made in decode(message)["choices"][0]["message"]["tool_calls"]] == [one, two]


@pytest.mark.rule(7, 8, 196)
@pytest.mark.parametrize(
    ("reason", "calls", "expected"),
    [
        ("stop", [], "stop"),
        ("length", [], "length"),
        ("model_length", [], "length"),
        ("tool_calls", [call()], "tool_calls"),
        ("stop", [call()], "tool_calls"),
        ("length", [call()], "length"),
    ],
)
def test_finish_reasons(decode: Callable[..., Json], reason: str, calls: list[Json], expected: str) -> None:
    assert decode({"content": "x", "tool_calls": calls}, reason)["choices"][0]["finish_reason"] == expected


@pytest.mark.rule(7)
def test_an_unknown_finish_reason_is_carried_beside_the_content(decode: Callable[..., Json]) -> None:
    with pytest.warns(DragomanWarning, match="unknown finish reason 'tired'"):
        choice = decode({"content": THOUGHT}, "tired")["choices"][0]
    assert choice["finish_reason"] == "stop"
    extra = choice["message"]["extra_content"]
    assert (extra["dragoman"]["finish_reason"], extra["mistralai"]["content"]) == ("tired", THOUGHT)


@pytest.mark.rule(196)
def test_the_finish_reason_error_is_one(decode: Callable[..., Json]) -> None:
    with pytest.raises(VendorError, match="broke off"):
        decode({"content": "half"}, "error")


@pytest.mark.rule(197)
def test_the_last_of_several_messages_is_the_answer(decode: Callable[..., Json]) -> None:
    earlier = [{"role": "assistant", "content": "", "tool_calls": [call()]}, {"role": "tool", "content": "drawn"}]
    message = decode({}, messages=[*earlier, {"role": "assistant", "content": "Here."}])["choices"][0]["message"]
    assert message["content"] == "Here."
    data, unedited = unpack(message, "mistralai")
    assert (data or {})["messages"] == earlier
    assert unedited
    alone = decode({}, messages=[{"role": "assistant", "content": "Here."}])["choices"][0]
    assert alone == {"index": 0, "message": {"role": "assistant", "content": "Here."}, "finish_reason": "stop"}


@pytest.mark.rule(197)
def test_several_messages_with_a_list_at_the_end_are_both_carried(decode: Callable[..., Json]) -> None:
    earlier = [{"role": "tool", "content": "drawn"}]
    message = decode({}, messages=[*earlier, {"role": "assistant", "content": THOUGHT}])["choices"][0]["message"]
    carried = message["extra_content"]["mistralai"]
    assert (carried["messages"], carried["content"]) == (earlier, THOUGHT)


@pytest.mark.rule(15)
def test_choices_are_kept_apart(make_call: Callable[..., Call]) -> None:
    choices = [
        {"index": index, "message": {"content": [{"type": "text", "text": str(index)}]}, "finish_reason": "stop"}
        for index in (0, 1)
    ]
    decoded = Mistral().decode(make_call(), {"id": "a", "choices": choices})
    assert [choice["message"]["content"] for choice in decoded["choices"]] == ["0", "1"]
    carried = [choice["message"]["extra_content"]["mistralai"]["content"] for choice in decoded["choices"]]
    assert carried == [choice["message"]["content"] for choice in choices]


@pytest.mark.rule(16, 200)
@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}, (9, 1, 10, None)),
        ({"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10, "num_cached_tokens": 4}, (9, 1, 10, 4)),
        (
            {"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 5}},
            (9, 1, 10, 5),
        ),
        ({"prompt_tokens": None, "completion_tokens": 1}, (0, 1, 1, None)),
        # Audio is in the total, and in nothing else.
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 201,
                "total_tokens": 585,
                "prompt_tokens_details": {"audio_tokens": 375},
            },
            (384, 201, 585, None),
        ),
        (
            {
                "prompt_tokens": 384,
                "completion_tokens": 201,
                "total_tokens": 585,
                "prompt_tokens_details": {"audio_tokens": 375},
            },
            (384, 201, 585, None),
        ),
    ],
)
def test_usage(decode: Callable[..., Json], sent: Json, expected: Any) -> None:
    usage = decode({"content": "x"}, usage=sent)["usage"]
    cached = usage.get("prompt_tokens_details", {}).get("cached_tokens")
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"], cached) == expected
