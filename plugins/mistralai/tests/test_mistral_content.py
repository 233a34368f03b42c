"""Content parts: OpenAI's become Mistral's, Mistral's pass, others are refused by their place."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.core import InvalidRequest, Json
from dragoman.mistralai.content import encode_content

PDF = "data:application/pdf;base64,JVBERi0="


@pytest.mark.parametrize(("content", "expected"), [("Hi", "Hi"), ("", ""), (None, ""), ([], [])])
def test_text_stays_text(content: Any, expected: Any) -> None:
    assert encode_content(content, "p") == expected


@pytest.mark.rule(189, 190)
@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "text", "text": "a", "prompt_cache_breakpoint": {}}, {"type": "text", "text": "a"}),
        ({"type": "text", "text": None}, {"type": "text", "text": ""}),
        ({"type": "refusal", "refusal": "No."}, {"type": "text", "text": "No."}),
        ({"type": "image_url", "image_url": "https://x/a.png"}, {"type": "image_url", "image_url": "https://x/a.png"}),
        (
            {"type": "image_url", "image_url": {"url": "u", "detail": "low", "x": 1}},
            {"type": "image_url", "image_url": {"url": "u", "detail": "low"}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "u", "detail": None}},
            {"type": "image_url", "image_url": {"url": "u"}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}},
            {"type": "input_audio", "input_audio": "QUJD"},
        ),
        ({"type": "input_audio", "input_audio": "QUJD"}, {"type": "input_audio", "input_audio": "QUJD"}),
        (
            {"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}},
            {"type": "document_url", "document_url": PDF, "document_name": "a.pdf"},
        ),
        ({"type": "file", "file": {"file_data": PDF}}, {"type": "document_url", "document_url": PDF}),
        ({"type": "file", "file": {"file_id": "f1", "filename": "a"}}, {"type": "file", "file_id": "f1"}),
        ({"type": "file", "file_id": "f1"}, {"type": "file", "file_id": "f1"}),
        ({"type": "document_url", "document_url": "u"}, {"type": "document_url", "document_url": "u"}),
        ({"type": "reference", "reference_ids": [1]}, {"type": "reference", "reference_ids": [1]}),
        ({"type": "thinking", "thinking": []}, {"type": "thinking", "thinking": []}),
    ],
)
def test_parts(part: Json, expected: Json) -> None:
    assert encode_content([part], "p") == [expected]


@pytest.mark.rule(190)
@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"type": "video_url", "video_url": "u"}, r"messages\[0\]\.content\[1\] has the type 'video_url'"),
        ({"text": "a"}, r"the type None"),
        ("text", r"a str"),
        ({"type": "file", "file": {"file_data": "JVBERi0="}}, r"content\[1\]\.file needs a file_id.*data URL"),
        ({"type": "file", "file": {}}, r"file needs a file_id"),
    ],
)
def test_other_parts_are_refused_by_their_place(part: Any, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        encode_content([{"type": "text", "text": "a"}, part], "messages[0].content")
