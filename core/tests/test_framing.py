"""Bytes to events, however they are cut."""

from __future__ import annotations

import json
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.framing import NDJSON, SSE, FramingError, frames
from dragoman.core.provider import Event

BOM = b"\xef\xbb\xbf"


def feed_all(framing: SSE | NDJSON, pieces: list[bytes]) -> list[Event]:
    return [event for piece in pieces for event in framing.feed(piece)]


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(stream) + 1) for place in places} | {0, len(stream)})
    return [stream[start:end] for start, end in pairwise(ends)]


def read_sse_by_the_book(stream: bytes) -> list[Event]:
    """The standard's algorithm, line by line over the whole stream; events need their blank line."""
    events: list[Event] = []
    data, name = b"", b""
    for line in re.split(rb"\r\n|\n|\r", stream.removeprefix(BOM))[:-1]:
        if not line:
            if data.removesuffix(b"\n"):
                events.append(Event(data.removesuffix(b"\n"), name.decode(errors="replace")))
            data, name = b"", b""
            continue
        if line.startswith(b":"):
            continue
        if b":" in line:
            field, value = line.split(b":", 1)
            value = value[1:] if value.startswith(b" ") else value
        else:
            field, value = line, b""
        if field == b"data":
            data += value + b"\n"
        elif field == b"event":
            name = value
    return events


LINE_ENDS = st.sampled_from([b"\n", b"\r", b"\r\n"])
TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12).map(str.encode)
FIELD_LINES = st.one_of(
    st.tuples(st.sampled_from([b"data: ", b"data:", b"event: ", b"event:", b"id: ", b"retry:", b":", b": "]), TEXT).map(
        b"".join
    ),
    st.sampled_from([b"data", b"event", b"", b"data:", b"datax: 1", b" data: 1"]),
    TEXT,
)


@st.composite
def sse_streams(draw: st.DrawFn) -> bytes:
    lines = draw(st.lists(FIELD_LINES, max_size=14))
    parts = [part for line in lines for part in (line, draw(LINE_ENDS))]
    return draw(st.sampled_from([b"", BOM])) + b"".join(parts)


@given(stream=sse_streams(), places=st.lists(st.integers(0, 400), max_size=12))
def test_any_sse_stream_cut_anywhere_reads_as_the_standard_says(stream: bytes, places: list[int]) -> None:
    assert feed_all(SSE(), cut(stream, places)) == read_sse_by_the_book(stream)


@given(stream=sse_streams())
def test_sse_byte_by_byte_equals_sse_at_once_to_the_very_end(stream: bytes) -> None:
    whole, bytewise = SSE(), SSE()
    once = whole.feed(stream) + whole.finish()
    pieces = [stream[place : place + 1] for place in range(len(stream))]
    assert feed_all(bytewise, pieces) + bytewise.finish() == once


VALUES = st.dictionaries(st.text(max_size=4), st.text(max_size=8) | st.integers() | st.none(), max_size=3)


@given(
    values=st.lists(st.tuples(st.sampled_from(["", "delta", "größe"]), VALUES), max_size=6),
    line_ends=st.lists(LINE_ENDS, min_size=1, max_size=5),
    bom=st.booleans(),
    comment=st.sampled_from([b"", b": keep-alive"]),
    places=st.lists(st.integers(0, 600), max_size=10),
)
def test_what_is_serialised_comes_back(
    values: list[tuple[str, dict[str, object]]], line_ends: list[bytes], bom: bool, comment: bytes, places: list[int]
) -> None:
    stream = BOM if bom else b""
    for place, (name, value) in enumerate(values):
        lines = [comment] if comment else []
        lines += [f"event: {name}".encode()] if name else []
        lines += [b"data: " + line for line in json.dumps(value, indent=1, ensure_ascii=False).encode().split(b"\n")]
        # One line end per event: a CR before an empty line with LF would be one CRLF.
        stream += b"".join(line + line_ends[place % len(line_ends)] for line in [*lines, b""])
    events = feed_all(SSE(), cut(stream, places))
    assert [(event.name, json.loads(event.data)) for event in events] == values


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: 1\n\n", [Event(b"1")]),
        (b"event: a\ndata: 1\n\ndata: 2\n\n", [Event(b"1", "a"), Event(b"2")]),
        (b"data: 1\ndata: 2\n\n", [Event(b"1\n2")]),
        (b"data:  two spaces\n\n", [Event(b" two spaces")]),
        (b"data:none\n\n", [Event(b"none")]),
        (b"data: a:b: c\n\n", [Event(b"a:b: c")]),
        (b"data\ndata: x\n\n", [Event(b"\nx")]),
        (b"data\n\ndata:\n\ndata: \n\n", []),
        (b"event: alone\n\ndata: 1\n\n", [Event(b"1")]),
        (b"event: a\nevent: b\ndata: 1\n\n", [Event(b"1", "b")]),
        (b"event: a\nevent\ndata: 1\n\n", [Event(b"1")]),
        (b"id: 7\nretry: 10\n: comment\ndata: 1\nother: x\n\n", [Event(b"1")]),
        (b"\n\n\n\ndata: 1\n\n\n\n", [Event(b"1")]),
        (b"data: 1\r\rdata: 2\r\n\r\ndata: 3\n\r\n", [Event(b"1"), Event(b"2"), Event(b"3")]),
        (BOM + b"data: 1\n\n" + BOM + b"data: 2\n\n", [Event(b"1")]),
        ("event: größe\ndata: 🐪\n\n".encode(), [Event("🐪".encode(), "größe")]),
        (b"event: \xff\ndata: \xff\n\n", [Event(b"\xff", "\N{REPLACEMENT CHARACTER}")]),
    ],
)
def test_sse_examples(stream: bytes, events: list[Event]) -> None:
    assert SSE().feed(stream) == events == read_sse_by_the_book(stream)


