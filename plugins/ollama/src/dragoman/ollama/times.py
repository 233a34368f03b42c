"""Ollama's points in time (RFC 3339, with up to nine digits of a second) -> Unix seconds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


def read_time(text: Any, default: int = 0) -> int:
    """Return whole seconds since 1970; the default for what is no time, and for Go's empty one (the year 1)."""
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return default
    seconds = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    return int(seconds) if seconds >= 0 else default
