"""OpenAI's content parts -> Mistral's content chunks.

Source: https://docs.mistral.ai/api (chat completions, `messages[].content`) and the SDK's `ContentChunk`. Parts
that already are Mistral's own pass as they are; a part that is neither is refused here, because the SDK would put
it on the wire as a chunk of type UNKNOWN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.core import InvalidRequest, Json

if TYPE_CHECKING:
    from collections.abc import Callable

#: Chunks that only Mistral has.
_NATIVE = frozenset({"document_url", "reference", "resource", "resource_link", "thinking", "tool_reference"})
_ADDRESSES = ("data:", "https://", "http://")


def encode_content(content: Any, place: str) -> Any:
    """Return a message's content: text stays text, null becomes the empty text, parts become chunks."""
    if not isinstance(content, list):
        return "" if content is None else content
    return [_encode_part(part, f"{place}[{index}]") for index, part in enumerate(content)]


def _encode_part(part: Any, place: str) -> Json:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in _NATIVE:
        native: Json = part
        return native
    encode = _ENCODERS.get(str(kind))
    if encode is None:
        what = f"the type {kind!r}" if isinstance(part, dict) else f"a {type(part).__name__}"
        msg = f"{place} has {what}, which Mistral does not take. Send text, image_url, input_audio or file."
        raise InvalidRequest(msg)
    return encode(part, place)


def _text(part: Json, _place: str) -> Json:
    return {"type": "text", "text": part.get("text") or ""}


def _refusal(part: Json, _place: str) -> Json:
    return {"type": "text", "text": part.get("refusal") or ""}


def _image(part: Json, _place: str) -> Json:
    image = part.get("image_url")
    if isinstance(image, dict):
        image = {key: image[key] for key in ("url", "detail") if image.get(key) is not None}
    return {"type": "image_url", "image_url": image}


def _audio(part: Json, _place: str) -> Json:
    # Mistral wants base64 or an address and tells the format from the data.
    audio = part.get("input_audio")
    return {"type": "input_audio", "input_audio": audio.get("data") if isinstance(audio, dict) else audio}


def _file(part: Json, place: str) -> Json:
    file = part.get("file")
    if not isinstance(file, dict):
        # Mistral's own: {"type": "file", "file_id": …}.
        return part
    if file.get("file_id"):
        return {"type": "file", "file_id": file["file_id"]}
    data = file.get("file_data")
    if not isinstance(data, str) or not data.startswith(_ADDRESSES):
        msg = f"{place}.file needs a file_id, or file_data that is a data URL (data:application/pdf;base64,…)"
        raise InvalidRequest(msg)
    name = {"document_name": file["filename"]} if file.get("filename") else {}
    return {"type": "document_url", "document_url": data, **name}


_ENCODERS: dict[str, Callable[[Json, str], Json]] = {
    "text": _text,
    "refusal": _refusal,
    "image_url": _image,
    "input_audio": _audio,
    "file": _file,
}
