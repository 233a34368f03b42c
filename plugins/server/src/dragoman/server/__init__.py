"""dragoman's server: every provider behind one OpenAI-compatible address, and the command `dragoman serve`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core import hookimpl

if TYPE_CHECKING:
    import click

__all__ = ["register_commands"]


@hookimpl
def register_commands(commands: click.Group) -> None:
    """Add `dragoman serve`."""
    from dragoman.server.command import command

    commands.add_command(command)
