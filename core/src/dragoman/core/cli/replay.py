"""`dragoman replay`."""

from __future__ import annotations

from pathlib import Path

import click

from dragoman.core.cli import debug_option


@click.command(context_settings={"allow_interspersed_args": False})
@click.option("--from", "folder", default="tapes", show_default=True, metavar="FOLDER", help="Where the tapes are.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    help="Streams at so many times the recorded speed, 1 being as recorded. Default: all at once.",
)
@click.option("--strict", is_flag=True, help="Refuse a request that is made more often than it was recorded.")
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED, metavar="[--] PROGRAM [ARGUMENT]...")
@debug_option
@click.pass_context
def command(ctx: click.Context, folder: str, speed: float | None, strict: bool, program: tuple[str, ...]) -> None:
    """Run PROGRAM and answer every request of its dragoman clients from tapes that `dragoman record` made.

    Nothing is sent, and no key is needed. A request that is on no tape fails, and the error shows how it differs
    from the nearest one. Terminal, signals and exit code are PROGRAM's.

    Example: dragoman replay --from tapes -- python app.py
    """
    from dragoman.core.cli.child import run
    from dragoman.core.tapes import RECORD, REPLAY, SPEED, STRICT, Replayer

    # Whatever is wrong with the tapes is said here, and not by PROGRAM.
    Replayer(folder)
    settings: dict[str, str | None] = {REPLAY: str(Path(folder).absolute()), RECORD: None}
    settings |= {SPEED: str(speed)} if speed is not None else {}
    settings |= {STRICT: "1"} if strict else {}
    ctx.exit(run(program, settings))
