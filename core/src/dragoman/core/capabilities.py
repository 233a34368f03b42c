"""What a provider has of OpenAI's API, as the tapes of its plugin have shown: a file beside the provider's class.

Nobody writes that file by hand: `pytest --capabilities=write` of dragoman-testing does, once the provider's suite has
passed. A feature that no tape shows is not in it, and is "unknown".
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dragoman.core.provider import Provider

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
_VALUES = frozenset(get_args(Value))


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


def capability_file(provider: type[Provider]) -> Path | None:
    """Return where a class's capabilities stand, whether they do or not; None for a class without a file.

    Beside its module: `capabilities.json` within a package, and `NAME.capabilities.json` for a module `NAME.py` that
    stands alone, whose neighbours in the folder may be anybody's.
    """
    module = sys.modules.get(provider.__module__)
    origin = getattr(module, "__file__", None)
    if module is None or not origin:
        return None
    package = sys.modules.get(module.__package__ or "")
    path = Path(origin)
    alone = getattr(package, "__file__", None) is None
    return path.with_name(f"{path.stem}.capabilities.json" if alone else "capabilities.json")


def capabilities_of(provider: Provider | type[Provider]) -> Capabilities:
    """Read the capability file of a class; without one nothing is known. Raises `PluginError` for a broken file.

    One file tells of all the providers of its folder, by their classes' names. What another version of dragoman
    knows and this one does not is passed over. An instance may have less than its class (`narrow_capabilities`).
    """
    if not isinstance(provider, type):
        return provider.narrow_capabilities(capabilities_of(type(provider)))
    path = capability_file(provider)
    content = _read(provider, path) if path is not None else None
    if content is None:
        return Capabilities()
    try:
        told = json.loads(content)
        said = told.get(provider.__qualname__, {})
        shown = {name: Capability(one["value"], one.get("note", "")) for name, one in said.items()}
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        from dragoman.core.errors import PluginError

        message = f"{path} is no capability file: {type(error).__name__}: {error}; reinstall the plugin"
        raise PluginError(message) from error
    return Capabilities({name: one for name, one in shown.items() if one.value in _VALUES})


def _read(provider: type[Provider], path: Path) -> bytes | None:
    """Read through the module's loader: plugins in zip files have theirs too."""
    loader: Any = getattr(getattr(sys.modules[provider.__module__], "__spec__", None), "loader", None)
    try:
        content: bytes = loader.get_data(str(path)) if hasattr(loader, "get_data") else path.read_bytes()
    except OSError:
        return None
    return content
