"""`dragoman batch status` and `dragoman batch cancel`: what a run with `--native` has under way."""

from __future__ import annotations

import logging
import sys
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dragoman.batch.parts import Part
    from dragoman.core import Batches, BatchState

#: The exit code where batches are left under way.
LEFT = 8
_CLEAR = "\r\x1b[K"


@contextmanager
def telling(say: Callable[[str], None]) -> Iterator[None]:
    """Have the steps of a run told, while the block runs."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if sys.stderr.isatty():
                click.echo(_CLEAR, err=True, nl=False)
            say(record.getMessage())

    logger, handler = logging.getLogger("dragoman.batch"), Handler()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def state_path(output: Path) -> Path:
    """Return the state file of a run, which lies beside its output; its own name will do, too."""
    return output if output.name.endswith(".state") else output.with_name(f"{output.name}.state")


def show(output: Path, config: str | None) -> bool:
    """Say how the batches of a run stand; False: there is nothing under way."""
    return _each(output, config, lambda port, part: _words(port.state(part.batch_id)))


def cancel(output: Path, config: str | None) -> bool:
    """Cancel the batches of a run; False: there is nothing under way."""

    def stop(port: Batches, part: Part) -> str:
        port.cancel(part.batch_id)
        return "is being cancelled; what it has done is fetched, and paid for, by the same command as before"

    return _each(output, config, stop)


def _each(output: Path, config: str | None, do: Callable[[Batches, Part], str]) -> bool:
    from dragoman.batch.options import settings_of
    from dragoman.batch.parts import State
    from dragoman.batch.spool import Spool
    from dragoman.batch.translating import Translator

    path = state_path(output)
    if not path.exists():
        click.echo(f"dragoman: nothing is under way: there is no {path}", err=True)
        return False
    with ExitStack() as stack:
        state = stack.enter_context(closing(State(path)))
        translator = stack.enter_context(closing(Translator(settings_of(config)[0])))
        spool = stack.enter_context(closing(Spool(state.spool)))
        for part in state.parts:
            if part.stage == "ended":
                click.echo(f"{part} is done with")
            elif not part.batch_id:
                click.echo(f"{part} has no batch yet: the same command as before has one made")
            else:
                click.echo(f"{part}: {do(translator.port(part, spool.sample(part.number))[0], part)}")
    return True


def _words(state: BatchState) -> str:
    done = f", {state.succeeded + state.failed:,} of {state.total:,} requests are done" if state.total else ""
    return f"{state.status}{done}" + ("; the same command as before fetches its results" if state.ended else "")


def add_commands(group: click.Group, places: Callable[[str, str | None], Any]) -> None:
    """Add both to `dragoman batch`. `places` returns the output of a run, given its FILE and its OUTPUT."""
    for name, do, text in (
        ("status", show, "Say how the batches stand that a run with --native has under way."),
        ("cancel", cancel, "Cancel the batches that a run with --native has under way."),
    ):

        @click.pass_context
        def run(
            ctx: click.Context,
            /,
            requests: str,
            output: str | None,
            config: str | None,
            do: Callable[[Path, str | None], bool] = do,
        ) -> None:
            ctx.exit(0 if do(places(requests, output), config) else 1)

        parameters: list[click.Parameter] = [
            click.Argument(["requests"], metavar="FILE"),
            click.Option(["-o", "--output"], metavar="FILE", help="Where the run's answers go, if it was told so."),
            click.Option(["--config"], type=click.Path(exists=True, dir_okay=False), help="The run's configuration."),
        ]
        group.add_command(click.Command(name, callback=run, params=parameters, help=text, short_help=text))
