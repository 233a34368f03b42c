"""Parts of a message's content -> Anthropic's content blocks.

Formats: https://platform.claude.com/docs/en/api/messages/create, …/build-with-claude/prompt-caching.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from dragoman.anthropic.media import IMAGE_TYPES, PDF, TEXT, file_source, image_source, media_type, type_of_name
from dragoman.core import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dragoman.core import Json

log = logging.getLogger("dragoman")

#: What OpenAI's breakpoints become; `caching` tells them by identity from the caller's own, which it leaves alone.
SHORT_MARKER: Json = {"type": "ephemeral"}
LONG_MARKER: Json = {"type": "ephemeral", "ttl": "1h"}

#: Anthropic's own blocks that may stand in a user's turn or in a tool's result; they go as they are.
NATIVE_BLOCKS = frozenset({"container_upload", "document", "image", "search_result", "tool_reference"})
THINKING_BLOCKS = frozenset({"thinking", "redacted_thinking"})
#: The keys of a message that is a text and no more.
_TEXT_ALONE = frozenset({"role", "content"})


def is_blank(text: object) -> bool:
    """Whether the API would refuse a text for saying nothing."""
    return not isinstance(text, str) or not text or text.isspace()


def text_block(text: str) -> Json:
    """A block of text."""
    return {"type": "text", "text": text}


def is_text_turn(message: Json) -> bool:
    """Whether a message of a user or an assistant is Anthropic's as it stands: a role and a text, as most are."""
    text = message.get("content")
    return type(text) is str and len(message) == len(_TEXT_ALONE) and not is_blank(text)


def text_alone(message: Json) -> str | None:
    """The text of a message that says nothing else, but for what is null; None for any other message."""
    text = message.get("content")
    if type(text) is not str or any(message[key] is not None for key in message.keys() - _TEXT_ALONE):
        return None
    return "" if is_blank(text) else text


def blocks_of(content: str | list[Json]) -> list[Json]:
    """A wire message's content as blocks."""
    return [text_block(content)] if isinstance(content, str) else content


def cache_marker(holder: Json, ttl: str | None = None) -> Json:
    """`{"cache_control": …}` for a part, message or tool that has a cache breakpoint; else nothing.

    `cache_control`, Anthropic's own key, goes as it is. OpenAI's `prompt_cache_breakpoint` asks for a
    minimum lifetime of 30 minutes or more, which only Anthropic's `1h` keeps; without one (`ttl` is what
    the request says for all) Anthropic's default of five minutes is left to hold.
    """
    marker = holder.get("cache_control")
    if marker:
        return {"cache_control": marker}
    breakpoint_ = holder.get("prompt_cache_breakpoint")
    if not isinstance(breakpoint_, dict):
        return {}
    return {"cache_control": LONG_MARKER if breakpoint_.get("ttl") or ttl else SHORT_MARKER}


def mark_last(blocks: list[Json], marker: Json) -> list[Json]:
    """Put a message's own cache breakpoint on its last block, unless it is thinking or has one."""
    if not marker or not blocks or blocks[-1]["type"] in THINKING_BLOCKS:
        return blocks
    return [*blocks[:-1], {**marker, **blocks[-1]}]


def parts_of(content: Any, where: str) -> Iterator[tuple[Json, str]]:
    """Walk over content as parts with their place; null is nothing."""
    if content is None:
        return
    if not isinstance(content, list):
        msg = f"{where} is a {type(content).__name__}. Send a string or a list of parts."
        raise InvalidRequest(msg)
    for index, part in enumerate(content):
        place = f"{where}[{index}]"
        if isinstance(part, str):
            yield text_block(part), place
        elif isinstance(part, dict):
            yield part, place
        else:
            msg = f"{place} is a {type(part).__name__}. Send an object with a type."
            raise InvalidRequest(msg)


