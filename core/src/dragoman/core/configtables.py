"""A configuration file's tables, read key by key; what is wrong is kept, with its line, until all was read."""

from __future__ import annotations

import difflib
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman.core.entries import follow
from dragoman.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dragoman.core.provider import Json
    from dragoman.core.tomllines import Keys

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_KINDS = {
    bool: "true or false",
    date: "a date",
    datetime: "a date",
    dict: "a table",
    float: "a number",
    int: "a number",
    list: "a list",
    str: "a text",
}


class ConfigDocument:
    """What a file says, where it says it, and what is wrong with it."""

    def __init__(self, path: str, data: Json, lines: Mapping[Keys, int]) -> None:
        self.path = path
        self.root = ConfigTable(self, (), data)
        self._lines = lines
        self._faults: list[tuple[int, str]] = []

    def fault(self, keys: Keys, said: str) -> None:
        """Note what is wrong with a key; where it is missing, the line is that of the table it belongs to."""
        depth = next((depth for depth in range(len(keys), 0, -1) if keys[:depth] in self._lines), 0)
        line = self._lines[keys[:depth]] if depth else 1
        self._faults.append((line, f"{self.path}:{line}: {dotted(keys)}: {said}"))

    def check(self) -> None:
        """Raise `ConfigError` if anything is wrong: its message is the first fault, its `faults` are all of them."""
        if not self._faults:
            return
        faults = tuple(text for _, text in sorted(self._faults))
        more = f" (and {len(faults) - 1} more: dragoman config check {self.path})" if len(faults) > 1 else ""
        raise ConfigError(faults[0] + more, faults=faults)


class ConfigTable:
    """One table of a file. Each method reads one key, and notes a fault in place of raising; `end` finds the others."""

    def __init__(self, document: ConfigDocument, keys: Keys, values: Json) -> None:
        self.document = document
        self.keys = keys
        self.values = values
        self._asked: set[str] = set()

    def __repr__(self) -> str:
        """Where it is: values may be secrets."""
        return f"<ConfigTable {dotted(self.keys)} of {self.document.path}>"

    def fault(self, key: str, said: str) -> None:
        """Note what is wrong with a key of the table; an empty one is the table itself."""
        self.document.fault((*self.keys, key) if key else self.keys, said)

    def end(self, others: Iterable[str] = (), hint: str = "") -> None:
        """Note the keys that nobody asked for, but for `others`; `hint` is for those that resemble no other."""
        known = self._asked.union(others)
        for key in self.values.keys() - known:
            close = difflib.get_close_matches(key, known, 1)
            advice = f"did you mean {close[0]}?" if close else hint or f"known are {', '.join(sorted(known))}"
            self.fault(key, f"is unknown; {advice}")

    def text(self, key: str) -> str | None:
        """Read a text, and follow `env:NAME` and `file:PATH`; the path is relative to the file's folder."""
        value = self._get(key, str)
        if value is None:
            return None
        try:
            found: str = follow("", key, self.at_home(value))
        except ConfigError as error:
            self.fault(key, error.said.removeprefix(f"{key} "))
            return None
        if not found:
            self.fault(key, "is empty")
        return found or None

    def choice(self, key: str, words: Sequence[str]) -> str | None:
        """Read one of these words."""
        value: str | None = self._get(key, str)
        if value is None or value in words:
            return value
        self.fault(key, f"must be one of {', '.join(words)}")
        return None

    def integer(self, key: str, *, least: int = 0, most: int | None = None) -> int | None:
        """Read a whole number."""
        value: int | None = self._get(key, int)
        if value is None or (value >= least and (most is None or value <= most)):
            return value
        self.fault(key, f"must be at least {least}" if most is None else f"must be from {least} to {most}")
        return None

    def number(self, key: str) -> float | None:
        """Read a number above 0."""
        value: float | None = self._get(key, float, int)
        if value is None or 0 < value < float("inf"):
            return value
        self.fault(key, "must be above 0")
        return None

    def flag(self, key: str) -> bool | None:
        """Read true or false."""
        value: bool | None = self._get(key, bool)
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Read a list of texts."""
        value = self._get(key, list) or []
        for number, item in enumerate(value):
            if not isinstance(item, str) or not item:
                self.document.fault((*self.keys, key, number), "must be a text")
        return tuple(item for item in value if isinstance(item, str))

    def moment(self, key: str) -> datetime | None:
        """Read a date, which means its end in UTC, or a time; one without a zone is in UTC."""
        value = self._get(key, datetime, date, str)
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value) if len(value) > len("2026-01-01") else date.fromisoformat(value)
            except ValueError:
                self.fault(key, "must be a date, such as 2027-01-31")
                return None
        if isinstance(value, datetime):
            return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return None if value is None else datetime(value.year, value.month, value.day, 23, 59, 59, tzinfo=UTC)

    def table(self, key: str) -> ConfigTable:
        """Read a table; one that is not there is empty."""
        return ConfigTable(self.document, (*self.keys, key), self._get(key, dict) or {})

    def tables(self, key: str) -> list[ConfigTable]:
        """Read a list of tables."""
        return self._listed((*self.keys, key), self._get(key, list) or [])

    def named(self) -> dict[str, list[ConfigTable]]:
        """Read a table of tables, or of lists of them, by their names."""
        found: dict[str, list[ConfigTable]] = {}
        for name, value in self.values.items():
            if isinstance(value, list):
                found[name] = self._listed((*self.keys, name), value)
                if not value:
                    self.fault(name, "is empty")
            else:
                table = self._get(name, dict)
                found[name] = [] if table is None else [ConfigTable(self.document, (*self.keys, name), table)]
        return found

    def at_home(self, value: str) -> str:
        """Make the path of `file:PATH` relative to the file's folder."""
        scheme, _, name = value.partition(":")
        path = Path(name).expanduser() if scheme == "file" and name else None
        return value if path is None else f"file:{Path(self.document.path).parent.joinpath(path)}"

    def _listed(self, keys: Keys, values: list[Any]) -> list[ConfigTable]:
        found = []
        for number, value in enumerate(values):
            if isinstance(value, dict):
                found.append(ConfigTable(self.document, (*keys, number), value))
            else:
                self.document.fault((*keys, number), f"must be a table, not {kind_of(value)}")
        return found

    def _get(self, key: str, *kinds: type) -> Any:
        self._asked.add(key)
        value = self.values.get(key)
        # A boolean is a number to Python, and to nobody else.
        fits = isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))
        if value is None or fits:
            return value
        wanted = "a whole number" if kinds == (int,) and isinstance(value, float) else _KINDS[kinds[0]]
        self.fault(key, f"must be {wanted}, not {kind_of(value)}")
        return None


def kind_of(value: Any) -> str:
    """Say in a file's words what a value is."""
    return _KINDS.get(type(value), type(value).__name__)


def dotted(keys: Keys) -> str:
    """Write a key as TOML's users do, with the places in lists in brackets, counted from 0."""
    text = ""
    for key in keys:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            text += ("." if text else "") + (key if _BARE.fullmatch(key) else '"' + key.replace('"', '\\"') + '"')
    return text or "the file"
