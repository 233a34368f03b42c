"""What is said about a vendor's batch: what to make, how it stands, what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dragoman.core.provider import Json, Reply


@dataclass(frozen=True, slots=True)
class BatchJob:
    """A batch that is to be made, of requests to one endpoint for one model.

    `path` is the file of what `Batches.line` wrote, one a line, without an end after the last; `file_id` is what
    `Batches.upload` said of it. `endpoint` is the vendor's word (see `Batches.endpoint`), `headers` are the requests'.
    `since` (Unix seconds): it was not submitted before. `others` are ids of batches that are not this one.
    """

    path: Path
    requests: int
    model: str
    endpoint: str
    since: int
    file_id: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    others: frozenset[str] = frozenset()


class BatchState(NamedTuple):
    """How a batch stands. `status` is the vendor's word; `files` are paths of results, once it has ended.

    `failure` is OpenAI's error object for the requests that have no result: why the batch failed, was cancelled, or
    expired. Of `total` requests `succeeded` and `failed` are done; where the vendor does not count, they are 0.
    """

    status: str
    ended: bool
    files: tuple[str, ...] = ()
    failure: Json | None = None
    total: int = 0
    succeeded: int = 0
    failed: int = 0


class BatchResult(NamedTuple):
    """What came of one request: the vendor's reply as to a call of its own, or why it was not made, as `error`."""

    custom_id: str
    reply: Reply | None = None
    error: Json | None = None
