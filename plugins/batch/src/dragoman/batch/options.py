"""What a run may be told, in a program, on the command line, or in the table `batch` of a configuration file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from dragoman.batch.engines import Settings
from dragoman.batch.limits import Limits
from dragoman.core import CallOptions, DragomanError, open_config, read_config

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from dragoman.core import ConfigTable, Json

#: How often a request is asked again after a failure of its own; a provider that has too much to do is not counted.
RETRIES = 5
#: Seconds for one attempt.
TIMEOUT = 600.0
#: What a configuration's client says about each of its calls.
_OF_EACH_CALL = ("max_retries", "on_unsupported", "timeout")
_WORDS = ("requests_per_minute", "tokens_per_minute", "max_concurrency")


@dataclass(frozen=True, slots=True)
class Options:
    """How a run goes. `limits`: by provider; those of the name "" hold for each provider without its own."""

    #: For bodies that name none.
    model: str = ""
    #: Seconds for one attempt.
    timeout: float | None = TIMEOUT
    max_retries: int = RETRIES
    #: US dollars, after which no new requests are taken.
    max_cost: Decimal | None = None
    limits: Mapping[str, Limits] = field(default_factory=dict)

    def limits_of(self, provider: str) -> Limits:
        """Return what holds for one provider."""
        return _over(self.limits.get("", Limits()), self.limits.get(provider, Limits()))

    def with_limits(self, others: Mapping[str, Limits]) -> Options:
        """Return the options with other limits before these."""
        names = {*self.limits, *others}
        none = Limits()
        limits = {name: _over(self.limits.get(name, none), others.get(name, none)) for name in names}
        return replace(self, limits=limits)


def _over(common: Limits, own: Limits) -> Limits:
    """What `own` says comes before what `common` says."""
    said = {name: getattr(own, name) for name in _WORDS if getattr(own, name) is not None}
    return replace(common, **said)


def settings_of(client: Any = None) -> tuple[Settings, Options]:
    """Read who answers: a `Client` or `AsyncClient`, the path of a configuration file, or None: `Client()`.

    The SDKs' default is left to "auto": see `Answerer`. Raises `DragomanError`.
    """
    if client is None:
        return Settings(), Options()
    if isinstance(client, str) or hasattr(client, "__fspath__"):
        return read_file(client)
    from dragoman.core import AsyncClient, Client, plan_of

    if not isinstance(client, Client | AsyncClient):
        message = f"client must be a dragoman.core.Client or a configuration's path, not a {type(client).__name__}"
        raise DragomanError(message)
    plan, options = plan_of(client)
    if plan["sender"] == "sdk":
        plan["sender"] = "auto"
    return Settings(plan, replace(options, timeout=None)), Options()


def read_file(path: str | os.PathLike[str]) -> tuple[Settings, Options]:
    """Read a configuration file. Raises `ConfigError`, which names file, line and key."""
    document = open_config(path)
    client: Json = dict(read_config(document).client)
    options = _batch(document.root.table("batch"))
    document.check()
    each = {name: client.pop(name) for name in _OF_EACH_CALL if name in client}
    return Settings(client, CallOptions(**each)), options


def check_table(path: str) -> list[str] | None:
    """Check the table `batch`, which need not be there: None, then. Raises `ConfigError`."""
    if "batch" not in open_config(path).root.values:
        return None
    read_file(path)
    return []


def _batch(table: ConfigTable) -> Options:
    limits = {name: _limits(one) for name, tables in table.table("limits").named().items() for one in tables[:1]}
    cost = table.number("max_cost")
    retries = table.integer("max_retries")
    most = table.integer("max_concurrency", least=1)
    options = Options(
        timeout=table.number("request_timeout") or TIMEOUT,
        max_retries=RETRIES if retries is None else retries,
        max_cost=None if cost is None else Decimal(str(cost)),
        limits={**limits, "": Limits(max_concurrency=most)},
    )
    table.end()
    return options


def _limits(table: ConfigTable) -> Limits:
    found = Limits(**{name: table.integer(name, least=1) for name in _WORDS})
    table.end()
    return found
