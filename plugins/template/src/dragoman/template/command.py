"""`dragoman new`: asks what is not said, if there is somebody to ask, and writes the project."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dragoman.template.answers import LICENCES, WIRES, Answers, fault_of_name, name_of
from dragoman.template.tree import render, template, write

if TYPE_CHECKING:
    from collections.abc import Callable

#: How the two kinds of API are told apart by people.
_QUESTION = """\
How does the API speak?
  1  OpenAI's wire, more or less: a server that openai.OpenAI(base_url=…) reaches
  2  a wire of its own"""


def _name(ctx: click.Context, param: click.Parameter, value: str) -> str:
    name = name_of(value)
    if fault := fault_of_name(name, value.strip()):
        raise click.BadParameter(fault, ctx, param)
    return name


def _write_template(ctx: click.Context, param: click.Parameter, value: Path | None) -> None:
    """Write copier's template, which needs no name, and end."""
    if value is None or ctx.resilient_parsing:
        return
    _write(template(), value, param)
    click.echo(f"{value}: a template for copier. Use it with: copier copy {value} FOLDER")
    ctx.exit()


_folder = click.Path(path_type=Path, file_okay=False)


@click.command("new")
@click.argument("name", callback=_name)
@click.option("--openai-compatible", is_flag=True, help="The API speaks OpenAI's wire, more or less.")
@click.option("--own-wire", is_flag=True, help="The API has a wire of its own.")
@click.option("--base-url", metavar="URL", help="Where the API is.  [default: https://api.NAME.example/v1]")
@click.option("--key-env", metavar="VARIABLE", help="The environment variable of the key.  [default: NAME_API_KEY]")
@click.option("--author", metavar="WHO", help="Whose work it is.  [default: The NAME authors]")
@click.option("--license", type=click.Choice(LICENCES), help="An SPDX expression.  [default: MIT]")
@click.option("-o", "--output", type=_folder, help="The new folder.  [default: dragoman-NAME]")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing: take what is usual.")
@click.option(
    "--copier-template",
    type=_folder,
    metavar="FOLDER",
    is_eager=True,
    expose_value=False,
    callback=_write_template,
    help="Write the same project as a template for copier instead, into a new folder.",
)
@click.pass_context
def command(  # noqa: PLR0913 (one argument for each option, which click gives by name)
    ctx: click.Context,
    /,
    name: str,
    output: Path | None,
    *,
    openai_compatible: bool,
    own_wire: bool,
    yes: bool,
    **given: str | None,
) -> None:
    """Write the project of a provider NAME, green from the start.

    At a terminal, what the options leave open is asked for.
    """
    folder = output or Path(f"dragoman-{name}")
    if folder.exists():
        message = f"{folder} exists already: choose another folder with --output, or move it away"
        raise click.UsageError(message, ctx)
    if openai_compatible and own_wire:
        message = "--openai-compatible and --own-wire contradict each other: an API speaks one way"
        raise click.UsageError(message, ctx)
    wire = {"wire": WIRES[own_wire]} if openai_compatible or own_wire else {}
    said = wire | {option: value for option, value in given.items() if value is not None}
    if not yes and sys.stdin.isatty() and sys.stdout.isatty():
        said = _ask(name, said)
    elif not yes and "wire" not in said:
        message = "say how the API speaks: --openai-compatible or --own-wire"
        raise click.UsageError(message, ctx)
    answers = Answers(name, **said)
    if fault := answers.fault():
        raise click.UsageError(fault, ctx)
    tree = render(answers)
    _write(tree, folder)
    click.echo(f"{folder}: {len(tree)} files of a provider {name}, for an API of the kind {answers.wire}. Next:")
    click.echo(f"  cd {folder}")
    click.echo("  python -m pip install -e . --group dev    # pip 25.1 or newer, in an environment of its own")
    click.echo("  pytest                                    # green; then make the tapes say what your vendor says")


def _write(tree: dict[str, str], folder: Path, param: click.Parameter | None = None) -> None:
    try:
        write(tree, folder)
    except FileExistsError as error:
        message = f"{folder} exists already"
        raise click.BadParameter(message, param=param) from error
    except OSError as error:
        message = f"{folder} cannot be written: {error.strerror or error}"
        raise click.ClickException(message) from error


def _ask(name: str, said: dict[str, str]) -> dict[str, str]:
    """Ask for what was not said, in the order of importance; Enter takes what is usual."""
    usual = Answers(name, **said).values
    asked = dict(said)
    if "wire" not in asked:
        click.echo(_QUESTION)
        asked["wire"] = WIRES[int(click.prompt("Which", type=click.Choice(["1", "2"]), default="1")) - 1]
    for option, question in (
        ("base_url", "Where is the API"),
        ("key_env", "Which environment variable has the key"),
        ("author", "Whose work is it"),
    ):
        if option not in asked:
            asked[option] = click.prompt(question, default=usual[option], value_proc=_checked(name, option))
    if "license" not in asked:
        asked["license"] = click.prompt("Which licence", type=click.Choice(LICENCES), default=LICENCES[0])
    return asked


def _checked(name: str, option: str) -> Callable[[str], str]:
    """Return a check of one answer, so that what cannot be meant is asked again."""

    def check(value: str) -> str:
        answer: dict[str, Any] = {option: value.strip()}
        if fault := Answers(name, **answer).fault():
            raise click.UsageError(fault)
        return value.strip()

    return check
