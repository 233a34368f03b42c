"""`dragoman doctor`."""

from __future__ import annotations

import os
import platform
import warnings
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import TYPE_CHECKING

import click

from dragoman.core.cli import debug_option

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dragoman.core.cli.health import Health, Key
    from dragoman.core.cli.servers import Server
    from dragoman.core.cli.terminal import Console
    from dragoman.core.provider import Json

#: Models that are named in a line, and characters of a name; `--json` has all of them.
_SHOWN = 5
_LENGTH = 60
_STYLES = {"serving": "green", "locked": "yellow", "loading": "yellow", "failing": "red", "silent": "red"}


@click.command()
@click.option("--port", "ports", type=click.IntRange(1, 65535), multiple=True, help="Ask here, not at the usual ports.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as one JSON object.")
@debug_option
@click.pass_context
def command(ctx: click.Context, ports: tuple[int, ...], as_json: bool) -> None:
    """Look what is here: model servers on this machine, keys, plugins, and what is missing.

    Asks the usual ports of Ollama, LM Studio, vLLM, llama.cpp and LiteLLM, and the addresses in OLLAMA_HOST,
    LM_STUDIO_API_BASE, VLLM_API_BASE, LLAMACPP_API_BASE, LITELLM_API_BASE and OPENAI_BASE_URL: on this machine only,
    and without a key. The exit code is 0 if a model can be reached, as far as one can tell without asking a provider;
    else 2: no provider is installed, 3: a key is missing, 5: no server runs.
    """
    health = _examine(ports)
    if as_json:
        import json

        click.echo(json.dumps(_report(health), indent=2))
    else:
        _show(health)
    ctx.exit(health.exit_code)


def _examine(ports: Sequence[int]) -> Health:
    from dragoman.core.cli.health import judge
    from dragoman.core.cli.servers import PRODUCTS, configured_addresses, default_addresses, find_servers
    from dragoman.core.plugins import plugins
    from dragoman.core.policy import DragomanWarning

    named, elsewhere = configured_addresses(os.environ)
    usual = default_addresses(ports or [product.port for product in PRODUCTS])
    installed = plugins()
    # Servers are slow to answer, or never do, and plugins are slow to import.
    with ThreadPoolExecutor(max_workers=1) as thread, warnings.catch_warnings():
        asked = thread.submit(find_servers, [*usual, *named])
        # What it warns about stands in the list.
        warnings.simplefilter("ignore", DragomanWarning)
        findings = installed.describe()
        servers = asked.result()
    sound = [finding.name for finding in findings if finding.kind == "provider" and finding.state == "ok"]
    addresses = {name: installed.provider(name).base_url for name in sound}
    return judge(servers, elsewhere, findings, addresses, os.environ)


def _versions() -> dict[str, str]:
    return {**{name: version(name) for name in ("dragoman-core", "openai")}, "Python": platform.python_version()}


def _report(health: Health) -> Json:
    return {
        "versions": _versions(),
        "servers": [
            {
                "url": server.address.url,
                "also": [address.url for address in server.also],
                "state": server.state,
                "product": server.product.name if server.product else None,
                "plugin": server.product.plugin if server.product else None,
                "version": server.version or None,
                "models": list(server.models),
                "detail": server.detail,
                "commands": health.commands(server),
            }
            for server in health.servers
        ],
        "not_asked": [{"variable": one.variable, "reason": one.reason} for one in health.elsewhere],
        "keys": [{"variable": key.variable, "hint": key.hint, "providers": list(key.providers)} for key in health.keys],
        "plugins": [
            {
                "kind": condition.finding.kind,
                "name": condition.finding.name,
                "distribution": condition.finding.distribution,
                "version": condition.finding.version,
                "state": condition.finding.state,
                "ready": condition.ready,
                "detail": condition.text,
            }
            for condition in health.conditions
        ],
        "usable": health.usable,
        "exit_code": health.exit_code,
    }


def _show(health: Health) -> None:
    from dragoman.core.cli.terminal import Console

    out = Console()
    out.print(", ".join(f"{name} {number}" for name, number in _versions().items()), style="dim")
    _show_servers(out, health)
    out.print("\nkeys", style="bold")
    _print(out, [(_key_row(health, key), "") for key in health.keys] or [(("none is set",), "")])
    out.print("\nplugins", style="bold")
    rows = []
    for condition in health.conditions:
        finding = condition.finding
        state = "ready" if condition.ready else "not ready" if finding.name in health.addresses else finding.state
        style = "green" if state in {"ready", "ok"} else "yellow" if finding.state in {"ok", "blocked"} else "red"
        row = (finding.kind, finding.name, f"{finding.distribution} {finding.version}", state, condition.text)
        rows.append((row, style))
    _print(out, rows or [(("none is installed: pip install dragoman-openai (or another provider)",), "")], styled=3)


def _show_servers(out: Console, health: Health) -> None:
    out.print("\nmodel servers on this machine", style="bold")
    rows = [(_server_row(server), _STYLES.get(server.state, "")) for server in health.servers]
    below = [health.commands(server) for server in health.servers]
    _print(out, rows or [(("none was found",), "")], styled=2, below=below)
    for one in health.elsewhere:
        out.print(_cell(f"{one.variable} {one.reason}"))


def _server_row(server: Server) -> tuple[str, ...]:
    names = [_cell(name)[:_LENGTH] for name in server.models]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    listed = ", ".join(names[:_SHOWN]) + more
    detail = server.detail or listed or "no models yet"
    return server.address.url, server.title[:_LENGTH], server.state, detail


def _key_row(health: Health, key: Key) -> tuple[str, ...]:
    missing = [command for provider in key.providers if (command := health.missing(provider))]
    use = f"no plugin uses it: {' or '.join(missing)}" if len(missing) == len(key.providers) else ""
    return key.variable, key.hint or "set", use or ", ".join(key.providers)


def _print(
    out: Console,
    rows: Sequence[tuple[tuple[str, ...], str]],
    *,
    styled: int = -1,
    below: Iterable[Sequence[str]] = (),
) -> None:
    """Print cells below each other; the column `styled` has its row's style, and lines of their own follow a row."""
    from dragoman.core.cli.terminal import line_of

    cleaned = [tuple(map(_cell, row)) for row, _ in rows]
    widths = [max(len(row[column]) for row in cleaned) for column in range(min(map(len, cleaned)))]
    following = [*below, *([()] * len(rows))]
    for row, (_, style), lines in zip(cleaned, rows, following, strict=False):
        cells = [
            (cell.ljust(width + 2), style if column == styled else "")
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        out.print(*line_of(cells))
        for text in lines:
            out.print(f"  {_cell(text)}", style="dim")


def _cell(text: str) -> str:
    """One line, whatever a server wrote."""
    from dragoman.core.cli.terminal import clean

    return " ".join(clean(text).split())
