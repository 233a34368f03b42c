"""Batches: a file of requests through any installed provider, and the command `dragoman batch`.

What else is here is loaded on first use: whoever starts `dragoman` for something else does not pay for it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dragoman.core import hookimpl

if TYPE_CHECKING:
    import click

    from dragoman.batch.api import arun, run
    from dragoman.batch.engines import Engine, Queue, Settings, make_engine
    from dragoman.batch.limits import Limits
    from dragoman.batch.records import BadLine, Request, Result
    from dragoman.batch.results import AsyncResults, Results
    from dragoman.batch.summary import Summary

_HOME = {
    "api": ("arun", "run"),
    "engines": ("Engine", "Queue", "Settings", "make_engine"),
    "limits": ("Limits",),
    "records": ("BadLine", "Request", "Result"),
    "results": ("AsyncResults", "Results"),
    "summary": ("Summary",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "AsyncResults",
    "BadLine",
    "Engine",
    "Limits",
    "Queue",
    "Request",
    "Result",
    "Results",
    "Settings",
    "Summary",
    "arun",
    "check_config",
    "make_engine",
    "register_commands",
    "run",
]


@hookimpl
def register_commands(commands: click.Group) -> None:
    """Add `dragoman batch`."""
    from dragoman.batch.command import command

    commands.add_command(command)


@hookimpl
def check_config(path: str) -> list[str] | None:
    """Check the table `batch`."""
    from dragoman.batch.options import check_table

    return None if path.endswith((".yaml", ".yml")) else check_table(path)


def __getattr__(name: str) -> Any:
    """Load a name from the module that has it (PEP 562), and keep it here."""
    if name not in _MODULE_OF:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value
