"""Who answers requests: the interface between a run and its engines.

A run owns the input, the output, what is done already, limits, retries, the cost cap and progress. An engine does
one thing: it takes requests from the run's queue and says what became of each, in any order. It makes one attempt
per request it takes (a fallback list counts as one); a result that is `retriable` goes back into the queue by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from dragoman.core import CallOptions

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from dragoman.batch.records import Request, Result
    from dragoman.core import Json

#: Each engine's name -> its module here and its class there; a module is imported when its engine is asked for.
ENGINES = {
    "asyncio": ("local", "LocalEngine"),
    "native": ("native", "NativeEngine"),
    "ray": ("ray", "RayEngine"),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run says about all its requests; it can be pickled if `client` can.

    `client` and `options` are what `plan_of` returns of a client: keyword arguments of `make_dispatcher`, and what is
    said about each call.
    """

    client: Json = field(default_factory=dict, repr=False)
    options: CallOptions = field(default_factory=CallOptions)
    #: Seconds for one attempt at one request, from its start to its last byte; None: as long as it takes.
    timeout: float | None = 600.0
    #: Where an engine may keep a file of its own, beside the output; None: there is no place (stdout, the Python API).
    state: Path | None = None


class Queue(Protocol):
    """A run's side of the interface. All of it is for the run's own event loop and thread."""

    @property
    def stopping(self) -> bool:
        """Whether the run shall end soon (Ctrl-C, the cost cap, a full disk): no new requests will come.

        An engine that answers in seconds needs not look: what it has taken is waited for. One that waits for hours
        returns, and leaves what it has begun to be found again by the next run.
        """

    async def take(self, most: int) -> list[Request]:
        """Wait until at least one request may start, and take up to `most` of those that may; empty: that was all.

        For a `paced` engine these are as many as the limits and the concurrency that the run has found allow, so
        never wait for a full batch before answering what was taken: the next may depend on it. Others get requests
        as fast as they are read, and learn that there are no more while none is answered yet.
        """

    def done(self, result: Result) -> None:
        """Say what became of a request that was taken; exactly once for each. Its line is written before this returns.

        Raises nothing: where the line cannot be written, the run is `stopping` from then on.
        """

    def give_back(self, requests: Iterable[Request]) -> None:
        """Put back what was taken and asked of nobody, or of a worker that died; it is taken again, first of all."""


class Engine(Protocol):
    """Answers requests. Options of an engine's own are keyword arguments of its constructor."""

    name: ClassVar[str]
    #: Whether the run's concurrency, its requests and tokens per minute, its time-out and its retries hold for it.
    paced: ClassVar[bool]

    async def run(self, queue: Queue, settings: Settings) -> None:
        """Take requests until there are no more, and tell what became of each; then give back all it holds.

        Returns when the last is `done`, or, if the queue is `stopping`, earlier. It is cancelled when the user stops
        the run for good. Raises `DragomanError` for what makes all requests useless (a package that is missing, an
        address where nobody is), best before it takes the first one.
        """


def make_engine(name: str, **options: Any) -> Engine:
    """Make an engine by its name, one of `ENGINES`. Raises `DragomanError` for another one."""
    if name not in ENGINES:
        from dragoman.core import DragomanError

        message = f"there is no engine {name!r}; there are {', '.join(ENGINES)}"
        raise DragomanError(message)
    module, cls = ENGINES[name]
    engine: Engine = getattr(import_module(f"dragoman.batch.{module}"), cls)(**options)
    return engine
