"""What a provider has of OpenAI's API, feature by feature; `capabilityfiles` reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Value = Literal["yes", "adapted", "no", "unknown"]

#: Every feature there is, in the order in which tables show them.
FEATURES = (
    "chat",
    "stream",
    "system",
    "tools",
    "parallel_tool_calls",
    "tool_results",
    "tool_choice_named",
    "tool_choice_required",
    "json_object",
    "json_schema",
    "images",
    "documents",
    "reasoning",
    "reasoning_back",
    "stream_usage",
    "stop",
    "seed",
    "n",
    "logprobs",
    "embeddings",
    "models",
    "errors",
)
VALUES = frozenset(get_args(Value))


@dataclass(frozen=True, slots=True)
class Capability:
    """One feature of one provider; true only for "yes".

    "adapted": refused before anything is sent, unless the caller chose `on_unsupported="adapt"`, which does what
    `note` says. "no": refused, and `note` says why. "unknown": no tape shows it.
    """

    value: Value = "unknown"
    note: str = ""

    def __bool__(self) -> bool:
        """Whether it works as OpenAI has it, without any adaptation."""
        return self.value == "yes"

    def __str__(self) -> str:
        """The value, and the note if there is one."""
        return f"{self.value} ({self.note})" if self.note else self.value


class Capabilities(Mapping[str, Capability]):
    """What is known of each of the `FEATURES`: all of them are there, and those that nobody has shown are "unknown".

    It tells of what goes over the wire; what one particular model makes of it, `dragoman check` finds out.
    """

    __slots__ = ("_shown",)

    def __init__(self, shown: Mapping[str, Capability] | None = None) -> None:
        given = shown or {}
        self._shown = {name: given.get(name, Capability()) for name in FEATURES}

    def __getitem__(self, feature: str) -> Capability:
        """Raise KeyError for a name that is no feature's."""
        try:
            return self._shown[feature]
        except KeyError:
            message = f"{feature!r} is no feature; they are: {', '.join(FEATURES)}"
            raise KeyError(message) from None

    def __iter__(self) -> Iterator[str]:
        """All features, in the order of tables."""
        return iter(self._shown)

    def __len__(self) -> int:
        """How many features there are."""
        return len(self._shown)

    def __repr__(self) -> str:
        """What is known, in short."""
        known = [f"{name}={found.value}" for name, found in self._shown.items() if found.value != "unknown"]
        return f"<Capabilities {' '.join(known) or 'unknown'}>"

    def but(self, **changed: Capability) -> Capabilities:
        """Return these, with other words about some features."""
        for name in changed:
            _ = self[name]
        return Capabilities({**self._shown, **changed})


#: What is worth less comes first: a list of models has what the poorest of them has.
_POOREST = ("no", "unknown", "adapted", "yes")


def common(several: Iterable[Capabilities]) -> Capabilities:
    """Return what holds whichever of several providers answers; nothing is known of none."""
    found = list(several)
    if not found:
        return Capabilities()
    return Capabilities(
        {name: min((one[name] for one in found), key=lambda one: _POOREST.index(one.value)) for name in FEATURES}
    )
