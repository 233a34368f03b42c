"""What a provider has of OpenAI's API, as the tapes of its plugin have shown: a file beside the provider's class.

Nobody writes that file by hand: `pytest --capabilities=write` of dragoman-testing does, once the provider's suite has
passed. A feature that no tape shows is not in it, and is "unknown".
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman.core.capabilities import VALUES, Capabilities, Capability

if TYPE_CHECKING:
    from dragoman.core.provider import Provider


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
    return Capabilities({name: one for name, one in shown.items() if one.value in VALUES})


def _read(provider: type[Provider], path: Path) -> bytes | None:
    """Read through the module's loader: plugins in zip files have theirs too."""
    loader: Any = getattr(getattr(sys.modules[provider.__module__], "__spec__", None), "loader", None)
    try:
        content: bytes = loader.get_data(str(path)) if hasattr(loader, "get_data") else path.read_bytes()
    except OSError:
        return None
    return content
