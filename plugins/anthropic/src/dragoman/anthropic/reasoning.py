"""What Anthropic said in earlier turns, beyond text and calls: our own carry, and what peers left in the history.

Thinking blocks are only valid with their signature, unchanged and in place
(https://platform.claude.com/docs/en/build-with-claude/extended-thinking#preserving-thinking-blocks).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.anthropic.content import is_blank
from dragoman.core import unpack

if TYPE_CHECKING:
    from dragoman.anthropic.draft import Draft
    from dragoman.core import Json

#: The key in `extra_content`; it names the maker of the blocks, whatever the provider is called here.
CARRY = "anthropic"
#: Where libraries keep thinking that can be replayed.
_PLACES = frozenset({"extra_content", "provider_specific_fields", "reasoning_details", "thinking_blocks"})


def carried(message: Json, draft: Draft) -> tuple[list[Json] | None, Json]:
    """Return the content blocks of an unedited assistant message as they were received, and the carry's data.

    None: there are none, or the message was edited since and has to be written anew from what is visible.
    """
    data, unedited = unpack(message, CARRY)
    if data is None or not _are_blocks(data.get("blocks")):
        return None, {}
    if not unedited:
        _warn_of_edit(draft)
        return None, {}
    blocks = _without_blanks([block for block in data["blocks"] if _is_valid(block, draft)])
    calls = [block.get("id") for block in blocks if is_client_call(block)]
    visible = [call.get("id") for call in message.get("tool_calls") or () if isinstance(call, dict)]
    if isinstance(message.get("function_call"), dict):
        # The first tool interface has no ids.
        visible += calls[:1]
    # No blocks are an answer too: the model refused, and what explains that was not said by it.
    says = any(block["type"] == "text" for block in blocks) or is_blank(message.get("content"))
    if calls == visible and says:
        return blocks, data
    if calls == visible or any(block["type"] not in {"text", "tool_use"} for block in blocks):
        _warn_of_edit(draft)
    return None, {}


def _warn_of_edit(draft: Draft) -> None:
    draft.warn(
        "edited message",
        "an assistant message was changed since it was received; its thinking and server-side blocks no longer fit and "
        "were left out.",
    )


def is_client_call(block: Json) -> bool:
    """Whether the client has to give this block a result; ids with `srvtoolu_` are the server's own tools."""
    return block["type"] == "tool_use" and not str(block.get("id")).startswith("srvtoolu_")


def _are_blocks(blocks: Any) -> bool:
    return isinstance(blocks, list) and all(
        isinstance(block, dict) and isinstance(block.get("type"), str) for block in blocks
    )


def _is_valid(block: Json, draft: Draft) -> bool:
    """A stream that was cut leaves thinking without a signature; an answer may hold an empty text."""
    if block["type"] == "thinking":
        return bool(block.get("signature")) or not draft.facts.claude
    return block["type"] != "text" or bool(block.get("text"))


def _without_blanks(blocks: list[Json]) -> list[Json]:
    """White space is accepted beside other text, and refused as all the text of a turn, though models write it."""
    texts = [block["text"] for block in blocks if block["type"] == "text"]
    return blocks if not all(map(is_blank, texts)) else [block for block in blocks if block["type"] != "text"]


def peer_thinking(message: Json) -> list[Json]:
    """Read thinking blocks from the shapes that other libraries keep them in; those with a signature only.

    LiteLLM: `thinking_blocks`, also inside `provider_specific_fields`. OpenRouter: `reasoning_details`.
    any-llm: the text in `reasoning`, the signature in `extra_content`. Reasoning text alone is for people: it
    cannot be replayed, and as plain text it would put words into the model's mouth.
    """
    if _PLACES.isdisjoint(message):
        return []
    fields = message.get("provider_specific_fields")
    nested = fields.get("thinking_blocks") if isinstance(fields, dict) else None
    blocks = _signed(message.get("thinking_blocks") or nested)
    return blocks or _from_details(message.get("reasoning_details")) or _from_signature(message)


def _signed(blocks: Any) -> list[Json]:
    found = [block for block in blocks if isinstance(block, dict)] if isinstance(blocks, list) else []
    return [
        {key: block[key] for key in ("type", "thinking", "signature", "data") if key in block}
        for block in found
        if (block.get("type") == "thinking" and block.get("signature") and isinstance(block.get("thinking"), str))
        or (block.get("type") == "redacted_thinking" and block.get("data"))
    ]


def _from_details(details: Any) -> list[Json]:
    blocks: list[Json] = []
    for detail in details if isinstance(details, list) else ():
        if not isinstance(detail, dict) or not str(detail.get("format", CARRY)).startswith(CARRY):
            continue
        if detail.get("type") == "reasoning.text" and detail.get("signature"):
            text = detail.get("text") or ""
            blocks.append({"type": "thinking", "thinking": text, "signature": detail["signature"]})
        elif detail.get("type") == "reasoning.encrypted" and detail.get("data"):
            blocks.append({"type": "redacted_thinking", "data": detail["data"]})
    return blocks


def _from_signature(message: Json) -> list[Json]:
    extra = message.get("extra_content")
    entry = extra.get(CARRY) if isinstance(extra, dict) else None
    signature = entry.get("signature") if isinstance(entry, dict) else None
    if not isinstance(signature, str) or not signature:
        return []
    reasoning = message.get("reasoning_content") or message.get("reasoning") or ""
    text = reasoning.get("content") if isinstance(reasoning, dict) else reasoning
    return [{"type": "thinking", "thinking": text if isinstance(text, str) else "", "signature": signature}]
