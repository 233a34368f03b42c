"""`dragoman keys`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

_DAY = "%Y-%m-%d"


@click.group("keys")
def command() -> None:
    """Make keys for the clients of `dragoman serve`."""


@command.command("new")
@click.argument("name")
@click.option("--models", metavar="NAME,…", help="What it may use, with * and ?.  [default: everything]")
@click.option("--rpm", type=click.IntRange(1), help="Requests a minute.")
@click.option("--tpm", type=click.IntRange(1), help="Tokens a minute.")
@click.option("--concurrency", type=click.IntRange(1), help="Requests at the same time.")
@click.option("--expires", metavar="DATE|DAYS", help="Its last day, such as 2027-01-31, or 90d.")
def new(  # noqa: PLR0913, PLR0917 (one argument for each option, which click gives by name)
    name: str, models: str | None, rpm: int | None, tpm: int | None, concurrency: int | None, expires: str | None
) -> None:
    """Make a key called NAME, print it once, and print the table for the configuration file, which has only its hash.

    The key is the first line of stdout, the table is what follows.
    """
    from dragoman.server.keys import hash_key, new_key

    key = new_key()
    last = _last_day(expires) if expires else None
    patterns = [one.strip() for one in (models or "").split(",") if one.strip()]
    lines = [
        "[[server.keys]]",
        f"name = {_quoted(name)}",
        f'hash = "{hash_key(key)}"',
        f"models = [{', '.join(map(_quoted, patterns))}]" if patterns else "",
        f"requests_per_minute = {rpm}" if rpm else "",
        f"tokens_per_minute = {tpm}" if tpm else "",
        f"max_concurrency = {concurrency}" if concurrency else "",
        f"expires = {last}" if last else "",
    ]
    click.echo("The key, which is shown once and kept nowhere; give it to the client:", err=True)
    click.echo(key)
    click.echo("For the configuration file:", err=True)
    click.echo("\n" + "\n".join(filter(None, lines)))


def _last_day(text: str) -> str:
    days = text.removesuffix("d")
    try:
        if days != text:
            return f"{datetime.now(UTC) + timedelta(days=int(days)):{_DAY}}"
        return f"{datetime.strptime(text, _DAY).replace(tzinfo=UTC):{_DAY}}"
    except (OverflowError, ValueError) as error:
        message = f"--expires must be a date, such as 2027-01-31, or days, such as 90d, not {text!r}"
        raise click.UsageError(message) from error


def _quoted(text: str) -> str:
    """Write a text as TOML does."""
    if not text.isprintable():
        message = "names must be printable"
        raise click.UsageError(message)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
