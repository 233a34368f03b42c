"""Headers that are said at several levels: by a provider's options, an entry of a configuration, a client, a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Headers whose value is a list: what one level says is added to what another says, and does not replace it.
LISTS = frozenset({"anthropic-beta"})


def merge_headers(*levels: Mapping[str, Any]) -> dict[str, Any]:
    """Merge levels of headers, the one that counts most at the end."""
    found: dict[str, Any] = {}
    for level in levels:
        add_headers(found, level)
    return found


def add_headers(found: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Add headers to `found`: they replace what is there under the same name, or add to it if it is a list."""
    for name, value in more.items():
        if (lowered := name.lower()) in LISTS:
            there = next((key for key in found if key.lower() == lowered), name)
            found[name] = join_values(found.pop(there, ""), value)
        else:
            found[name] = value


def join_values(*values: Any) -> Any:
    """Join values of a header that is a list, each item once. What is no text (an SDK's `Omit`) replaces them all."""
    if not all(isinstance(value, str) for value in values):
        return values[-1]
    items = [item.strip() for value in values for item in value.split(",")]
    return ",".join(dict.fromkeys(filter(None, items)))
