"""Anthropic's message batches: https://platform.claude.com/docs/en/build-with-claude/batch-processing."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from dragoman.anthropic.failures import STATUSES, decode_error
from dragoman.core import Batches, BatchResult, BatchState, Json, Wire

if TYPE_CHECKING:
    from pathlib import Path

    from dragoman.core import BatchJob

_PATH = "/v1/messages/batches"


class AnthropicBatches(Batches):
    """Requests go with the batch itself, there are no files; `custom_id` has an alphabet of its own."""

    max_requests = 100_000
    #: 256 MB are for the whole body, which is a little more than the requests.
    max_bytes = 255_000_000
    custom_id: ClassVar[re.Pattern[str]] = re.compile(r"[a-zA-Z0-9_-]{1,64}")
    endpoints: ClassVar[frozenset[str]] = frozenset({"/v1/messages"})

    def line(self, custom_id: str, wire: Wire) -> bytes:
        """Write one request, without the line's end."""
        self.endpoint(wire)
        return self.json_line({"custom_id": custom_id}, "params", wire)

    def upload(self, path: Path) -> str:
        """There is nothing to upload."""
        del path
        return ""

    def create(self, job: BatchJob) -> str:
        """Send the requests; return the batch's id."""
        wire = self.file_wire(_PATH, job.path, head=b'{"requests":[', tail=b"]}", joint=b",", headers=job.headers)
        return self.ask(wire, lambda body: str(body["id"]))

    def find(self, job: BatchJob) -> str | None:
        """Return a batch of as many requests that was made since; whether it is this one, its results will tell."""
        return self.find_newest(job, f"{_PATH}?limit=1000", "after_id", _read_page, job.requests)

    def state(self, batch_id: str) -> BatchState:
        """Ask how a batch stands."""
        return self.ask(Wire(f"{_PATH}/{batch_id}", method="GET"), self.read_state)

    def cancel(self, batch_id: str) -> None:
        """Ask for a batch to be cancelled."""
        self.ask(Wire(f"{_PATH}/{batch_id}/cancel", {}), self.read_state)

    def read_state(self, body: Json) -> BatchState:
        """Read the object of a batch; until it has ended, Anthropic counts nothing."""
        status, counts = str(body["processing_status"]), body["request_counts"]
        ended = status == "ended"
        return BatchState(
            status,
            ended,
            (f"{_PATH}/{body['id']}/results",) if ended else (),
            self.unanswered(status),
            sum(counts.values()),
            counts["succeeded"],
            counts["errored"] + counts["canceled"] + counts["expired"],
        )

    def read_result(self, line: Json) -> BatchResult:
        """Read one line of the results; an error has the status that a call of its own would have had."""
        custom_id, result = str(line["custom_id"]), line["result"]
        kind = result["type"]
        if kind == "succeeded":
            return BatchResult(custom_id, self.reply(200, result["message"]))
        if kind == "errored":
            error = result["error"]
            status = STATUSES.get(decode_error(None, error)["type"], STATUSES["api_error"])
            return BatchResult(custom_id, self.reply(status, error, error.get("request_id")))
        return BatchResult(custom_id, error=self.unanswered(kind))


def _read_page(page: Json) -> tuple[list[tuple[str, float, int]], bool]:
    """Read a page of the list, newest first: ids, when they were made (Unix seconds), and of how many requests."""
    entries = [
        (str(one["id"]), datetime.fromisoformat(one["created_at"]).timestamp(), sum(one["request_counts"].values()))
        for one in page["data"]
    ]
    return entries, bool(page.get("has_more"))
