"""A wire as its caller may see it: without secrets, and no longer than a page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dragoman.core.tapes.scrubbing import Scrubber

if TYPE_CHECKING:
    from dragoman.core.provider import Call, Json, Provider, Wire

#: Characters of a string that are shown whole, and of the beginning of a longer one: images are text on a wire.
_LONGEST, _BEGINNING = 4000, 200
#: Bytes of a body's JSON, when long strings are shortened.
_MOST = 256 * 1024


def show_wire(provider: Provider, call: Call, wire: Wire) -> Json:
    """Return `provider`, `model`, `method`, `path` and `body`, scrubbed as on a tape; headers are not shown.

    Long strings are shortened. A body that is no JSON, or too long even so, is None; `bytes` is its size on the wire.
    """
    scrub = Scrubber().begin(provider, call, wire)
    # A long string is cut after it was scrubbed: half a secret is still one.
    body = None if wire.body is None else _shortened(scrub.value(wire.body, "body"))
    if body is not None and len(json.dumps(body)) > _MOST:
        body = None
    return {
        "provider": call.provider,
        "model": call.model,
        "method": wire.method,
        "path": scrub.text(wire.path, "path"),
        "bytes": len(wire.content or b""),
        "body": body,
    }


def _shortened(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _LONGEST:
        return f"{value[:_BEGINNING]}… ({len(value)} characters)"
    if isinstance(value, dict):
        return {name: _shortened(item) for name, item in value.items()}
    return [_shortened(item) for item in value] if isinstance(value, list) else value
