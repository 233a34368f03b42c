"""`dragoman record`."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dragoman.core.cli import debug_option

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dragoman.core.tapes.tape import Tape


@click.command(context_settings={"allow_interspersed_args": False})
@click.option(
    "--into",
    "folder",
    default="tapes",
    show_default=True,
    metavar="FOLDER",
    help="Where the tapes go; made if need be.",
)
@click.option(
    "--scrub",
    multiple=True,
    metavar="NAME",
    help="A header, query parameter, JSON field or environment variable whose value is secret too. May be repeated.",
)
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED, metavar="[--] PROGRAM [ARGUMENT]...")
@debug_option
@click.pass_context
def command(ctx: click.Context, folder: str, scrub: tuple[str, ...], program: tuple[str, ...]) -> None:
    """Run PROGRAM and put every exchange of its dragoman clients on a tape: one JSON file each.

    A tape has the request in the provider's words and the answer, of streams every piece with its time. Keys and
    other secrets are taken out before anything is written. A request that is on tape already is recorded anew.
    What was recorded and scrubbed is told on stderr at the end; terminal, signals and exit code are PROGRAM's.

    Example: dragoman record --into tapes -- python app.py
    """
    from dragoman.core.cli.child import run
    from dragoman.core.tapes import RECORD, REPLAY, SCRUB, SINCE
    from dragoman.core.tapes.recording import check_writable
    from dragoman.core.tapes.take import now

    place, since = Path(folder).absolute(), now()
    check_writable(place)
    settings = {RECORD: str(place), SINCE: since, REPLAY: None}
    if scrub:
        settings[SCRUB] = ",".join(scrub)
    code = run(program, settings)
    for line in summarise(tapes_since(place, since), folder):
        click.echo(f"dragoman: {line}", err=True)
    ctx.exit(code)


def tapes_since(folder: Path, since: str) -> list[Tape]:
    """Return the tapes of this session; other files in the folder are nobody's business here."""
    from dragoman.core.errors import TapeError
    from dragoman.core.tapes.tape import read_tape

    found = []
    for path in folder.glob("*.json"):
        try:
            found.append(read_tape(path))
        except TapeError:
            continue
    return [tape for tape in found if tape.recorded >= since]


def summarise(tapes: Iterable[Tape], folder: str) -> list[str]:
    """Say what was recorded, and what was scrubbed where; names only."""
    tapes = list(tapes)
    if not tapes:
        return [f"nothing was recorded in {folder}: no dragoman client of this program sent anything"]
    counted = Counter(tape.data["provider"] for tape in tapes)
    providers = ", ".join(f"{name} {number}" for name, number in sorted(counted.items()))
    lines = [f"{_many(len(tapes), 'exchange')} recorded in {folder} ({providers})"]
    places: dict[str, Counter[str]] = defaultdict(Counter)
    for tape in tapes:
        for place, names in tape.data.get("scrubbed", {}).items():
            places[place].update(names)
    for place, names in sorted(places.items()):
        told = ", ".join(f"{name} ({_many(number, 'tape')})" for name, number in sorted(names.items()))
        lines.append(f"scrubbed from {place}: {told}")
    unfinished = sum((tape.reply or {}).get("end") is not None for tape in tapes)
    if unfinished:
        lines.append(f"{_many(unfinished, 'stream')} closed before the end: the tape ends there too")
    return lines if places else [*lines, "scrubbed: nothing; the SDKs' own credentials never get on tape"]


def _many(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
