"""A wire as a tape says it: the same request always in the same words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_BOUNDARY = re.compile(r'(?i)\bboundary="?([^";,]+)"?')
_FIXED = "the-boundary-of-this-tape"


def form_of(content: bytes, headers: Mapping[str, str]) -> tuple[bytes, dict[str, str]]:
    """Return a request's body and headers; a form's boundary, which is random, is always the same one."""
    said = dict(headers)
    for name, value in headers.items():
        found = _BOUNDARY.search(value) if name.lower() == "content-type" and isinstance(value, str) else None
        if found is not None:
            content = content.replace(found[1].encode(), _FIXED.encode())
            said[name] = value.replace(found[1], _FIXED)
    return content, said
