"""Parts of a message -> text and images."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core import InvalidRequest, Json
from dragoman.ollama.content import encode_content, encode_contents, read_data_url

PNG = "iVBORw0KGgo="


def text(said: str) -> Json:
    return {"type": "text", "text": said}


def image(data: str = PNG, **more: Any) -> Json:
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}", **more}}


@pytest.mark.rule(242)
@pytest.mark.parametrize(
    ("content", "wire"),
    [
        (None, [{"content": ""}]),
        ("", [{"content": ""}]),
        ([], [{"content": ""}]),
        ("Hi", [{"content": "Hi"}]),
        (["Hi", text("there")], [{"content": "Hithere"}]),
        ([text("What?"), image()], [{"content": "What?", "images": [PNG]}]),
        ([image("AAAA"), image("BBBB"), text("Which?")], [{"content": "Which?", "images": ["AAAA", "BBBB"]}]),
        ([image(detail="high")], [{"content": "", "images": [PNG]}]),
        ([{"type": "image_url", "image_url": f"data:;base64,{PNG}"}], [{"content": "", "images": [PNG]}]),
    ],
)
def test_content(content: Any, wire: list[Json]) -> None:
    assert encode_contents(content, "here") == wire
    assert encode_content(content, "here") == wire[0]


def test_texts_and_images_that_take_turns_become_messages() -> None:
    parts = [text("First:"), image("AAAA"), text("Second:"), image("BBBB"), text("Which is red?")]
    assert encode_contents(parts, "here") == [
        {"content": "First:", "images": ["AAAA"]},
        {"content": "Second:", "images": ["BBBB"]},
        {"content": "Which is red?"},
    ]
    assert encode_content(parts, "here") == {
        "content": "First:Second:Which is red?",
        "images": ["AAAA", "BBBB"],
    }


@given(kinds=st.lists(st.sampled_from("ti"), max_size=8))
def test_nothing_is_lost_and_the_order_stays(kinds: list[str]) -> None:
    parts = [text(str(n)) if kind == "t" else image(f"AAA{n}") for n, kind in enumerate(kinds)]
    wire = encode_contents(parts, "here")
    assert "".join(message["content"] for message in wire) == "".join(
        str(n) for n, kind in enumerate(kinds) if kind == "t"
    )
    images = [data for message in wire for data in message.get("images", [])]
    assert images == [f"AAA{n}" for n, kind in enumerate(kinds) if kind == "i"]


def test_a_refusal_is_text() -> None:
    assert encode_content([{"type": "refusal", "refusal": "No."}], "here") == {"content": "No."}


@pytest.mark.rule(243)
@pytest.mark.parametrize("url", ["http://example.com/a.png", "https://example.com/a.png", "file:///a.png"])
def test_nothing_is_downloaded(url: str) -> None:
    with pytest.raises(InvalidRequest, match=r"messages\[3\]\.content\[0\].*Download it and send a data: URL"):
        encode_contents([{"type": "image_url", "image_url": {"url": url}}], "messages[3].content")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (7, "here is a int. Send a string or a list of parts"),
        ([{"type": "input_audio", "input_audio": {}}], "'input_audio', but Ollama takes text and images only"),
        ([{"type": "file", "file": {}}], "'file', but"),
        ([7], "here\\[0\\] has the type None"),
        ([{"type": "image_url"}], "has no url"),
        ([{"type": "image_url", "image_url": {"url": "data:image/png;base64"}}], "there is no comma"),
    ],
)
def test_what_ollama_does_not_take(content: Any, complaint: str) -> None:
    with pytest.raises(InvalidRequest, match=complaint):
        encode_contents(content, "here")


@given(data=st.binary(max_size=40))
def test_every_form_of_a_data_url_has_the_same_data(data: bytes) -> None:
    plain = base64.b64encode(data).decode()
    escaped = plain.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    percent = "".join(f"%{byte:02X}" for byte in data)
    for url in (
        f"data:image/png;base64,{plain}",
        f"data:image/png; Base64,{escaped}",
        f"data:image/png;base64,{plain[:8]}\n {plain[8:]}",
        f"data:image/png,{percent}",
    ):
        assert read_data_url(url, "here") == plain
