"""What all inverses of a translation share."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

Json = dict[str, Any]

#: Real bytes of pictures begin like this, in base64; by what a data URL calls them.
_BEGINNINGS = {"iVBORw0KGgo": "image/png", "/9j/": "image/jpeg", "R0lGOD": "image/gif", "UklGR": "image/webp"}
_CUT = re.compile(r"<CUT \d+ base64 chars sha256=\w+>")


class NotExpressible(Exception):  # noqa: N818 (it is no error: there is no such OpenAI request)
    """No OpenAI request means this one."""


def with_media(body: Json) -> Json:
    """The request with real base64 where the recording has only a mark: media over 64 KB were cut out."""

    def fill(mark: re.Match[str]) -> str:
        return base64.b64encode(mark[0].encode()).decode()

    found: Json = json.loads(_CUT.sub(fill, json.dumps(body)))
    return found


def picture(data: str) -> str:
    """The data URL of a bare base64 picture; what was cut out is called a PNG."""
    kind = next((name for start, name in _BEGINNINGS.items() if data.startswith(start)), "image/png")
    return f"data:{kind};base64,{data}"


def without(holder: Json, key: str, default: object) -> Json:
    """The object without a key that has its default value; 0 is not false here, 1.0 is 1."""
    value = holder.get(key, holder)
    if value == default and isinstance(value, bool) == isinstance(default, bool):
        return {name: other for name, other in holder.items() if name != key}
    return dict(holder)
