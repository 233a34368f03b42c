"""Batches: a file of requests through any installed provider, and the command `dragoman batch`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.batch.engines import Engine, Queue, Settings, make_engine
from dragoman.batch.records import BadLine, Request, Result
from dragoman.core import hookimpl

if TYPE_CHECKING:
    import click

__all__ = ["BadLine", "Engine", "Queue", "Request", "Result", "Settings", "make_engine", "register_commands"]


@hookimpl
def register_commands(commands: click.Group) -> None:
    """Add `dragoman batch`."""
    from dragoman.batch.command import command

    commands.add_command(command)
