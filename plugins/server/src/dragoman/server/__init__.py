"""dragoman's server: every provider behind one OpenAI-compatible address, and the command `dragoman serve`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core import hookimpl

if TYPE_CHECKING:
    import click

__all__ = ["check_config", "register_commands"]


@hookimpl
def register_commands(commands: click.Group) -> None:
    """Add `dragoman serve` and `dragoman keys`."""
    from dragoman.server.command import command as serve
    from dragoman.server.keycommand import command as keys

    commands.add_command(serve)
    commands.add_command(keys)


@hookimpl
def check_config(path: str) -> list[str]:
    """Check the table `server` and LiteLLM's files."""
    from dragoman.server.settings import read, refuse_exposed

    configuration, remarks = read(path)
    refuse_exposed(configuration.server)
    return remarks
