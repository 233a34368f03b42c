"""Parts of a message's content -> Ollama's text and images.

A message of Ollama's has one text and a list of images, each in bare base64: https://docs.ollama.com/api/chat.
"""

from __future__ import annotations

import base64
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from dragoman.core import InvalidRequest

if TYPE_CHECKING:
    from dragoman.core import Json

log = logging.getLogger("dragoman")

_TEXTS = {"text": "text", "refusal": "refusal"}


def encode_content(content: Any, place: str) -> Json:
    """Content for one message: `content`, and `images` if there are any; `place` names it in errors."""
    texts, images = [], []
    for part in _segments(content, place):
        texts.append(part["content"])
        images += part.get("images", [])
    return _segment(texts, images)


def encode_contents(content: Any, place: str) -> list[Json]:
    """Content for one or more messages.

    Inside a message Ollama does not know which text belongs to which image, so where they take turns each turn
    becomes a message, as at Ollama's own OpenAI endpoint.
    """
    return _segments(content, place) or [_segment([], [])]


def _segments(content: Any, place: str) -> list[Json]:
    if content is None:
        return []
    if isinstance(content, str):
        return [_segment([content], [])]
    if not isinstance(content, list):
        msg = f"{place} is a {type(content).__name__}. Send a string or a list of parts."
        raise InvalidRequest(msg)
    found: list[tuple[list[str], list[str]]] = []
    last = ""
    for index, part in enumerate(content):
        kind, value = _read(part, f"{place}[{index}]")
        if not found or (kind != last and all(found[-1])):
            found.append(([], []))
        found[-1][kind == "image"].append(value)
        last = kind
    return [_segment(texts, images) for texts, images in found]


def _segment(texts: list[str], images: list[str]) -> Json:
    segment: Json = {"content": "".join(texts)}
    return {**segment, "images": images} if images else segment


def _read(part: Any, place: str) -> tuple[str, str]:
    """Read a part: "text" or "image", and its text or base64."""
    if isinstance(part, str):
        return "text", part
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "image_url":
        return "image", _image(part.get("image_url"), place)
    if kind in _TEXTS:
        return "text", part.get(_TEXTS[kind]) or ""
    msg = f"{place} has the type {kind!r}, but Ollama takes text and images only. Leave it out."
    raise InvalidRequest(msg)


def _image(image: Any, place: str) -> str:
    """Return an image's data; `image_url` is an object, or the bare string that some clients send."""
    url = image.get("url") if isinstance(image, dict) else image
    if not isinstance(url, str):
        msg = f"{place}.image_url has no url. Send a data: URL."
        raise InvalidRequest(msg)
    if url[:5].lower() != "data:":
        msg = f"{place} is an image to be downloaded, which Ollama does not do. Download it and send a data: URL."
        raise InvalidRequest(msg)
    if isinstance(image, dict) and image.get("detail") not in {None, "auto"}:
        log.debug("ollama has no use for the detail of an image; it was left out")
    return read_data_url(url, place)


def read_data_url(url: str, place: str) -> str:
    """Return the data of a `data:` URL in bare base64."""
    header, comma, data = url.partition(",")
    if not comma:
        msg = f"{place} is not a data URL: there is no comma after the media type. Write data:<type>;base64,<data>."
        raise InvalidRequest(msg)
    # Some encoders escape +, / and = of base64, too.
    raw = unquote_to_bytes(data)
    if not header.lower().replace(" ", "").endswith(";base64"):
        raw = base64.b64encode(raw)
    return "".join(raw.decode("latin-1").split())
