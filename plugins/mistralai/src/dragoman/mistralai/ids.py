"""Tool call ids as Mistral wants them: nine characters of a-z, A-Z and 0-9, in calls and results alike.

Its refusal says so (400, code 3280): "must be a-z, A-Z, 0-9, with a length of 9". Its own ids have that form;
those of other providers, in a history that began elsewhere, do not, and cutting them short makes them collide.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import string
from collections import Counter

_VALID = re.compile(r"[a-zA-Z0-9]{9}")
_ALPHABET = string.digits + string.ascii_letters
_LENGTH = 9


class CallIds:
    """Gives out the wire ids of one conversation, turn by turn.

    Two ids never become one, and an id depends only on what came before it: a longer conversation repeats the
    ids of a shorter one.
    """

    def __init__(self) -> None:
        self._wire: dict[tuple[str, int], str] = {}
        self._taken: set[str] = set()

    def assign(self, originals: list[str]) -> list[str]:
        """Return the wire ids of one turn's calls; an id that the turn repeats is told apart by its position."""
        seen: Counter[str] = Counter()
        wires = []
        for original in originals:
            key = (original, seen[original])
            seen[original] += 1
            if key not in self._wire:
                self._wire[key] = self._free(*key)
                self._taken.add(self._wire[key])
            wires.append(self._wire[key])
        return wires

    def _free(self, original: str, repetition: int) -> str:
        if not repetition and _VALID.fullmatch(original) and original not in self._taken:
            return original
        tries = (_hashed(f"{original}\0{attempt}") for attempt in itertools.count())
        return next(wire for wire in tries if wire not in self._taken)


def _hashed(text: str) -> str:
    number = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    digits = []
    for _ in range(_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)
