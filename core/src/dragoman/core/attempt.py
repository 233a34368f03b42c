"""One attempt at a call: who is asked, for what, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core.provider import Call, Json, Provider, Wire


@dataclass(frozen=True, slots=True)
class Attempt:
    """A provider and the call that it is to answer.

    `wait`: in so many seconds it may be sent. `hide_usage`: a stream's usage is asked for, but not by the caller.
    `native`: the same request in Anthropic's dialect, for a provider that has it. `on_wire` is shown what is sent.
    `finite`: keys of the request without a number that JSON cannot say; what a provider makes of them has none either.
    """

    provider: Provider
    call: Call
    wait: float = 0.0
    hide_usage: bool = False
    native: Json | None = None
    on_wire: Callable[[Provider, Call, Wire], object] | None = None
    finite: frozenset[str] = frozenset()
