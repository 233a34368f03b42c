"""The `dragoman` program. Commands are imported when they run, so that `dragoman --help` is quick.

Exit codes: 0 done, 2 wrong usage (what dragoman refused, or cannot write to), 3 no or no valid key, 4 rate limit,
5 the provider or the network failed, 130 stopped with Ctrl-C, 1 a fault in dragoman or in a plugin.
"""

from __future__ import annotations

import os
import sys
import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Each command is the object `command` of the module of its name; the help of the program needs only this.
COMMANDS = {
    "chat": "Talk to a model, once or in a conversation.",
    "check": "Find out what a model can do by asking it, within a stated cost.",
    "completion": "Print the script that completes dragoman's commands in a shell.",
    "config": "Check a configuration file.",
    "demo": "Rehearse a conversation with a tool through two providers; no key, no network.",
    "doctor": "Find model servers on this machine, keys and plugins, and say what is missing.",
    "models": "List the models that the installed providers offer.",
    "plugins": "List what is installed, what is broken and why, and which keys are found.",
    "record": "Run a program and put what its models answer on tape, without secrets.",
    "replay": "Run a program with answers from tapes; no key, no network.",
}

#: Commands of plugins that may not be installed -> what brings them.
ELSEWHERE = {
    "batch": "dragoman-batch",
    "keys": "dragoman-server",
    "new": "dragoman-template",
    "serve": "dragoman-server",
}

_PIPE_CLOSED = 141


class Program(click.Group):
    """The group of all commands, those of plugins included."""

    debug = False
    _complete = False

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of dragoman's own commands and the plugins'."""
        self._ask_plugins()
        return sorted({*COMMANDS, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; plugins are loaded only for a name that is none of dragoman's own."""
        if cmd_name in COMMANDS:
            command: click.Command = import_module(f"{__name__}.{cmd_name}").command
            return command
        self._ask_plugins()
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for one that a plugin would bring, say which. Raises `click.UsageError`."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            if args[0] not in ELSEWHERE:
                raise
            message = f"the command {args[0]!r} comes with a plugin: pip install {ELSEWHERE[args[0]]}"
            if os.environ.get("DRAGOMAN_PLUGINS") is not None:
                message += ", and see that DRAGOMAN_PLUGINS does not leave it out"
            raise click.UsageError(message, ctx) from error

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a plugin's command. Raises ValueError for a name that is taken."""
        name = name or cmd.name
        if name in COMMANDS or name in self.commands:
            message = f"there already is a command {name!r}"
            raise ValueError(message)
        super().add_command(cmd, name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing dragoman's own."""
        own = set(COMMANDS)
        rows = []
        for name in self.list_commands(ctx):
            command = None if name in own else self.get_command(ctx, name)
            if command is None or not command.hidden:
                rows.append((name, COMMANDS[name] if command is None else command.get_short_help_str(80)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def _ask_plugins(self) -> None:
        """Let plugins add their commands, once; one that fails is left out, with a warning."""
        if self._complete:
            return
        self._complete = True
        from dragoman.core.plugins import plugins
        from dragoman.core.policy import DragomanWarning

        for hook in reversed(plugins().hooks.register_commands.get_hookimpls()):
            try:
                hook.function(*[self for name in hook.argnames if name == "commands"])
            except (Exception, SystemExit) as error:  # noqa: BLE001 (a plugin may raise anything)
                reason = f"{type(error).__name__}: {error}"
                offer = plugins().offer_of(hook.plugin)
                owner, remedy = (offer.origin, f"; {offer.repair}") if offer else (hook.plugin_name, "")
                message = f"the commands of {owner} are left out: {reason}{remedy}"
                warnings.warn(message, DragomanWarning, stacklevel=1)

    def main(self, args: Sequence[str] | None = None, *_: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run the program and exit; whatever goes wrong is one line on stderr and an exit code."""
        self.debug = False
        extra["prog_name"] = "dragoman"
        if not standalone_mode:
            return super().main(args, standalone_mode=False, **extra)
        with warnings.catch_warnings():
            code = self._main(args, extra)
        sys.exit(code)

    def _main(self, args: Sequence[str] | None, extra: Any) -> int:
        _show_own_warnings()
        try:
            from dragoman.core.dotenv import load_dotenv

            for problem in load_dotenv():
                click.echo(f"dragoman: warning: {problem}", err=True)
            code = super().main(args, standalone_mode=False, **extra)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (the one place where errors become words)
            from dragoman.core.cli.failures import report

            return report(error, debug=self.debug)
        return code if isinstance(code, int) else 0

    def invoke(self, ctx: click.Context) -> None:
        """Run the command; only `ctx.exit` gives an exit code, not what a function returns."""
        try:
            super().invoke(ctx)
            if sys.stdout is not None:
                sys.stdout.flush()
        except BrokenPipeError:
            _give_up_stdout()
            ctx.exit(_PIPE_CLOSED)
        except OSError as error:
            from dragoman.core.cli.failures import cannot_write

            if cannot_write(error):
                _give_up_stdout()
            raise


def _give_up_stdout() -> None:
    """Have what is still to be written lost: Python flushes stdout once more when it ends."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show_own_warnings() -> None:
    from dragoman.core.policy import DragomanWarning

    usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if issubclass(category, DragomanWarning):
            click.echo(f"dragoman: warning: {' '.join(str(message).split())}", err=True)
        else:
            usual(message, category, *where, **more)

    warnings.showwarning = show
    warnings.simplefilter("always", DragomanWarning)


def _set_debug(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    program = ctx.find_root().command
    if value and isinstance(program, Program):
        program.debug = True


#: Given to the program and to each command, so that it may stand anywhere.
debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, is_eager=True, callback=_set_debug, help="Show tracebacks."
)


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dragoman-core", prog_name="dragoman", message="%(prog)s %(version)s")
@debug_option
def program() -> None:
    """Reach every model through the client you already have.

    Keys are read from the environment and from a file .env in the current folder.
    """


def main() -> None:
    """Run `dragoman` with the process's own arguments."""
    program()
