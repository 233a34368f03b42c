from __future__ import annotations

from base64 import b64decode
from pathlib import Path

import click
import pytest

from dragoman.core.cli.attachments import LIMIT, file_part, image_part

BYTES = bytes(range(256))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.png", "image/png"),
        ("b.JPG", "image/jpeg"),
        ("c.jpeg", "image/jpeg"),
        ("d.gif", "image/gif"),
        ("e.webp", "image/webp"),
    ],
)
def test_an_image_becomes_a_data_url(name: str, kind: str) -> None:
    Path(name).write_bytes(BYTES)
    part = image_part(name)
    head, _, data = part["image_url"]["url"].partition(",")
    assert (part["type"], head, b64decode(data)) == ("image_url", f"data:{kind};base64", BYTES)


def test_an_address_stays_one() -> None:
    url = "https://example.com/cat"
    assert image_part(url) == {"type": "image_url", "image_url": {"url": url}}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.pdf", "application/pdf"),
        ("b.txt", "text/plain"),
        ("c.qqq", "application/octet-stream"),
        ("d", "application/octet-stream"),
    ],
)
def test_a_file_keeps_its_name(name: str, kind: str) -> None:
    Path("deep").mkdir()
    Path("deep", name).write_bytes(BYTES)
    part = file_part(f"deep/{name}")
    head, _, data = part["file"]["file_data"].partition(",")
    assert (part["type"], part["file"]["filename"], head) == ("file", name, f"data:{kind};base64")
    assert b64decode(data) == BYTES


def test_what_cannot_be_attached_is_said() -> None:
    Path("notes.txt").write_text("x")
    with pytest.raises(click.UsageError, match=r"notes\.txt is no image that models read: its name must end in \.gif"):
        image_part("notes.txt")
    with pytest.raises(click.UsageError, match=r"absent\.png cannot be read: No such file"):
        image_part("absent.png")
    Path("folder.pdf").mkdir()
    with pytest.raises(click.UsageError, match=r"folder\.pdf cannot be read"):
        file_part("folder.pdf")


def test_the_limit() -> None:
    for size, name in ((LIMIT << 20, "fits.pdf"), ((LIMIT << 20) + 1, "large.pdf")):
        with Path(name).open("wb") as file:
            file.truncate(size)
    assert len(file_part("fits.pdf")["file"]["file_data"]) > LIMIT << 20
    with pytest.raises(click.UsageError, match=rf"large\.pdf has 20\.0 MiB; at most {LIMIT} MiB"):
        file_part("large.pdf")
