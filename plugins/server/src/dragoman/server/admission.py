"""Who may ask, and how much: what the server wants of a gate, and the gate of a server without keys."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from dragoman.server.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A `Host` header that names this machine.
_LOOPBACK = re.compile(r"(?:(?:[\w-]+\.)*localhost|127(?:\.\d+){3}|\[::1\])(?::\d+)?", re.ASCII | re.IGNORECASE)


class Caller(Protocol):
    """A client that was let in."""

    @property
    def name(self) -> str:
        """What logs call it; never its key."""

    def allows(self, model: str) -> bool:
        """Whether it may use a model, named as the client names it; empty: a request that names none."""


class Lease(Protocol):
    """One request's share of its caller's limits."""

    async def settle(self, tokens: int) -> None:
        """Give it back: the request has ended, and took so many tokens. Called exactly once."""


class Gate(Protocol):
    """Decides who may ask. Its refusals are `Refusal`s."""

    def admit(self, headers: Mapping[str, str]) -> Caller:
        """Find the caller by its headers, whose names are in lower case. Raises `Refusal` with status 401."""

    async def begin(self, caller: Caller, model: str) -> Lease:
        """Begin a request for a model (empty: it names none). Raises `Refusal`: 403 for the model, 429 for limits."""

    async def close(self) -> None:
        """Give back connections."""


@dataclass(frozen=True, slots=True)
class Anybody:
    """The caller where no keys are configured."""

    name: str = ""

    def allows(self, model: str) -> bool:
        """Whatever it is."""
        del model
        return True


class _Free:
    async def settle(self, tokens: int) -> None:
        pass


_ANYBODY, _FREE = Anybody(), _Free()


class OpenGate:
    """Admits everybody on this machine: programs, and pages that the server itself has given.

    Other pages that a browser shows reach loopback too, by its address or by a name that leads there.
    """

    def admit(self, headers: Mapping[str, str]) -> Caller:
        """Let it in. Raises `Refusal` with status 403 where it asked another machine's name, or for another page."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if not _LOOPBACK.fullmatch(host):
            message = "without keys the server answers this machine only: configure keys, or ask for 127.0.0.1"
            raise Refusal(403, message, code="forbidden_host")
        if origin is not None and origin.partition("://")[2] != host:
            raise Refusal(403, "without keys the server answers no other site's pages", code="forbidden_origin")
        return _ANYBODY

    async def begin(self, caller: Caller, model: str) -> Lease:
        """Let it go on."""
        del caller, model
        return _FREE

    async def close(self) -> None:
        """Nothing is held."""
