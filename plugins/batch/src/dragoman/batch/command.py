"""`dragoman batch`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from dragoman.core import Json


@click.group("batch")
def command() -> None:
    """Send a file of requests through any provider."""


def engine_options(engine: str, native: bool, address: str | None) -> tuple[str, Json]:
    """Return the engine's name and its own options, which are its constructor's keyword arguments."""
    raise NotImplementedError
