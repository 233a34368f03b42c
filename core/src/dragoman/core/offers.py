"""What is installed: the entry points of every distribution, read without importing any.

The environment variable DRAGOMAN_PLUGINS chooses among them by name: unset means all, `a,b` only these, empty
none, `no:x` all but x. Each item of the list stands for itself: `no:x,no:y` is all but x and y, and `no:x,y`
is y alone.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dragoman.core.provider import Provider

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from importlib.metadata import Distribution

PROVIDERS = "dragoman.providers"
HOOKS = "dragoman"
SELECTION = "DRAGOMAN_PLUGINS"


@dataclass(frozen=True, slots=True)
class Offer:
    """One entry point: `value` is what it points at, as `module:object`.

    `blocked`: DRAGOMAN_PLUGINS leaves it out. `duplicates`: other distributions' offers of the same provider
    name, which make the name unusable.
    """

    group: str
    name: str
    value: str
    distribution: str
    version: str
    blocked: bool = False
    duplicates: tuple[Offer, ...] = ()

    @property
    def origin(self) -> str:
        """Distribution and version, for messages."""
        return f"{self.distribution} {self.version}"

    @property
    def repair(self) -> str:
        """What to do about a broken one, for messages."""
        name = self.distribution
        return f"upgrade it (pip install --upgrade {name}) or remove it (pip uninstall {name})"

    def load(self) -> Any:
        """Import what `value` points at. Raises whatever the plugin's code raises."""
        from importlib.metadata import EntryPoint

        return EntryPoint(self.name, self.value, self.group).load()


def find_offers(path: Sequence[str] | None) -> tuple[list[Offer], list[str]]:
    """Every offer of every distribution, and what was wrong with some. Reads metadata, imports no plugin."""
    from importlib.metadata import Distribution

    where: dict[str, Any] = {} if path is None else {"path": list(path)}
    seen: set[str] = set()
    offers: list[Offer] = []
    problems: list[str] = []
    for found in Distribution.discover(**where):
        try:
            # Metadata are slow to parse, and nearly all distributions have nothing for us.
            if HOOKS not in (found.read_text("entry_points.txt") or ""):
                continue
            name = re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower()
            if name not in seen:
                seen.add(name)
                # Installed twice (a checkout and a wheel, say), Python imports the first on the path.
                offers += _read(next(iter(Distribution.discover(name=name, **where))))
        except Exception as error:  # noqa: BLE001 (somebody's broken files must not stop the others)
            place = found.locate_file("")
            problems.append(
                f"the metadata of a plugin in {place} cannot be read: {type(error).__name__}: {error}; reinstall it"
            )
    return offers, problems


def _read(distribution: Distribution) -> list[Offer]:
    metadata = distribution.metadata
    points = {(point.group, point.name): point for point in distribution.entry_points}
    return [
        Offer(group, name, point.value, metadata["Name"], metadata["Version"], _is_blocked(name))
        for (group, name), point in points.items()
        if group in {PROVIDERS, HOOKS}
    ]


def _is_blocked(name: str) -> bool:
    selection = os.environ.get(SELECTION)
    if selection is None:
        return False
    items = {item.strip() for item in selection.split(",")} - {""}
    if items and all(item.startswith("no:") for item in items):
        return f"no:{name}" in items
    return name not in items or f"no:{name}" in items


def misnamed(names: Collection[str]) -> list[str]:
    """What DRAGOMAN_PLUGINS says that is no plugin's name, of those that are installed."""
    items = (item.strip().removeprefix("no:") for item in os.environ.get(SELECTION, "").split(","))
    return sorted({item for item in items if item} - {*names})


def check_provider(offer: Offer, found: Any) -> type[Provider]:
    """Hold what was imported against the contract. Raises `PluginError`."""
    from dragoman.core.errors import PluginError

    if not (isinstance(found, type) and issubclass(found, Provider)):
        msg = (
            f"the provider {offer.name!r} of {offer.origin} is no subclass of dragoman.core.Provider "
            f"({offer.value} in its entry point); {offer.repair}"
        )
        raise PluginError(msg)
    if found.api != Provider.api:
        late = offer.distribution if found.api in range(Provider.api) else "dragoman-core"
        msg = (
            f"the provider {offer.name!r} of {offer.origin} is written for version {found.api} of the provider "
            f"contract, and this dragoman-core has version {Provider.api}: pip install --upgrade {late}"
        )
        raise PluginError(msg)
    return found
