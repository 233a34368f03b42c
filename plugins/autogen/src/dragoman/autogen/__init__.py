"""Every dragoman provider in AutoGen. What a part needs of its framework is imported when the part is used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dragoman.autogen.installing import install, uninstall
    from dragoman.autogen.modelclient import DragomanModelClient
    from dragoman.autogen.wiring import wire

#: Each part's module, and what it offers.
_HOME = {
    "installing": ("install", "uninstall"),
    "modelclient": ("DragomanModelClient",),
    "wiring": ("wire",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = ["DragomanModelClient", "install", "uninstall", "wire"]


def __getattr__(name: str) -> Any:
    """Load a name from the module that has it (PEP 562), and keep it here."""
    if name not in _MODULE_OF:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return sorted(__all__)
