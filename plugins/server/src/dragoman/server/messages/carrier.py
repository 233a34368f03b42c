"""What a provider wants back with its answer, inside blocks that Anthropic's clients send back unread.

A client of this dialect returns thinking blocks as it got them, and nothing else that it does not know. So a thought
from elsewhere has a signature of ours, and data that OpenAI's clients would return in `extra_content` travel in the
`data` of a last `redacted_thinking` block. Neither ever reaches Anthropic.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dragoman.core import Json

#: The signature of thoughts that no provider signed, and how the data of a carrier begin.
SIGNATURE = "dragoman"
_PREFIX = f"{SIGNATURE}:"
#: What a carrier holds: the message's own extras, and arguments as the model wrote them, by the call's id.
_KEYS = ("extra_content", "arguments")


def load(cargo: Json) -> Json:
    """Make the block that carries `cargo` (`extra_content`, `arguments`)."""
    data = base64.b64encode(json.dumps(cargo, separators=(",", ":")).encode())
    return {"type": "redacted_thinking", "data": _PREFIX + data.decode()}


def unload(blocks: list[Json]) -> tuple[Json, list[Json]]:
    """Return what is carried in an assistant's blocks, and the blocks without what is ours."""
    cargo: Json = {}
    rest = []
    for block in blocks:
        if not is_ours(block):
            rest.append(block)
        elif block["type"] == "redacted_thinking":
            cargo.update(_read(block["data"]))
    return cargo, rest


def is_ours(block: Any) -> bool:
    """Whether a block is a carrier, or a thought that no provider signed."""
    if not isinstance(block, dict):
        return False
    if block.get("type") == "thinking":
        return block.get("signature") == SIGNATURE
    return block.get("type") == "redacted_thinking" and str(block.get("data")).startswith(_PREFIX)


def _read(data: str) -> Json:
    """Read a carrier; one that was damaged carries nothing."""
    try:
        found = json.loads(base64.b64decode(data.removeprefix(_PREFIX), validate=True))
    except (ValueError, RecursionError):
        return {}
    given = found if isinstance(found, dict) else {}
    return {key: given[key] for key in _KEYS if isinstance(given.get(key), dict)}
