"""dragoman's template: the command `dragoman new`, which writes a provider's project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core import hookimpl

if TYPE_CHECKING:
    import click

__all__ = ["register_commands"]


@hookimpl
def register_commands(commands: click.Group) -> None:
    """Add `dragoman new`."""
    from dragoman.template.command import command

    commands.add_command(command)
