"""What a server is told: which providers its client has, and how it serves."""

from __future__ import annotations

import ipaddress
import logging
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from dragoman.core import ConfigError, ConfigTable, open_config, read_config
from dragoman.server.keys import HASH, SHORTEST, Key, hash_key, no_others
from dragoman.server.limits import Limits

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

log = logging.getLogger("dragoman.server")

_YAML = (".yaml", ".yml")
_MOST_PORTS = 65535


@dataclass(frozen=True)
class ServerSettings:
    """How to serve. Times are in seconds; every flag of `dragoman serve` is a key here."""

    host: str = "127.0.0.1"
    port: int = 4000
    workers: int = 1
    #: Bytes of a request's body; more is a 413.
    max_body_bytes: int = 32 * 1024 * 1024
    #: Requests that are answered at the same time, in each worker; more is a 429.
    max_concurrency: int = 1000
    #: How long to wait for an answer, for the next piece of a stream, or for a slow client to take one.
    request_timeout: float = 600.0
    #: How long a client may take to send its request; longer is a 408.
    body_timeout: float = 60.0
    #: How long open streams may go on after SIGTERM.
    drain_seconds: float = 30.0
    #: Clients' keys (see `keys`); without any, only this machine may call.
    keys: tuple[Key, ...] = field(default=(), repr=False)
    #: Patterns of models' names -> what all clients together may ask of them.
    limits: Mapping[str, Limits] = field(default_factory=dict)
    #: Where several workers count together: `redis://…`, `rediss://…` or `unix://…`.
    redis_url: str | None = field(default=None, repr=False)
    #: Whether requests' messages and errors' texts stand in the log.
    log_prompts: bool = False
    #: Whether streams' tokens are counted where the client did not ask for usage.
    stream_usage: bool = True
    #: Endpoints to serve beside those that keep nothing at the provider ("files", "batches", …): what one client
    #: stores there, every client can read.
    endpoints: tuple[str, ...] = ()
    #: Whether `/` is a page to try models on.
    page: bool = True
    #: Whether a client may see what its requests were on the provider's wire; None: where only this machine may call.
    show_wire: bool | None = None
    #: The configuration's aliases, by which keys and limits know models too.
    aliases: Mapping[str, str] = field(default_factory=dict)
    #: By which other names a model's provider is asked for it; the gateway knows when its providers are there.
    also: Callable[[str], Sequence[str]] = field(default=no_others, repr=False, compare=False)

    @property
    def shows_wires(self) -> bool:
        """Whether they are shown to clients that ask for them."""
        return not self.keys and is_loopback(self.host) if self.show_wire is None else self.show_wire


@dataclass(frozen=True)
class Configuration:
    """`client`: keyword arguments of core's `make_dispatcher`, and `on_unsupported`, `timeout` and `max_retries`."""

    client: Mapping[str, Any] = field(default_factory=dict, repr=False)
    server: ServerSettings = field(default_factory=ServerSettings)


def load(path: str | os.PathLike[str] | None, flags: Mapping[str, Any] | None = None) -> Configuration:
    """Read the configuration file, if there is one; `flags` come before what its table `server` says.

    The file is dragoman's TOML, a JSON list of models, or LiteLLM's `config.yaml`, of which the log says what cannot
    be taken over. Raises `ConfigError`, which names file, line and key, and quotes no value.
    """
    configuration, remarks = read(path) if path is not None else (Configuration(), [])
    for remark in remarks:
        log.warning("%s", remark)
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    server = replace(configuration.server, **given)
    refuse_exposed(server)
    return replace(configuration, server=server)


def read(path: str | os.PathLike[str]) -> tuple[Configuration, list[str]]:
    """Read a file, and what the user should know of it although it is right. Raises `ConfigError`."""
    remarks: list[str] = []
    if str(path).endswith(_YAML):
        from dragoman.server.litellm import open_litellm

        document, remarks = open_litellm(path)
    else:
        document = open_config(path)
    config = read_config(document)
    server = _server(document.root.table("server"), config.client)
    document.check()
    return Configuration(config.client, server), remarks


