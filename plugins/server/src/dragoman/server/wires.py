"""What was sent to providers for one request, for a client that wants to see it: by attempts, without secrets.

A client asks with the header `x-dragoman-wire: 1`, and is told where the settings allow it: in the key `dragoman` of a
whole answer or a failure, and in a comment of a stream (`: dragoman {…}`), before its first event.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.core import Call, Json, Provider, Wire
    from dragoman.server.settings import ServerSettings

_HEADER = "x-dragoman-wire"
#: Attempts of one request that are told.
_MOST = 10


class Wires:
    """Takes down what is sent for one request."""

    def __init__(self) -> None:
        self._sent: list[tuple[Call, Json]] = []

    def note(self, provider: Provider, call: Call, wire: Wire) -> None:
        """Take down one attempt."""
        from dragoman.core import show_wire

        if len(self._sent) < _MOST:
            self._sent.append((call, show_wire(provider, call, wire)))

    def comment(self) -> bytes:
        """Write it for a stream."""
        return b": dragoman " + json.dumps(self._told()).encode() + b"\n\n"

    def added_to(self, content: bytes) -> bytes:
        """Write it into a whole answer; one that is no JSON object stays as it is."""
        try:
            body: Any = json.loads(content)
        except ValueError:
            return content
        if not isinstance(body, dict):
            return content
        own = body.get("dragoman")
        body["dragoman"] = {**(own if isinstance(own, dict) else {}), **self._told()}
        return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")

    def _told(self) -> Json:
        """What was dropped and adapted stands with the attempt that it was done for."""
        return {"wires": [{**shown, **call.ledger.report()} for call, shown in self._sent]}


def wires_for(headers: Mapping[str, str], settings: ServerSettings) -> Wires | None:
    """Make what takes them down, if the client asks for it and may see it."""
    return Wires() if headers.get(_HEADER) == "1" and settings.shows_wires else None
