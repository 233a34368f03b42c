"""Together's batches: https://docs.together.ai/docs/inference/batch/overview."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from dragoman.core import Batches, BatchState, Json, Wire

if TYPE_CHECKING:
    from pathlib import Path

    from dragoman.core import BatchJob

_RUNNING = frozenset({"VALIDATING", "IN_PROGRESS"})


class TogetherBatches(Batches):
    """OpenAI's, but for the upload, which goes to a store of its own, and the answers, which are shorter."""

    max_bytes = 100_000_000
    endpoints: ClassVar[frozenset[str]] = frozenset({"/v1/chat/completions"})

    def line(self, custom_id: str, wire: Wire) -> bytes:
        """Write one request, without the line's end."""
        self.endpoint(wire)
        return self.json_line({"custom_id": custom_id}, "body", wire)

    def upload(self, path: Path) -> str:
        """Upload the file as the SDK does: to an address that Together names; return the file's id."""
        call = self.call_of(Wire("/files"))
        return self.deliver(call, lambda: self.sender.upload(call, path), lambda reply: reply.headers["x-file-id"])

    def create(self, job: BatchJob) -> str:
        """Make the batch; return its id."""
        wire = Wire("/batches", {"input_file_id": job.file_id, "endpoint": job.endpoint}, headers=dict(job.headers))
        return self.ask(wire, lambda body: str((body.get("job") or body)["id"]))

    def find(self, job: BatchJob) -> str | None:
        """Return the id of the batch of this file, if there is one; the list comes whole."""
        for entry in self.ask(Wire("/batches", method="GET"), _read_list):
            batch_id, created, file_id = entry
            if file_id == job.file_id and created >= job.since and batch_id not in job.others:
                return batch_id
        return None

    def read_state(self, body: Json) -> BatchState:
        """Read the object of a batch; Together counts no requests, but says how far it is."""
        status = str(body["status"])
        files = [body[key] for key in ("output_file_id", "error_file_id") if body.get(key)]
        running = status in _RUNNING
        return BatchState(
            f"{status} {body.get('progress') or 0:.0f}%" if running else status,
            not running,
            tuple(f"/files/{name}/content" for name in files),
            self.unanswered(status, message=body.get("error")),
        )


def _read_list(body: Any) -> list[tuple[str, float, str]]:
    """Read ids, when they were made (Unix seconds), and files."""
    return [
        (str(one["id"]), datetime.fromisoformat(one["created_at"]).timestamp(), str(one["input_file_id"]))
        for one in body
    ]