def refuse_exposed(settings: ServerSettings) -> None:
    """Raise `ConfigError` for an address that others reach while nobody needs a key."""
    if settings.keys or is_loopback(settings.host):
        return
    message = (
        f"{settings.host or 'every address'} is reached by other machines, and no keys are configured: anybody could "
        "spend yours; make one with dragoman keys new, or serve on 127.0.0.1"
    )
    raise ConfigError(message)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _server(table: ConfigTable, client: Mapping[str, Any]) -> ServerSettings:
    given: dict[str, Any] = {
        "host": table.text("host"),
        "port": table.integer("port", most=_MOST_PORTS),
        "redis_url": table.text("redis_url"),
        **{name: table.integer(name, least=1) for name in ("workers", "max_body_bytes", "max_concurrency")},
        **{name: table.number(name) for name in ("request_timeout", "body_timeout", "drain_seconds")},
        **{name: table.flag(name) for name in ("log_prompts", "page", "show_wire", "stream_usage")},
        "endpoints": table.texts("endpoints"),
        "limits": {name: _limits_of(tables) for name, tables in table.table("limits").named().items()},
        "aliases": client.get("aliases"),
        "keys": _keys(table.tables("keys"), client),
    }
    table.end()
    return ServerSettings(**{name: value for name, value in given.items() if value is not None})


def _limits(table: ConfigTable) -> Limits:
    return Limits(**{one.name: table.integer(one.name, least=1) for one in fields(Limits)})


def _limits_of(tables: list[ConfigTable]) -> Limits:
    for table in tables[1:]:
        table.fault("", "must be one table")
    found = _limits(tables[0]) if tables else Limits()
    for table in tables[:1]:
        table.end()
    return found


def _keys(tables: list[ConfigTable], client: Mapping[str, Any]) -> tuple[Key, ...]:
    names: set[str] = set()
    hashes: set[str] = set()
    found = []
    for table in tables:
        key = _key(table, client)
        if key is None:
            continue
        if key.name in names:
            table.fault("name", "is another key's too")
        if key.hash in hashes:
            table.fault("hash" if "hash" in table.values else "key", "is another key's too")
        names.add(key.name)
        hashes.add(key.hash)
        found.append(key)
    return tuple(found)


def _key(table: ConfigTable, client: Mapping[str, Any]) -> Key | None:
    name = table.text("name")
    if not name and "name" not in table.values:
        table.fault("name", "is missing; logs name the key by it")
    hashed = _hash(table)
    models, tags = table.texts("models"), table.texts("tags")
    expires: datetime | None = table.moment("expires")
    limits = _limits(table)
    table.end()
    tagged = tuple(
        str(entry.get("name") or entry["model"])
        for entry in client.get("config_list") or ()
        if {*tags}.intersection(entry.get("tags") or ())
    )
    if tags and not tagged:
        table.fault("tags", "are no model's")
        return None
    if name is None or hashed is None:
        return None
    return Key(name, hashed, (*models, *dict.fromkeys(tagged)), limits, expires, client.get("aliases") or {})


def _hash(table: ConfigTable) -> str | None:
    """Read what is kept of a key: its hash, or the hash of the key that is elsewhere."""
    hashed = table.text("hash")
    if "key" in table.values:
        given, key = table.values["key"], table.text("key")
        if hashed is not None:
            table.fault("key", "cannot be beside a hash: leave one of them out")
        if key is None:
            return None
        if key == given:
            table.fault(
                "key", "must be env:NAME or file:PATH, since the file may be read by others; else give its hash"
            )
        elif len(key) < SHORTEST:
            table.fault("key", f"has less than {SHORTEST} characters, and can be guessed: dragoman keys new makes one")
        return hash_key(key)
    if hashed is None and "hash" not in table.values:
        table.fault("hash", "is missing: dragoman keys new makes a key and its hash")
    elif hashed is not None and not HASH.fullmatch(hashed):
        table.fault("hash", "must be sha256: and 64 digits, as dragoman keys new prints it")
        return None
    return hashed
