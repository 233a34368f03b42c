"""`dragoman.batch.run` and `arun`."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from dragoman.batch.engines import make_engine
from dragoman.batch.limits import Limits
from dragoman.batch.options import settings_of
from dragoman.batch.results import AsyncResults, Results

if TYPE_CHECKING:
    import os

    from dragoman.batch.engines import Engine, Settings
    from dragoman.batch.options import Options
    from dragoman.batch.results import Requests
    from dragoman.core import AsyncClient, Client

    Asked = Client | AsyncClient | str | os.PathLike[str] | None


def run(  # noqa: PLR0913 (each is one option, all but the first are named)
    requests: Requests,
    *,
    client: Asked = None,
    engine: str | Engine = "asyncio",
    model: str = "",
    timeout: float | None = None,
    max_retries: int | None = None,
    max_cost: float | Decimal | None = None,
    max_concurrency: int | None = None,
    requests_per_minute: float | None = None,
    tokens_per_minute: float | None = None,
) -> Results:
    """Make a batch, whose results come while you iterate over it, in any order.

    It begins with the first of `for result in run(requests): …`.

    `requests`: a file's path, `Request`s, or objects as a file's lines have them (a chat body alone, too); an iterable
    is read as far ahead as is useful, in a thread of the batch's. `client`: a `Client` or `AsyncClient` that says how
    to reach providers, or a configuration file; its table `batch` says what is not said here. `engine`: "asyncio",
    "ray", or an engine. `model`: for bodies without one. `timeout`: seconds for one attempt. The limits are each
    provider's. `max_cost`: US dollars, after which nothing new is asked.

    What cannot be asked is a result too, with its `line` and an `error`. Raises `DragomanError` for what is wrong with
    the options, and while results are taken, for what ends the batch before its requests.
    """
    given = Limits(requests_per_minute, tokens_per_minute, max_concurrency)
    return Results(requests, *_read(client, engine, model, timeout, max_retries, max_cost, given))


def arun(  # noqa: PLR0913 (as above)
    requests: Requests,
    *,
    client: Asked = None,
    engine: str | Engine = "asyncio",
    model: str = "",
    timeout: float | None = None,
    max_retries: int | None = None,
    max_cost: float | Decimal | None = None,
    max_concurrency: int | None = None,
    requests_per_minute: float | None = None,
    tokens_per_minute: float | None = None,
) -> AsyncResults:
    """Make the same for programs with an event loop.

    It is not awaited: `async for result in arun(requests): …`.
    """
    given = Limits(requests_per_minute, tokens_per_minute, max_concurrency)
    return AsyncResults(requests, *_read(client, engine, model, timeout, max_retries, max_cost, given))


def _read(  # noqa: PLR0913, PLR0917 (as above)
    client: Asked,
    engine: str | Engine,
    model: str,
    timeout: float | None,
    max_retries: int | None,
    max_cost: float | Decimal | None,
    limits: Limits,
) -> tuple[Engine, Settings, Options]:
    settings, options = settings_of(client)
    given: dict[str, Any] = {
        "model": model or None,
        "timeout": timeout,
        "max_retries": max_retries,
        "max_cost": None if max_cost is None else Decimal(str(max_cost)),
    }
    options = replace(options, **{name: value for name, value in given.items() if value is not None})
    made = make_engine(engine) if isinstance(engine, str) else engine
    return made, settings, options.with_limits({"": limits})
