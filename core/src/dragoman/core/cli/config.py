"""`dragoman config`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from dragoman.core.cli import debug_option

if TYPE_CHECKING:
    from dragoman.core.configfiles import ConfigFile
    from dragoman.core.dispatch import Dispatcher
    from dragoman.core.entries import Entry
    from dragoman.core.provider import Json, Provider

#: Given to the commands that make a client.
config_option = click.option(
    "--config", metavar="FILE", type=click.Path(exists=True, dir_okay=False), help="A configuration file."
)
#: A host with its port, of a server that is on this machine or near it, more often than not.
_HOST_AND_PORT = re.compile(r"(\[[^\]]+\]|[^/:?#\s]+):\d+(/.*)?")


def read_base_url(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Add the scheme that people leave out before `host:port`."""
    return f"http://{value}" if value and _HOST_AND_PORT.fullmatch(value) else value


#: Given to the commands that ask one model.
base_url_option = click.option(
    "--base-url", metavar="URL", callback=read_base_url, help="Where the model's provider is."
)


def refuse_without_scheme(given: str, provider: Provider) -> None:
    """Raise `click.UsageError` for an address that the provider could not make one of HTTP."""
    if "://" not in provider.base_url:
        message = f"--base-url {given}: an address begins with http:// or https://, or is HOST:PORT"
        raise click.UsageError(message)


@click.group()
@debug_option
def command() -> None:
    """Check a configuration file."""


@command.command("check")
@click.argument("path", metavar="FILE", default="dragoman.toml")
@debug_option
@click.pass_context
def check(ctx: click.Context, path: str) -> None:
    """Say what is wrong with a configuration file, by file, line and key, or else what it means.

    FILE is dragoman.toml unless given. Secrets are looked up, and never shown. Nothing is asked of any provider.
    The exit code is 2 if anything is wrong.
    """
    from dragoman.core.cli.failures import USAGE, redact
    from dragoman.core.cli.terminal import Console, clean

    config, faults, remarks = _examine(path)
    notes = Console(stderr=True)
    for fault in faults:
        notes.print(redact(clean(fault)), style="red")
    for remark in remarks:
        notes.print(redact(clean(remark)), style="yellow")
    if faults:
        ctx.exit(USAGE)
    if config is not None:
        _show(config)
    click.echo(f"{path} is right")


def _examine(path: str) -> tuple[ConfigFile | None, list[str], list[str]]:
    """Return the file, if it is right and in a format of core's; its faults, each once; and the remarks about it."""
    from dragoman.core.configfiles import ELSEWHERE, is_foreign, load_config
    from dragoman.core.errors import ConfigError
    from dragoman.core.plugins import plugins

    config, faults, remarks = None, list[str](), list[str]()
    try:
        config = None if is_foreign(path) else load_config(path)
    except ConfigError as error:
        faults += error.faults
    told: list[list[str]] = []
    try:
        told = plugins().hooks.check_config(path=path)
    except ConfigError as error:
        faults += error.faults
    tables = sorted(ELSEWHERE.keys() & config.root.values.keys()) if config is not None else ["server"]
    if tables and not told and not faults:
        what = f"the table [{tables[0]}] was" if config is not None else f"{path} is LiteLLM's, and was"
        remarks.append(f"{what} not checked: pip install {ELSEWHERE[tables[0]]}")
        faults += remarks.copy() if config is None else []
    remarks += [remark for some in told for remark in some]
    if config is not None and not faults:
        remarks += _doubts(config)
    return config, list(dict.fromkeys(faults)), [remark for remark in remarks if remark not in faults]


def _doubts(config: ConfigFile) -> list[str]:
    """What would keep an entry from answering on this machine."""
    from dragoman.core.errors import DragomanError

    dispatcher = _dispatcher(config)
    found = []
    for entry in dispatcher.config.entries if dispatcher.config is not None else ():
        try:
            provider, _ = dispatcher.config.provider(entry) if dispatcher.config is not None else (None, "")
        except DragomanError as error:
            found.append(f"{entry.place}: {error}")
            continue
        if provider is None or provider.start or not provider.key_env:
            continue
        if not (provider.api_key or provider.client):
            found.append(f"{entry.place}: no key was found: set {' or '.join(provider.key_env)}")
    return found


def _dispatcher(config: ConfigFile) -> Dispatcher:
    from dragoman.core.dispatch import make_dispatcher

    own = {"default_provider", "providers", "aliases", "config_list", "fallbacks", "sender"}
    return make_dispatcher(**{key: value for key, value in config.client.items() if key in own})


def _show(config: ConfigFile) -> None:
    """What requests may call, and who answers."""
    from dragoman.core.cli.terminal import Console

    rows = [(name, _described(entries)) for name, entries in _named(_dispatcher(config)).items()]
    rows += [(name, f"is {model}") for name, model in config.client["aliases"].items()]
    rows += [(f"{provider.name}/…", repr(provider).strip("<>")) for provider in config.client["providers"]]
    width = max((len(name) for name, _ in rows), default=0) + 2
    out = Console()
    for name, text in rows:
        out.print(name.ljust(width) + text)


def _named(dispatcher: Dispatcher) -> dict[str, list[Entry]]:
    if dispatcher.config is None:
        return {}
    names = dict.fromkeys([*(entry.name or entry.model for entry in dispatcher.config.entries)])
    return {name: dispatcher.config.named(name) for name in [*names, *dispatcher.config.fallbacks]}


def _described(entries: list[Entry]) -> str:
    return ", then ".join(f"{entry.provider}/{entry.model}" if entry.provider else entry.model for entry in entries)


def client_options(config: str | None) -> Json:
    """Return the keyword arguments of `Client` that a configuration file stands for. Raises `ConfigError`."""
    if config is None:
        return {}
    from dragoman.core.configfiles import load_config

    return load_config(config).client
