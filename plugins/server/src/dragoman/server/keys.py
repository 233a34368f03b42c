"""Clients' keys: who may ask the server, for which models, how much, and until when.

A key is 32 random bytes, so there is no list of likely ones to try, and a plain SHA-256 keeps it: the slow and salted
hashes that passwords need would cost each request a tenth of a second here, and protect nothing more. A hash from the
configuration does not open anything.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from dragoman.server.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

#: How the keys that `new_key` makes begin.
PREFIX = "dgm-"
#: A key of somebody's own has so many characters at least.
SHORTEST = 16
HASH = re.compile(r"sha256:[0-9a-f]{64}")
_BYTES = 32
_COLON = re.compile(r"([^/:]+):(.+)", re.DOTALL)


def new_key() -> str:
    """Make a key."""
    return PREFIX + secrets.token_urlsafe(_BYTES)


def hash_key(key: str) -> str:
    """Return what is kept of a key."""
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def no_others(model: str) -> Sequence[str]:
    """Say that a model has no other names."""
    del model
    return ()


@dataclass(frozen=True, slots=True)
class Key:
    """A client's key, as the configuration has it. Without `models`, all are allowed; they may have `*` and `?`."""

    name: str
    hash: str = field(repr=False)
    models: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    expires: datetime | None = None
    #: What names of the configuration stand for.
    aliases: Mapping[str, str] = field(default_factory=dict)
    #: By which other names its provider is asked for a model.
    also: Callable[[str], Sequence[str]] = field(default=no_others, repr=False, compare=False)

    def allows(self, model: str) -> bool:
        """Whether it may use a model, as a request names it. No name is any model of the list."""
        return not self.models or any(matches(self.models, name) for name in names_of(model, self.aliases, self.also))


def names_of(model: str, aliases: Mapping[str, str], also: Callable[[str], Sequence[str]] = no_others) -> list[str]:
    """The names that a model is known by: as it is called, what that stands for, with another separator, and others."""
    found = [model, aliases.get(model, model), *also(model)]
    return list(dict.fromkeys(other for name in found for other in (name, _COLON.sub(r"\1/\2", name, count=1))))


def matches(patterns: Iterable[str], name: str) -> bool:
    """Whether a name is one of the patterns'."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)
