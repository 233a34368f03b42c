"""Content parts -> content blocks."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.anthropic.content import (
    ASSISTANT_PARTS,
    SYSTEM_PARTS,
    USER_PARTS,
    cache_marker,
    encode_content,
    mark_last,
)
from dragoman.core import InvalidRequest

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

MARK = {"cache_control": {"type": "ephemeral"}}


def user(content: Any, ttl: str | None = None) -> list[dict[str, Any]]:
    return encode_content(content, "content", USER_PARTS, ttl)


@pytest.mark.rule(126, 28)
def test_content_is_always_a_list() -> None:
    assert user("Hello") == [{"type": "text", "text": "Hello"}]
    assert user([{"type": "text", "text": "a"}, "b"]) == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]


@pytest.mark.rule(31, 32)
@pytest.mark.parametrize("content", [None, "", "  \n", [], [{"type": "text", "text": ""}], [{"type": "text"}]])
def test_nothing_to_say_is_no_block(content: Any) -> None:
    assert user(content) == []


@pytest.mark.rule(125)
def test_annotations_and_citations_stay_out_of_user_text() -> None:
    part = {"type": "text", "text": "a", "annotations": [{}], "citations": [{"type": "char_location"}]}
    assert user([part]) == [{"type": "text", "text": "a"}]


@pytest.mark.rule(115, 117, 118)
def test_images(caplog: pytest.LogCaptureFixture) -> None:
    url = "https://x.test/a.png"
    block = {"type": "image", "source": {"type": "url", "url": url}}
    with caplog.at_level(logging.DEBUG, "dragoman"):
        assert user([{"type": "image_url", "image_url": url}]) == [block]
        assert user([{"type": "image_url", "image_url": {"url": url, "detail": "auto"}}]) == [block]
        assert caplog.messages == []
        assert user([{"type": "image_url", "image_url": {"url": url, "detail": "low"}}]) == [block]
    assert caplog.messages == ["anthropic has no use for the detail of an image; it was left out"]


@pytest.mark.rule(119)
def test_files_have_their_name_as_title() -> None:
    file = {"filename": "a.txt", "file_data": "data:text/plain,hi"}
    source = {"type": "text", "media_type": "text/plain", "data": "hi"}
    assert user([{"type": "file", "file": file}]) == [{"type": "document", "source": source, "title": "a.txt"}]
    bare = {"filename": "a.txt", "file_data": "aGk="}
    assert user([{"type": "file", "file": bare}]) == [{"type": "document", "source": source, "title": "a.txt"}]
    untitled = {"type": "document", "source": source}
    assert user([{"type": "file", "file": {**file, "filename": ""}}]) == [untitled]
    del file["filename"]
    assert user([{"type": "file", "file": file}]) == [untitled]


@pytest.mark.rule(120)
@pytest.mark.parametrize(
    ("hint", "block"),
    [
        ({"filename": "a.pdf"}, {"type": "document", "title": "a.pdf"}),
        ({"mime_type": "text/plain"}, {"type": "document"}),
        ({"format": "image/JPG"}, {"type": "image"}),
        ({"filename": "a.webp"}, {"type": "image"}),
    ],
)
def test_uploaded_files(hint: dict[str, str], block: dict[str, str]) -> None:
    (found,) = user([{"type": "file", "file": {"file_id": "file_011", **hint}}])
    assert found == {**block, "source": {"type": "file", "file_id": "file_011"}}


@pytest.mark.rule(120, 121, 37)
@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"type": "file", "file": {"file_id": "file-openai", "filename": "a.pdf"}}, "Files API"),
        ({"type": "file", "file": {"file_id": "file_011"}}, "image or a document"),
        ({"type": "file", "file": {}}, "neither"),
        ({"type": "file"}, "neither"),
        ({"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}, "input_audio"),
        ({"type": "video_url", "video_url": {"url": "https://x.test"}}, "video_url"),
        ({"type": "image_url", "image_url": {}}, "no url"),
        ({"type": "image_url"}, "no url"),
        ({"type": "image_url", "image_url": "http://x.test/a.png"}, "cannot open"),
        ({"type": "file", "file": {"file_data": "data:application/zip;base64,AAAA"}}, "application/zip"),
        ({"type": "text", "text": 3}, "text is a int. Send a string"),
        ({}, "None"),
        (3, "int"),
    ],
)
def test_what_cannot_be_sent_is_refused(part: Any, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said) as caught:
        user(["x", part])
    assert "content[1]" in str(caught.value)


def test_content_of_no_kind_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="content is a dict"):
        user({"type": "text"})


@pytest.mark.rule(35)
def test_a_refusal_is_text() -> None:
    parts = [{"type": "refusal", "refusal": "No."}, {"type": "refusal"}]
    assert encode_content(parts, "here", ASSISTANT_PARTS) == [{"type": "text", "text": "No."}]
    with pytest.raises(InvalidRequest, match=r"^here\[0\].*Send a string"):
        encode_content([{"type": "refusal", "refusal": 3}], "here", ASSISTANT_PARTS)


@pytest.mark.rule(37)
@pytest.mark.parametrize("kind", ["image_url", "file", "document", "image", "input_audio"])
def test_an_assistant_only_speaks(kind: str) -> None:
    with pytest.raises(InvalidRequest, match=kind):
        encode_content([{"type": kind}], "here", ASSISTANT_PARTS)
    with pytest.raises(InvalidRequest, match=kind):
        encode_content([{"type": kind}], "here", SYSTEM_PARTS)


@pytest.mark.rule(127, 132, 130, 124)
def test_thinking_among_the_parts_needs_its_signature() -> None:
    signed = {"type": "thinking", "thinking": "", "signature": "s", "cache_control": {}}
    hidden = {"type": "redacted_thinking", "data": "d"}
    others = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}], "signature": "mistral's"}
    parts = [
        signed,
        {"type": "thinking", "thinking": "t"},
        others,
        hidden,
        {"type": "redacted_thinking"},
        {"type": "text", "text": "a"},
    ]
    assert encode_content(parts, "here", ASSISTANT_PARTS) == [signed, hidden, {"type": "text", "text": "a"}]


@pytest.mark.rule(80)
def test_anthropics_own_blocks_go_as_they_are() -> None:
    block = {"type": "document", "source": {"type": "text", "data": "x"}, "citations": {"enabled": True}, **MARK}
    (found,) = user([block])
    assert found is block


@pytest.mark.rule(122)
def test_cache_control_goes_as_it_is() -> None:
    marker = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    assert user([{"type": "text", "text": "a", **marker}]) == [{"type": "text", "text": "a", **marker}]


@pytest.mark.rule(123)
@pytest.mark.parametrize(
    ("breakpoint_", "ttl", "cache_control"),
    [
        ({"mode": "explicit"}, None, {"type": "ephemeral"}),
        ({"mode": "explicit", "ttl": "30m"}, None, {"type": "ephemeral", "ttl": "1h"}),
        ({"mode": "explicit", "ttl": "12h"}, None, {"type": "ephemeral", "ttl": "1h"}),
        ({"mode": "explicit"}, "30m", {"type": "ephemeral", "ttl": "1h"}),
    ],
)
def test_openais_breakpoints(breakpoint_: Any, ttl: str | None, cache_control: Any) -> None:
    part = {"type": "text", "text": "a", "prompt_cache_breakpoint": breakpoint_}
    assert user([part], ttl) == [{"type": "text", "text": "a", "cache_control": cache_control}]


def test_no_breakpoint_is_none() -> None:
    assert cache_marker({"prompt_cache_breakpoint": None}, "30m") == {}
    assert cache_marker({"cache_control": None}) == {}


@pytest.mark.rule(122, 124)
def test_a_messages_mark_is_on_its_last_block() -> None:
    text = {"type": "text", "text": "a"}
    assert mark_last([text, text], MARK) == [text, {**text, **MARK}]
    thinking = {"type": "thinking", "thinking": "", "signature": "s"}
    assert mark_last([thinking], MARK) == [thinking]
    assert mark_last([], MARK) == []
    own = {**text, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    assert mark_last([own], MARK) == [own]


def test_blocks_are_the_vendors(schema_of: Any) -> None:
    parts = [
        {"type": "text", "text": "a", **MARK},
        {"type": "image_url", "image_url": "https://x.test/a.png"},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_data": "data:text/plain,a"}},
        {"type": "file", "file": {"file_id": "file_1", "filename": "a.png"}},
    ]
    validator: Draft202012Validator = schema_of("MessageCreateParams")
    validator.validate({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": user(parts)}]})
