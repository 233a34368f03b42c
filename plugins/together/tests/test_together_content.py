"""What content a message may have."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core import Call, DragomanWarning, Json, UnsupportedParameter
from dragoman.together import Together
from dragoman.together.content import fit_message

if TYPE_CHECKING:
    from collections.abc import Callable

TEXTS = [{"type": "text", "text": "one, "}, {"type": "text", "text": "two"}]
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


@pytest.mark.rule(213)
@pytest.mark.parametrize("role", ["system", "assistant", "tool"])
def test_texts_are_joined_without_anything_between(make_call: Callable[..., Call], role: str) -> None:
    message = {"role": role, "content": TEXTS, "name": "n"}
    assert fit_message(make_call(), message) == {"role": role, "content": "one, two", "name": "n"}
    assert message["content"] is TEXTS


@pytest.mark.rule(213)
def test_a_refusal_in_the_history_is_text(make_call: Callable[..., Call]) -> None:
    message = {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    assert fit_message(make_call(), message)["content"] == "No."


@pytest.mark.rule(213)
@pytest.mark.parametrize("role", ["system", "tool", "assistant"])
def test_only_users_show_pictures(make_call: Callable[..., Call], role: str) -> None:
    message = {"role": role, "content": [*TEXTS, IMAGE]}
    with pytest.raises(UnsupportedParameter, match="text only") as caught:
        fit_message(make_call(), message)
    assert caught.value.param == "messages.content.image_url"
    call = make_call("warn")
    with pytest.warns(DragomanWarning, match="left out"):
        assert fit_message(call, message)["content"] == "one, two"
    assert call.ledger.dropped == ["messages.content.image_url"]


@pytest.mark.rule(213)
@pytest.mark.parametrize(
    "part",
    [
        IMAGE,
        {"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}},
        {"type": "audio_url", "audio_url": {"url": "https://example.com/a.wav"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    ],
)
def test_a_users_parts_stay_as_they_are(make_call: Callable[..., Call], part: Json) -> None:
    message = {"role": "user", "content": [*TEXTS, part]}
    assert fit_message(make_call(), message) == message


@pytest.mark.rule(213)
@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"type": "file", "file": {"file_id": "f"}}, "no content of type file"),
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}, "wav audio only"),
    ],
)
def test_what_together_cannot_read_is_refused(make_call: Callable[..., Call], part: Json, said: str) -> None:
    with pytest.raises(UnsupportedParameter, match=said):
        fit_message(make_call(), {"role": "user", "content": [part]})
    assert fit_message(make_call("ignore"), {"role": "user", "content": [part]})["content"] == ""
    assert fit_message(make_call("ignore"), {"role": "user", "content": [*TEXTS, part]})["content"] == TEXTS


@pytest.mark.parametrize("role", ["user", "system", "tool"])
def test_no_content_is_the_empty_text(make_call: Callable[..., Call], role: str) -> None:
    assert fit_message(make_call(), {"role": role, "content": None}) == {"role": role, "content": ""}


@pytest.mark.rule(212, 213)
def test_a_whole_history(make_call: Callable[..., Call]) -> None:
    asked: Json = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": ""}}
    messages: list[Any] = [
        {"role": "developer", "content": TEXTS},
        {"role": "user", "content": "Hi"},
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "Let me look.",
            "tool_calls": [asked],
            "refusal": None,
            "extra_content": {"anthropic": {"visible": "x"}},
        },
        {"role": "tool", "tool_call_id": "call_1", "content": TEXTS},
    ]
    wire = Together(api_key="k").encode(make_call(messages=messages))
    assert wire.body is not None
    assert wire.body["messages"] == [
        {"role": "system", "content": "one, two"},
        {"role": "user", "content": "Hi"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{**asked, "function": {"name": "look", "arguments": "{}"}}],
            "reasoning": "Let me look.",
            "reasoning_content": "Let me look.",
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "one, two"},
    ]


@pytest.mark.rule(213)
def test_a_longer_history_begins_with_the_shorter_one(make_call: Callable[..., Call]) -> None:
    history: list[Json] = []
    wires: list[list[Json]] = []
    for turn in range(4):
        history += [
            {"role": "user", "content": [{"type": "text", "text": f"turn {turn}"}]},
            {"role": "assistant", "content": TEXTS, "reasoning_content": f"thought {turn}"},
        ]
        wire = Together(api_key="k").encode(make_call(messages=list(history)))
        assert wire.body is not None
        wires.append(wire.body["messages"])
    for shorter, longer in itertools.pairwise(wires):
        assert longer[: len(shorter)] == shorter
