"""Data URLs and files -> Anthropic's sources."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from dragoman.anthropic.media import file_source, image_source, media_type, parse_data_url, type_of_name
from dragoman.core import InvalidRequest

#: Has all three characters that some encoders escape.
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n\0" + b"\xfb\xef\xbe\xff\xff\xff" * 2 + b"\0").decode()
assert set("+/=") <= set(PNG)
HEADS = {
    "image/jpeg": b"\xff\xd8\xff\xe0",
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/gif": b"GIF89a",
    "image/webp": b"RIFF\x10\0\0\0WEBPVP8 ",
}


@pytest.mark.rule(115)
@pytest.mark.parametrize(
    "url",
    [
        f"data:image/png;base64,{PNG}",
        f"DATA:IMAGE/PNG;BASE64,{PNG}",
        f"data:image/png;charset=utf-8;base64,{PNG}",
        f"data:image/png; base64,{PNG}",
        f"data:;base64,{PNG}",
        f"data:base64,{PNG}",
        f"data:application/octet-stream;base64,{PNG}",
        f"data:image/png;base64,{PNG[:10]}\n{PNG[10:]}",
        f"data:image/png;base64,{PNG[:10]}\r\n\t {PNG[10:]}",
        "data:image/png;base64," + PNG.replace("=", "%3D").replace("+", "%2B"),
    ],
)
def test_every_way_to_write_a_data_url(url: str) -> None:
    assert image_source(url, "here") == {"type": "base64", "media_type": "image/png", "data": PNG}


@pytest.mark.rule(115)
@pytest.mark.parametrize(("kind", "head"), HEADS.items())
def test_a_missing_type_is_read_from_the_bytes(kind: str, head: bytes) -> None:
    data = base64.b64encode(head + b"\0" * 30).decode()
    assert image_source(f"data:;base64,{data}", "here")["media_type"] == kind


@pytest.mark.rule(115)
def test_one_name_per_type() -> None:
    assert media_type("image/JPG; q=1") == "image/jpeg"
    assert image_source(f"data:image/jpg;base64,{PNG}", "here")["media_type"] == "image/jpeg"


@pytest.mark.rule(116)
def test_percent_encoded_data_become_base64() -> None:
    url = "data:image/gif,GIF89a%00%FF"
    assert image_source(url, "here") == {
        "type": "base64",
        "media_type": "image/gif",
        "data": base64.b64encode(b"GIF89a\x00\xff").decode(),
    }
    assert parse_data_url("data:,a%20b", "here").type == "text/plain"
    assert parse_data_url("data:;charset=utf-8,a%20b", "here").type == "text/plain"
    assert parse_data_url("data:,a,b", "here").text("here") == "a,b"


def test_bytes_of_no_known_kind_have_an_empty_type() -> None:
    assert parse_data_url("data:;base64,AAAA", "here").type == ""


@pytest.mark.rule(117)
def test_https_urls_are_handed_on() -> None:
    assert image_source("https://x.test/a.png", "here") == {"type": "url", "url": "https://x.test/a.png"}
    assert image_source("HTTPS://x.test/a", "here")["type"] == "url"
    assert image_source("https://x.test:8443/a", "here")["type"] == "url"


@pytest.mark.rule(115, 117)
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://x.test/a.png", "https://"),
        ("file:///etc/passwd", "https://"),
        ("gs://bucket/a.png", "https://"),
        ("s3://bucket/a.png", "https://"),
        ("data:image/png;base64", "no comma"),
        ("data:image/bmp;base64,AAAA", "image/bmp; Anthropic reads image/gif, image/jpeg, image/png, image/webp"),
        ("data:;base64,AAAA", " is an unknown format;"),
        ("data:;base64,!!!!", "not base64"),
    ],
)
def test_other_images_are_refused(url: str, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said) as caught:
        image_source(url, "messages[0].content[1]")
    assert "messages[0].content[1]" in str(caught.value)


PDF = base64.b64encode(b"%PDF-1.7\n....").decode()
TEXT = base64.b64encode("Grüße".encode()).decode()


@pytest.mark.rule(119)
@pytest.mark.parametrize(
    ("data", "name"),
    [
        (f"data:application/pdf;base64,{PDF}", None),
        (f"data:application/x-pdf;base64,{PDF}", None),
        (PDF, "paper.PDF"),
        (PDF, None),
    ],
)
def test_pdf_files(data: str, name: Any) -> None:
    assert file_source(data, name, "here") == {"type": "base64", "media_type": "application/pdf", "data": PDF}


@pytest.mark.rule(119)
@pytest.mark.parametrize(
    ("data", "name"), [(f"data:text/plain;base64,{TEXT}", None), (TEXT, "a.txt"), ("data:,Gr%C3%BC%C3%9Fe", 1)]
)
def test_plain_text_goes_as_text(data: str, name: Any) -> None:
    assert file_source(data, name, "here") == {"type": "text", "media_type": "text/plain", "data": "Grüße"}


@pytest.mark.rule(119)
@pytest.mark.parametrize(
    ("data", "name", "said"),
    [
        ("data:application/zip;base64,AAAA", None, "application/zip"),
        (f"data:image/png;base64,{PNG}", "a.png", "image/png"),
        ("AAAA", "a.docx", " is of an unknown type;"),
        ("AAAA", "", "unknown type"),
        ("!!!!", None, "not base64"),
        ("data:application/pdf;base64", None, "no comma"),
        ("/w==", "a.txt", "UTF-8"),
        ("x", "a.txt", "UTF-8"),
    ],
)
def test_other_files_are_refused(data: str, name: str | None, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said) as caught:
        file_source(data, name, "messages[0].content[1]")
    assert "messages[0].content[1]" in str(caught.value)


def test_types_by_name() -> None:
    assert type_of_name("a.b.jpg") == "image/jpeg"
    assert type_of_name(None) == ""
    assert type_of_name("README") == ""
