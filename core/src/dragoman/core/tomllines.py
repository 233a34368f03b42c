"""Where things stand in a TOML file: `tomllib` reads values, and forgets the lines that they were on.

Grammar: https://toml.io/en/v1.0.0. The text has been read by `tomllib` before, so it is known to be right.
"""

from __future__ import annotations

import re
import tomllib

#: Keys from the root to a value; numbers are places in a list.
Keys = tuple[str | int, ...]

_SPACE = re.compile(r"[ \t]*")
#: Space, line ends and comments, as they may stand between the parts of a list.
_FILL = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'''"""(?:[^\\]|\\.)*?"{3,5} | \'{3}.*?\'{3,5} | "(?:[^"\\\n]|\\.)*" | \'[^\'\n]*\'''', re.DOTALL | re.VERBOSE
)
#: Numbers, dates and words: all that ends where a list goes on.
_WORD = re.compile(r"[^,\]}\n#]+")


def find_lines(text: str) -> dict[Keys, int]:
    """Return the line (from 1) of every key, table and list element of a TOML text that is known to be right."""
    return _Scanner(text.replace("\r\n", "\n")).scan()


class _Scanner:
    """Walks over the text once; `at` is where it stands."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Keys, int] = {}
        #: How many tables each list of tables has so far.
        self._counts: dict[Keys, int] = {}
        self._line, self._counted = 1, 0

    def scan(self) -> dict[Keys, int]:
        place: Keys = ()
        while True:
            self._skip(_FILL)
            if self.at >= len(self.text):
                return self.lines
            if self.text[self.at] == "[":
                place = self._header()
            else:
                self._pair(place)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found[0]

    def _note(self, keys: Keys) -> None:
        self._line += self.text.count("\n", self._counted, self.at)
        self._counted = self.at
        # A table's parents begin where it does, unless they were seen before.
        for depth in range(1, len(keys) + 1):
            self.lines.setdefault(keys[:depth], self._line)

    def _header(self) -> Keys:
        many = self.text.startswith("[[", self.at)
        self.at += 2 if many else 1
        place = self._resolve(self._key(), many=many)
        self._note(place)
        self.at += 2 if many else 1
        return place

    def _resolve(self, key: tuple[str, ...], *, many: bool) -> Keys:
        """Put in the numbers of the lists of tables that the key goes through: the last table of each."""
        place: Keys = ()
        for number, part in enumerate(key, 1):
            place = (*place, part)
            if many and number == len(key):
                self._counts[place] = self._counts.get(place, 0) + 1
            if place in self._counts:
                place = (*place, self._counts[place] - 1)
        return place

    def _key(self) -> tuple[str, ...]:
        parts: list[str] = []
        while True:
            self._skip(_SPACE)
            bare = self._skip(_BARE)
            parts.append(bare or _unquoted(self._skip(_STRING)))
            self._skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return tuple(parts)
            self.at += 1

    def _pair(self, place: Keys) -> None:
        start = self.at
        keys = (*place, *self._key())
        end, self.at = self.at, start
        self._note(keys)
        # Behind the equals sign.
        self.at = end + 1
        self._skip(_SPACE)
        self._value(keys)

    def _value(self, keys: Keys) -> None:
        head = self.text[self.at]
        if head == "[":
            self._list(keys)
        elif head == "{":
            self._inline(keys)
        elif head in "\"'":
            self._skip(_STRING)
        else:
            self._skip(_WORD)

    def _list(self, keys: Keys) -> None:
        number = 0
        self.at += 1
        while True:
            self._skip(_FILL)
            if self.text[self.at] == "]":
                break
            self._note((*keys, number))
            self._value((*keys, number))
            number += 1
            self._skip(_FILL)
            if self.text[self.at] == ",":
                self.at += 1
        self.at += 1

    def _inline(self, keys: Keys) -> None:
        self.at += 1
        while True:
            self._skip(_FILL)
            if self.text[self.at] == "}":
                break
            self._pair(keys)
            self._skip(_FILL)
            if self.text[self.at] == ",":
                self.at += 1
        self.at += 1


def _unquoted(quoted: str) -> str:
    value = tomllib.loads(f"key = {quoted}")["key"]
    assert isinstance(value, str)  # noqa: S101 (a quoted key is a text)
    return value
