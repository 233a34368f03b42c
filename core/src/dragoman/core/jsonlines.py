"""Where things stand in a JSON text: the `json` module reads values, and forgets the lines that they were on."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dragoman.core.tomllines import Keys

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder(strict=False)


def find_json_lines(text: str, root: Keys = ()) -> tuple[dict[Keys, int], list[Keys]]:
    """Return the line (from 1) of every key and list element of a text that is known to be right, below `root`.

    Besides, the keys that are there twice: `json` takes the last one in silence.
    """
    lines: dict[Keys, int] = {}
    twice: list[Keys] = []
    line, counted = 1, 0

    def skip(at: int) -> int:
        found = _SPACE.match(text, at)
        return found.end() if found else at

    def note(keys: Keys, at: int) -> None:
        nonlocal line, counted
        line += text.count("\n", counted, at)
        counted = at
        if keys in lines:
            twice.append(keys)
        lines[keys] = line

    def value(keys: Keys, at: int) -> int:
        if text[at] not in "[{":
            return _DECODER.raw_decode(text, at)[1]
        close = "]" if text[at] == "[" else "}"
        number = 0
        at = skip(at + 1)
        while text[at] != close:
            key: str | int = number
            start = at
            if close == "}":
                key, at = _DECODER.raw_decode(text, at)
                # Behind the colon.
                at = skip(skip(at) + 1)
            note((*keys, key), start)
            at = skip(value((*keys, key), at))
            at = skip(at + 1) if text[at] == "," else at
            number += 1
        return at + 1

    value(root, skip(0))
    return lines, twice
