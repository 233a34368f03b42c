"""Bytes inside a request: data URLs and base64 -> Anthropic's `source` objects.

Formats: https://platform.claude.com/docs/en/build-with-claude/vision and …/pdf-support.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_to_bytes

from dragoman.core import InvalidRequest

if TYPE_CHECKING:
    from dragoman.core import Json

IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
PDF = "application/pdf"
TEXT = "text/plain"
_ALIASES = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "application/x-pdf": PDF}
_UNTYPED = frozenset({"", "application/octet-stream", "binary/octet-stream"})
_MAGIC = (
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"%PDF-"), PDF),
)
_EXTENSIONS = {
    "gif": "image/gif",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "pdf": PDF,
    "png": "image/png",
    "txt": TEXT,
    "webp": "image/webp",
}


class Media(NamedTuple):
    """A media type (lower case, without parameters) and the data in base64."""

    type: str
    data: str

    def text(self, where: str) -> str:
        """The data as text; `where` names the part in the error."""
        try:
            return base64.b64decode(self.data).decode("utf-8-sig")
        except ValueError as error:
            msg = f"{where} is declared as {TEXT} but is not base64 of UTF-8 text. Send the text in that encoding."
            raise InvalidRequest(msg) from error


def media_type(declared: str) -> str:
    """Lower case, no parameters, and one name per type."""
    plain = declared.split(";", 1)[0].strip().lower()
    return _ALIASES.get(plain, plain)


def type_of_name(filename: object) -> str:
    """The media type that a file name's extension stands for; empty if none that Anthropic takes."""
    return _EXTENSIONS.get(filename.rpartition(".")[2].lower(), "") if isinstance(filename, str) else ""


def parse_data_url(url: str, where: str) -> Media:
    """Read a `data:` URL; percent-encoded data become base64, a missing type is read from the first bytes."""
    header, comma, data = url[len("data:") :].partition(",")
    if not comma:
        msg = f"{where} is not a data URL: there is no comma after the media type. Write data:<type>;base64,<data>."
        raise InvalidRequest(msg)
    if header.lower().replace(" ", "").endswith(";base64") or header.lower() == "base64":
        # Some encoders escape +, / and =; base64 itself has no percent sign.
        data = unquote_to_bytes(data).decode("latin-1") if "%" in data else data
        declared = header[: -len("base64")]
    else:
        data = base64.b64encode(unquote_to_bytes(data)).decode("ascii")
        # RFC 2397: a data URL without a media type is plain text.
        declared = header if header.partition(";")[0] else TEXT
    return typed_media(media_type(declared), data, where)


def typed_media(kind: str, data: str, where: str) -> Media:
    """Join a declared type (may be empty) and base64 data; without a type, the data tell."""
    if any(space in data for space in "\n\r\t "):
        data = "".join(data.split())
    if kind in _UNTYPED:
        kind = sniff(data, where)
    return Media(kind, data)


def sniff(data: str, where: str) -> str:
    """Recognise the few types that Anthropic takes by their first bytes; empty if it is none of them."""
    try:
        head = base64.b64decode(data[:24], validate=True)
    except binascii.Error as error:
        msg = f"{where} is not base64. Send the bytes as base64, or as a data URL with their media type."
        raise InvalidRequest(msg) from error
    return next((kind for magic, kind in _MAGIC if magic.match(head)), "")


def image_source(url: str, where: str) -> Json:
    """An image's URL -> `source`; nothing is downloaded.

    Raises `InvalidRequest` for schemes the API does not read and for image formats it does not know.
    """
    scheme = url.partition(":")[0].lower()
    if scheme == "https":
        return {"type": "url", "url": url}
    if scheme != "data":
        msg = f"{where} has a URL that Anthropic cannot open. Use an https:// URL or a data: URL."
        raise InvalidRequest(msg)
    media = parse_data_url(url, where)
    if media.type not in IMAGE_TYPES:
        named = media.type or "an unknown format"
        msg = f"{where} is {named}; Anthropic reads {', '.join(sorted(IMAGE_TYPES))}. Convert it first."
        raise InvalidRequest(msg)
    return {"type": "base64", "media_type": media.type, "data": media.data}


def file_source(data: str, filename: object, where: str) -> Json:
    """A file's data (data URL, or bare base64 whose type the file name tells) -> a document's `source`."""
    if data[:5].lower() == "data:":
        media = parse_data_url(data, where)
    else:
        media = typed_media(type_of_name(filename), data, where)
    if media.type == PDF:
        return {"type": "base64", "media_type": PDF, "data": media.data}
    if media.type == TEXT:
        return {"type": "text", "media_type": TEXT, "data": media.text(where)}
    msg = f"{where} is {media.type or 'of an unknown type'}; Anthropic reads {PDF} and {TEXT}. Convert it first."
    raise InvalidRequest(msg)
