"""A call -> the wire, with the bytes that are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core.codec import encode_json
from dragoman.core.messages import encode_native

if TYPE_CHECKING:
    from dragoman.core.attempt import Attempt
    from dragoman.core.provider import Json, Wire


def make_wire(attempt: Attempt, native: Json | None, content: bytes | None, content_type: str, changed: bool) -> Wire:
    """Make the wire of an attempt's call.

    `native`: the request in its own dialect, if it is sent so. `content`: a body that is no JSON, of the type
    `content_type`. `changed`: whether hooks may have changed the request, whose numbers are then looked at again.
    """
    call = attempt.call
    wire = attempt.provider.encode(call) if native is None else encode_native(attempt, native)
    if call.extra_body:
        wire.body = attempt.provider.merge_extra_body(wire.body or {}, call.extra_body)
    if content is not None:
        wire.content = content
        wire.headers = {**wire.headers, "content-type": content_type}
    elif wire.content is None and wire.body is not None:
        wire.content = encode_json(wire.body, () if changed or call.extra_body else attempt.finite)
    return wire
