"""Anthropic's content blocks -> parts of OpenAI's content.

Formats: https://platform.claude.com/docs/en/api/messages/create. A provider of Anthropic's own dialect gets what OpenAI
has no part for as it is: its plugin sends such blocks on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.core import InvalidRequest
from dragoman.server.messages.draft import blocks_of, text_of

if TYPE_CHECKING:
    from dragoman.core import Json
    from dragoman.server.messages.draft import Draft

PDF = "application/pdf"
#: What OpenAI wants of a file, where the document has no title.
_PDF_NAME = "document.pdf"
_CITATIONS = "messages.content.citations"


def decode_content(draft: Draft, content: Any, place: str) -> str | list[Json]:
    """A user's or a tool's content, or the system prompt -> a string where it is one text, else a list of parts."""
    return plain([part for block, where in blocks_of(content, place) for part in decode_block(draft, block, where)])


def plain(parts: list[Json]) -> str | list[Json]:
    """A single text as a string, which servers of all kinds take."""
    if not parts:
        return ""
    alone = len(parts) == 1 and parts[0].keys() == {"type", "text"}
    return str(parts[0]["text"]) if alone else parts


def decode_block(draft: Draft, block: Json, place: str) -> list[Json]:
    """One block -> parts. Raises `InvalidRequest` for what the provider cannot read."""
    kind = block["type"]
    if kind == "text":
        return [{"type": "text", "text": text_of(block, place), **_marker(draft, block)}]
    if kind == "image":
        part = _image(block)
    elif kind == "document":
        part = _pdf(draft, block)
    else:
        part = None
    if part is not None:
        return [{**part, **_marker(draft, block)}]
    if draft.native:
        return [block]
    if kind == "document":
        return _document(draft, block, place)
    if kind == "search_result":
        return _titled(draft, block, block.get("content"), place)
    msg = f"{place}: {draft.target.name} cannot read a block of type {_what(block)!r}"
    raise InvalidRequest(msg)


def _marker(draft: Draft, block: Json) -> Json:
    """A cache breakpoint is a hint, which only Anthropic has in this form."""
    return {"cache_control": block["cache_control"]} if draft.native and block.get("cache_control") else {}


def _what(block: Json) -> str:
    source = block.get("source")
    return f"{block['type']} ({source.get('type')})" if isinstance(source, dict) else str(block["type"])


def _source(block: Json) -> Json:
    source = block.get("source")
    return source if isinstance(source, dict) else {}


def _image(block: Json) -> Json | None:
    source = _source(block)
    if source.get("type") == "url" and isinstance(source.get("url"), str):
        url = source["url"]
    elif source.get("type") == "base64" and isinstance(source.get("data"), str):
        url = f"data:{source.get('media_type')};base64,{source['data']}"
    else:
        return None
    return {"type": "image_url", "image_url": {"url": url}}


def _pdf(draft: Draft, block: Json) -> Json | None:
    """A PDF, as long as OpenAI's part says all of it; what else a document has, only Anthropic reads."""
    source = _source(block)
    if source.get("type") != "base64" or source.get("media_type") != PDF or not isinstance(source.get("data"), str):
        return None
    if draft.native and (block.get("context") or block.get("citations")):
        return None
    _refuse_citations(draft, block)
    title = block.get("title") or ("" if draft.native else _PDF_NAME)
    name = {"filename": title} if title else {}
    return {"type": "file", "file": {**name, "file_data": f"data:{PDF};base64,{source['data']}"}}


def _document(draft: Draft, block: Json, place: str) -> list[Json]:
    """A document of text is text; a URL would have to be fetched, which is not done here."""
    source = _source(block)
    if source.get("type") == "text":
        return _titled(draft, block, source.get("data"), f"{place}.source.data")
    if source.get("type") == "content":
        return _titled(draft, block, source.get("content"), f"{place}.source.content")
    msg = f"{place}: {draft.target.name} cannot read a {_what(block)}; send the document's data in base64"
    raise InvalidRequest(msg)


def _titled(draft: Draft, block: Json, content: Any, place: str) -> list[Json]:
    """The content with what is known about it in front."""
    _refuse_citations(draft, block)
    source = block.get("source")
    head = [block.get("title"), source if isinstance(source, str) else None, block.get("context")]
    lines = [line for line in head if isinstance(line, str) and line]
    parts = [part for inner, where in blocks_of(content, place) for part in decode_block(draft, inner, where)]
    return [{"type": "text", "text": "\n".join(lines)}, *parts] if lines else parts


def _refuse_citations(draft: Draft, block: Json) -> None:
    citations = block.get("citations")
    if not draft.native and isinstance(citations, dict) and citations.get("enabled"):
        draft.unsupported(
            _CITATIONS,
            citations,
            reason="documents cannot be cited",
            nearest="the documents were sent to be read, and not to be cited",
        )
