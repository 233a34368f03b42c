"""How many tokens a request has: an estimate that needs no network and no tokenizer.

One token for every four bytes of UTF-8, as English text has it in the tokenizers of all vendors (German: three to
four; Chinese: three bytes to a token or so; code: three to four), four for what surrounds a message, and a flat number
for an image. What an answer really used is in its usage.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dragoman.core import Json

BYTES_PER_TOKEN = 4
#: For the role, and for the marks between messages.
PER_MESSAGE = 4
#: Vendors count a picture of a screen's size at 700 to 1600 tokens.
PER_IMAGE = 1000


def count(messages: Iterable[Json], tools: Iterable[Json] = ()) -> int:
    """Estimate the tokens of OpenAI messages and tools."""
    size = images = number = 0
    for message in messages:
        number += 1
        for key, value in message.items():
            if key == "content" and isinstance(value, list):
                pictures = [part for part in value if part.get("type") == "image_url"]
                images += len(pictures)
                size += sum(_size(part.get("text")) for part in value if part not in pictures)
            elif key not in {"role", "extra_content"}:
                size += _size(value)
    size += sum(_size(tool.get("function")) for tool in tools)
    return -(-size // BYTES_PER_TOKEN) + PER_MESSAGE * number + PER_IMAGE * images


def _size(value: Any) -> int:
    """Bytes of a text, or of the JSON of anything else."""
    if value is None:
        return 0
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return len(text.encode("utf-8", "replace"))
