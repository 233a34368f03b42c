"""What a run has under way at vendors' batch APIs, and the file that it is kept in. It holds no key."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dragoman.core import DragomanError

if TYPE_CHECKING:
    from dragoman.core import Json

VERSION = 1
#: The file is written; it is uploaded; the batch may have been made; it runs; nothing is left to do.
Stage = Literal["written", "uploaded", "asked", "running", "ended"]


@dataclass(slots=True)
class Part:
    """One batch of the vendor's: `requests` of the input's lines `first` to `last`, for one model at one endpoint.

    `since` (Unix seconds): its batch was not made before. `others` are batches that were taken for its own, and were
    not; `found`: whether this one is, its results will tell.
    """

    number: int
    provider: str
    model: str
    endpoint: str
    first: int
    last: int = 0
    requests: int = 0
    stage: Stage = "written"
    file_id: str = ""
    batch_id: str = ""
    status: str = ""
    since: int = 0
    found: bool = False
    others: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """The part in words."""
        name = f"batch {self.batch_id}" if self.batch_id else f"part {self.number}"
        return f"{name} ({self.requests} requests, {self.provider}/{self.model})"


class State:
    """The parts of a run, kept in `path`; without a path they end with the run."""

    def __init__(self, path: Path | None) -> None:
        self._open = ExitStack()
        if path is None:
            path = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="dragoman-batch-"))) / "state"
        self.path = path
        self.parts: list[Part] = _read(path) if path.exists() else []

    def close(self) -> None:
        """Give back what is for this run only."""
        self._open.close()

    @property
    def open_parts(self) -> list[Part]:
        """The parts that something is left to do for."""
        return [part for part in self.parts if part.stage != "ended"]

    @property
    def spool(self) -> Path:
        """Where the requests are kept until they are answered."""
        return self.path.with_name(f"{self.path.name}.requests")

    def file(self, number: int) -> Path:
        """Return where the file of a part is until its batch has ended."""
        return self.path.with_name(f"{self.path.name}.{number}.jsonl")

    def save(self) -> None:
        """Write the file anew, whole or not at all. Raises `OSError`."""
        text = json.dumps({"version": VERSION, "batches": [asdict(part) for part in self.parts]}, indent=1)
        fresh = self.path.with_name(f"{self.path.name}.new")
        with fresh.open("w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)

    def remove(self) -> None:
        """Take all files away: nothing is left to do."""
        self.spool.unlink(missing_ok=True)
        for part in self.parts:
            self.file(part.number).unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


def _read(path: Path) -> list[Part]:
    try:
        found: Json = json.loads(path.read_text("utf-8"))
        version, parts = found["version"], found["batches"]
        if version == VERSION:
            return [Part(**part) for part in parts]
    except (ValueError, LookupError, TypeError) as exception:
        message = f"{path} is not the state of a run through a batch API; move it away to begin anew"
        raise DragomanError(message) from exception
    message = f"{path} was written by another version of dragoman-batch ({version}); finish that run with it"
    raise DragomanError(message)
