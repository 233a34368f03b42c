"""What a server is told: which providers its client has, and how it serves."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MIB = 1024 * 1024


@dataclass(frozen=True)
class ServerSettings:
    """How to serve. Times are in seconds; every flag of `dragoman serve` is a key here."""

    host: str = "127.0.0.1"
    port: int = 4000
    workers: int = 1
    #: Bytes of a request's body; more is a 413.
    max_body_bytes: int = 32 * MIB
    #: Requests that are answered at the same time, in each worker; more is a 429.
    max_concurrency: int = 1000
    #: How long to wait for an answer, for the next piece of a stream, or for a slow client to take one.
    request_timeout: float = 600.0
    #: How long a client may take to send its request; longer is a 408.
    body_timeout: float = 60.0
    #: How long open streams may go on after SIGTERM.
    drain_seconds: float = 30.0
    #: Clients' keys (see `keys`); without any, only this machine may call.
    keys: tuple[Any, ...] = ()
    redis_url: str | None = None
    #: Whether requests' messages and errors' texts stand in the log.
    log_prompts: bool = False
    #: Whether streams' tokens are counted where the client did not ask for usage.
    stream_usage: bool = True
    #: Endpoints to serve beside those that keep nothing at the provider ("files", "batches", …): what one client
    #: stores there, every client can read.
    endpoints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Configuration:
    """`client`: keyword arguments of core's `make_dispatcher`, and `on_unsupported`."""

    client: Mapping[str, Any] = field(default_factory=dict, repr=False)
    server: ServerSettings = field(default_factory=ServerSettings)


def load(path: Path | None, flags: Mapping[str, Any]) -> Configuration:
    """Read the configuration file, if there is one; `flags` come before what its table `server` says.

    Raises `ConfigError`, which names the file and the key, and quotes no value.
    """
    from dragoman.core import ConfigError

    try:
        found = tomllib.loads(path.read_text("utf-8")) if path is not None else {}
    except (OSError, ValueError) as exception:
        message = f"{path} cannot be read: {exception}"
        raise ConfigError(message) from exception
    given = {**found.pop("server", {}), **flags}
    if unknown := given.keys() - {one.name for one in fields(ServerSettings)}:
        message = f"{path}: the table server has no key {min(unknown)!r}"
        raise ConfigError(message)
    lists: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    return Configuration(found, ServerSettings(**lists))
