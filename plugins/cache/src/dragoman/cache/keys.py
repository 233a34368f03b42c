"""What makes two calls the same."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from dragoman.core import Call

#: How an answer is delivered changes nothing in it.
_DELIVERY = frozenset({"stream", "stream_options"})


def key_of(call: Call) -> bytes | None:
    """Return 32 bytes that are the same for calls with the same answer; None if the request is no JSON.

    Provider, address, model and request are in it. Keys, headers and user names in an address are not: secrets stay
    out, and a new key does not make an old answer wrong.
    """
    address = urlsplit(call.base_url)
    facts = {
        "provider": call.provider,
        "address": [address.scheme, address.hostname, address.port, address.path, address.query],
        "request": {name: value for name, value in call.request.items() if name not in _DELIVERY},
        "extra_body": call.extra_body,
        "extra_query": {name: str(value) for name, value in call.extra_query.items()},
        "on_unsupported": call.on_unsupported,
    }
    try:
        text = json.dumps(facts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        # Nothing that could be sent, so nothing that could be answered.
        return None
    return hashlib.sha256(text.encode()).digest()