def encode_content(
    content: Any, where: str, encoders: dict[str, Callable[[Json, str], Json | None]], ttl: str | None = None
) -> list[Json]:
    """Encode every part with the encoder of its type; empty texts vanish, unknown types are refused."""
    if isinstance(content, str):
        return [] if is_blank(content) else [text_block(content)]
    blocks: list[Json] = []
    for part, place in parts_of(content, where):
        encode = encoders.get(str(part.get("type")))
        if encode is None:
            msg = f"{place} has the type {part.get('type')!r}, which Anthropic does not take here. Leave it out."
            raise InvalidRequest(msg)
        block = encode(part, place)
        if block is None:
            continue
        if block is part or block["type"] in THINKING_BLOCKS:
            blocks.append(block)
        else:
            blocks.append({**block, **cache_marker(part, ttl)})
    return blocks


def encode_text(part: Json, place: str) -> Json | None:
    """A text part; citations and annotations on it are the answer's business and stay out."""
    text = part.get("text")
    if text is not None and not isinstance(text, str):
        msg = f"{place}.text is a {type(text).__name__}. Send a string."
        raise InvalidRequest(msg)
    return None if is_blank(text) else text_block(text or "")


def encode_refusal(part: Json, place: str) -> Json | None:
    """What an assistant said when it refused is text to Anthropic."""
    return encode_text({"text": part.get("refusal")}, place)


def encode_image(part: Json, place: str) -> Json:
    """`image_url` (object, or the bare string that some clients send) -> an image block."""
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    if not isinstance(url, str):
        msg = f"{place}.image_url has no url. Send an https:// URL or a data: URL."
        raise InvalidRequest(msg)
    if isinstance(image, dict) and image.get("detail") not in (None, "auto"):
        log.debug("anthropic has no use for the detail of an image; it was left out")
    return {"type": "image", "source": image_source(url, place)}


def encode_file(part: Json, place: str) -> Json:
    """`file` -> a document (PDF, plain text), or an uploaded file of Anthropic's Files API."""
    found = part.get("file")
    file: Json = found if isinstance(found, dict) else {}
    name = file.get("filename")
    title = {"title": name} if isinstance(name, str) and name else {}
    if isinstance(file.get("file_data"), str):
        return {"type": "document", "source": file_source(file["file_data"], name, place), **title}
    if isinstance(file.get("file_id"), str):
        return _uploaded(file, title, place)
    msg = f"{place}.file has neither file_data nor file_id. Send one of them."
    raise InvalidRequest(msg)


def _uploaded(file: Json, title: Json, place: str) -> Json:
    """A file id says nothing about the kind of file: the name's extension, or a hint beside it, has to."""
    file_id = file["file_id"]
    if not file_id.startswith("file_"):
        msg = f"{place}.file.file_id is not from Anthropic's Files API. Upload the file there, or send file_data."
        raise InvalidRequest(msg)
    hint = file.get("mime_type") or file.get("format")
    kind = media_type(hint) if isinstance(hint, str) else type_of_name(file.get("filename"))
    source: Json = {"type": "file", "file_id": file_id}
    if kind in IMAGE_TYPES:
        return {"type": "image", "source": source}
    if kind in {PDF, TEXT}:
        return {"type": "document", "source": source, **title}
    msg = f"{place}.file does not tell whether it is an image or a document. Add filename or mime_type to it."
    raise InvalidRequest(msg)


def encode_native(part: Json, place: str) -> Json:
    """A block that is Anthropic's own already."""
    del place
    return part


def encode_thinking(part: Json, place: str) -> Json | None:
    """Thinking inside an assistant's content; without its signature it cannot be replayed, nor can another vendor's."""
    del place
    if part["type"] == "redacted_thinking":
        return part if part.get("data") else None
    return part if part.get("signature") and isinstance(part.get("thinking"), str) else None


USER_PARTS: dict[str, Callable[[Json, str], Json | None]] = {
    "text": encode_text,
    "image_url": encode_image,
    "file": encode_file,
    **dict.fromkeys(NATIVE_BLOCKS, encode_native),
}
ASSISTANT_PARTS: dict[str, Callable[[Json, str], Json | None]] = {
    "text": encode_text,
    "refusal": encode_refusal,
    **dict.fromkeys(THINKING_BLOCKS, encode_thinking),
}
SYSTEM_PARTS: dict[str, Callable[[Json, str], Json | None]] = {"text": encode_text}
