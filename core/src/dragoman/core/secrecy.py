"""Which values of the environment are secrets: told by the names of their variables."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME = re.compile(r"(?i)(key|token|secret|password)$")
#: Shorter values are more likely to be words of a text than secrets.
SHORTEST = 8


def secret_variables() -> dict[str, str]:
    """Return the environment variables that hold secrets, with their values."""
    return {name: value for name, value in os.environ.items() if _NAME.search(name) and len(value) >= SHORTEST}


def without(text: str, secrets: Iterable[object]) -> str:
    """Return a text without secrets that may be quoted in it; of one that begins as another does, nothing stays."""
    for secret in sorted({str(secret or "") for secret in secrets}, key=len, reverse=True):
        if len(secret) >= SHORTEST:
            text = text.replace(secret, "…")
    return text
