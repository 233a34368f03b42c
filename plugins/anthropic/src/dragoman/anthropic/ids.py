"""Tool call ids: unique in their turn and of Anthropic's alphabet.

`tool_use.id` must match `^[a-zA-Z0-9_-]+$`; ids that begin with `srvtoolu_` belong to server tools
(https://platform.claude.com/docs/en/api/messages/create). Histories made with other providers have ids such
as `functions.f:0`, and some servers give all the calls of a turn the same. That an id comes back in a later turn
is no harm: a result belongs to the turn before it, and the API takes it (a recorded conversation has one).
"""

from __future__ import annotations

import hashlib
import re

_VALID_ID = re.compile(r"(?!srvtoolu_)[a-zA-Z0-9_-]+")
_INVALID = re.compile(r"[^a-zA-Z0-9_-]")


class CallIds:
    """Gives out the wire ids of one turn, in the order of its calls.

    An id depends on what came before it only, so that a longer conversation repeats those of a shorter one.
    """

    def __init__(self) -> None:
        self._used: set[str] = set()
        #: The last number that each id got.
        self._numbers: dict[str, int] = {}

    def assign(self, original: str) -> str:
        """The wire id of the next call: the original if it is valid and new, else one derived from it."""
        wire = base = original if _VALID_ID.fullmatch(original) else _readable(original)
        count = self._numbers.get(base, 1)
        while wire in self._used:
            count += 1
            wire = f"{base}_{count}"
        self._numbers[base] = count
        self._used.add(wire)
        return wire


def _readable(original: str) -> str:
    # The digest keeps `a:1` and `a_1` apart; the prefix keeps clear of the server tools' ids.
    digest = hashlib.sha256(original.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"call_{_INVALID.sub('_', original)[:40]}_{digest}"
