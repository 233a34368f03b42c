"""`dragoman plugins`."""

from __future__ import annotations

import os
import platform
import textwrap
import warnings
from typing import TYPE_CHECKING

import click

from dragoman.core.cli import debug_option

if TYPE_CHECKING:
    from dragoman.core.cli.terminal import Console
    from dragoman.core.plugins import Finding

#: What is known of a feature -> its colour; in this order.
_VALUES = {"yes": "green", "adapted": "yellow", "no": "red", "unknown": "dim"}
_INDENT = "    "
_COLUMN = max(map(len, _VALUES)) + 2
_STYLES = {"ok": "green", "broken": "red", "duplicate": "red", "blocked": "yellow"}


@click.command()
@click.option("-v", "--verbose", is_flag=True, help="Show what each provider has, as its tests have shown it.")
@debug_option
def command(*, verbose: bool) -> None:
    """List what is installed, what is broken and why, and which keys are found (never the keys)."""
    from importlib.metadata import version

    from dragoman.core.cli.terminal import Console, line_of
    from dragoman.core.plugins import plugins
    from dragoman.core.policy import DragomanWarning

    with warnings.catch_warnings():
        # What it warns about stands in the list.
        warnings.simplefilter("ignore", DragomanWarning)
        findings = plugins().describe()
    out = Console()
    versions = [f"{name} {version(name)}" for name in ("dragoman-core", "openai")]
    out.print(f"{', '.join(versions)}, Python {platform.python_version()}", style="dim")
    rows = [_row(finding) for finding in findings]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    for row, finding in zip(rows, findings, strict=True):
        *cells, state = [cell.ljust(width + 2) for cell, width in zip(row, widths, strict=False)]
        styled = [*((cell, "") for cell in cells), (state, _STYLES[finding.state]), (row[4], "")]
        out.print(*line_of(styled))
        if verbose and finding.kind == "provider" and finding.state == "ok":
            _print_capabilities(out, finding)
    if not findings:
        out.print("no plugins are installed: pip install dragoman-openai (or another provider)")


def _print_capabilities(out: Console, finding: Finding) -> None:
    """Names of features, by what is known of them; those with a note stand in lines of their own."""
    from dragoman.core.capabilityfiles import capabilities_of
    from dragoman.core.errors import PluginError
    from dragoman.core.plugins import plugins

    try:
        known = capabilities_of(plugins().provider(finding.name))
    except PluginError as error:
        out.print(f"{_INDENT}{error}", style="red")
        return
    for value, style in _VALUES.items():
        found = {name: one.note for name, one in known.items() if one.value == value}
        plain = ", ".join(name for name, note in found.items() if not note)
        if len(found) == len(known):
            plain = f"all {len(found)} features"
        told = [*([plain] if plain else []), *(f"{name}: {note}" for name, note in found.items() if note)]
        for number, text in enumerate(told):
            first = _INDENT + (value if not number else "").ljust(_COLUMN)
            indent = " " * len(first)
            lines = textwrap.wrap(text, out.width, initial_indent=indent, subsequent_indent=indent)
            for line in lines:
                out.print((first, style), line[len(indent) :])
                first = indent


def _row(finding: Finding) -> tuple[str, str, str, str, str]:
    origin = f"{finding.distribution} {finding.version}"
    detail = " ".join(finding.reason.split())
    if not detail and finding.kind == "provider":
        detail = _key(finding) if finding.state == "ok" else ""
    return finding.kind, finding.name, origin, finding.state, detail


def _key(finding: Finding) -> str:
    from dragoman.core.cli.health import key_words
    from dragoman.core.plugins import plugins

    return key_words(finding, plugins().provider(finding.name).base_url, os.environ)