def test_an_event_is_not_held_back_for_the_line_feed_that_may_follow_its_carriage_return() -> None:
    framing = SSE()
    assert framing.feed(b"data: 1\r\n\r") == [Event(b"1")]
    assert framing.feed(b"") == []
    assert framing.feed(b"\n") == []
    assert framing.feed(b"data: 2\r") == []
    assert framing.feed(b"\ndata: 3\r\n\r\n") == [Event(b"2\n3")]


@pytest.mark.parametrize(
    ("rest", "events"),
    [
        (b"", []),
        (b"data: not json\n", [Event(b"not json")]),
        (b"event: end\r\ndata: {}\r\n", [Event(b"{}", "end")]),
        (b'data: {"a": 1}', [Event(b'{"a": 1}')]),
        (b"data: [DONE]", [Event(b"[DONE]")]),
        (b"data: [DONE", []),
        (b'data: {"a": {"b": 1}', []),
        (b'data: {"a": 1}\ndata: {"b', []),
        (b"data: " + b"[" * 100_000, []),
        (b'data: {"a": "\xc3', []),
        (b"event: end", []),
        (b": comment\n", []),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_the_last_event_needs_no_blank_line_but_must_be_whole(rest: bytes, events: list[Event]) -> None:
    framing = SSE()
    assert framing.feed(b"data: 0\n\n" + rest) == [Event(b"0")]
    assert framing.finish() == events
    assert framing.finish() == []


def test_half_a_bom_is_no_event() -> None:
    framing = SSE()
    assert feed_all(framing, [BOM[:1], BOM[1:2]]) == []
    assert framing.finish() == []


@given(
    values=st.lists(VALUES, max_size=6),
    line_end=st.sampled_from([b"\n", b"\r\n", b"\n\n", b" \n"]),
    bom=st.booleans(),
    closed=st.booleans(),
    places=st.lists(st.integers(0, 300), max_size=10),
)
def test_ndjson_cut_anywhere(
    values: list[dict[str, object]], line_end: bytes, bom: bool, closed: bool, places: list[int]
) -> None:
    lines = [json.dumps(value, ensure_ascii=False).encode() for value in values]
    stream = (BOM if bom else b"") + line_end.join(lines) + (line_end if closed else b"")
    framing = NDJSON()
    events = feed_all(framing, cut(stream, places)) + framing.finish()
    assert events == [Event(line) for line in lines]


def test_half_a_line_of_ndjson_is_no_event() -> None:
    framing = NDJSON()
    assert framing.feed(b'{"a": 1}\n{"b": ') == [Event(b'{"a": 1}')]
    assert framing.finish() == []


@pytest.mark.parametrize("kind", [SSE, NDJSON])
def test_a_stream_without_end_of_event_is_stopped(kind: type[SSE | NDJSON]) -> None:
    framing = kind(max_bytes=20)
    assert framing.feed(b"data: 3456") == []
    assert framing.feed(b"0123456789") == []
    with pytest.raises(FramingError, match=r"21 bytes without the end of an event \(limit 20\): check that base_url"):
        framing.feed(b"x")
    with pytest.raises(ValueError, match="limit 20"):
        framing.finish()
    with pytest.raises(FramingError, match="21 bytes"):
        kind(max_bytes=20).feed(b"x" * 21)


@pytest.mark.parametrize("last", [lambda framing: framing.feed(b"\n\n"), lambda framing: framing.finish()])
def test_events_before_an_oversized_one_are_delivered(last: object) -> None:
    framing = SSE(max_bytes=20)
    assert framing.feed(b"data: 1\n\ndata: " + b"x" * 20) == [Event(b"1")]
    with pytest.raises(FramingError):
        last(framing)  # type: ignore[operator]  # parametrised with two lambdas


def test_the_limit_is_for_what_waits_not_for_the_stream() -> None:
    framing = SSE(max_bytes=20)
    assert feed_all(framing, [b"data: 1\n\n"] * 50) == [Event(b"1")] * 50
    assert framing.feed(b"data: " + b"y" * 50 + b"\n\n") == [Event(b"y" * 50)]


def test_frames_by_name() -> None:
    assert isinstance(frames("sse"), SSE)
    assert isinstance(frames("ndjson"), NDJSON)
