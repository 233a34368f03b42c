"""`dragoman plugins`."""

from __future__ import annotations

import platform
import warnings
from typing import TYPE_CHECKING

import click

from dragoman.core.cli import debug_option

if TYPE_CHECKING:
    from dragoman.core.plugins import Finding

_STYLES = {"ok": "green", "broken": "red", "duplicate": "red", "blocked": "yellow"}


@click.command()
@debug_option
def command() -> None:
    """List what is installed, what is broken and why, and which keys are found (never the keys)."""
    from importlib.metadata import version

    from rich.text import Text

    from dragoman.core.cli.terminal import console
    from dragoman.core.plugins import plugins
    from dragoman.core.policy import DragomanWarning

    with warnings.catch_warnings():
        # What it warns about stands in the list.
        warnings.simplefilter("ignore", DragomanWarning)
        findings = plugins().describe()
    out = console()
    versions = [f"{name} {version(name)}" for name in ("dragoman-core", "openai")]
    out.print(f"{', '.join(versions)}, Python {platform.python_version()}", style="dim")
    rows = [_row(finding) for finding in findings]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    for row, finding in zip(rows, findings, strict=True):
        line = Text()
        for column, (cell, width) in enumerate(zip(row, widths, strict=False)):
            line.append(cell.ljust(width + 2), style=_STYLES[finding.state] if column == 3 else "")  # noqa: PLR2004 (the state's)
        line.append(row[4])
        line.rstrip()
        out.print(line)
    if not findings:
        out.print("no plugins are installed: pip install dragoman-openai (or another provider)")


def _row(finding: Finding) -> tuple[str, str, str, str, str]:
    origin = f"{finding.distribution} {finding.version}"
    detail = " ".join(finding.reason.split())
    if not detail and finding.kind == "provider":
        detail = _key(finding)
    return finding.kind, finding.name, origin, finding.state, detail


def _key(finding: Finding) -> str:
    if not finding.key_env:
        return "needs no key"
    return f"key {'found' if finding.key_found else 'missing'}: {' or '.join(finding.key_env)}"
