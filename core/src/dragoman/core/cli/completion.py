"""`dragoman completion`: the shell completes commands, options and names of providers."""

from __future__ import annotations

import click

from dragoman.core.cli import debug_option

_VARIABLE = "_DRAGOMAN_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@debug_option
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script that completes dragoman's commands in a shell.

    In ~/.bashrc: eval "$(dragoman completion bash)". In ~/.zshrc the same with zsh. For fish:
    dragoman completion fish > ~/.config/fish/completions/dragoman.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 (click brings all three)
    click.echo(kind(ctx.find_root().command, {}, "dragoman", _VARIABLE).source())


def complete_provider(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Names of installed providers."""
    from dragoman.core.plugins import plugins

    return [name for name in sorted(plugins().providers()) if name.startswith(incomplete)]


def complete_model(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The beginnings of model names; asking the providers would take too long."""
    from dragoman.core.plugins import plugins

    return [f"{name}/" for name in sorted(plugins().providers()) if name.startswith(incomplete)]
