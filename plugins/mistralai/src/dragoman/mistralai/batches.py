"""Mistral's batch jobs: https://docs.mistral.ai/capabilities/batch."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from dragoman.core import Batches, BatchState, Json, Wire

if TYPE_CHECKING:
    from pathlib import Path

    from dragoman.core import BatchJob

_JOBS = "/v1/batch/jobs"
_RUNNING = frozenset({"QUEUED", "RUNNING", "CANCELLATION_REQUESTED"})
_PAGE = 100


class MistralBatches(Batches):
    """The model is the job's; what is in the file may name it too."""

    # https://docs.mistral.ai/resources/known-limitations
    max_requests = 100_000
    max_bytes = 512_000_000
    endpoints: ClassVar[frozenset[str]] = frozenset({"/v1/chat/completions", "/v1/embeddings", "/v1/moderations"})

    def line(self, custom_id: str, wire: Wire) -> bytes:
        """Write one request, without the line's end."""
        self.endpoint(wire)
        return self.json_line({"custom_id": custom_id}, "body", wire)

    def upload(self, path: Path) -> str:
        """Upload the file; return its id."""
        return self.ask(self.form_wire("/v1/files", path, {"purpose": "batch"}), lambda body: str(body["id"]))

    def create(self, job: BatchJob) -> str:
        """Make the job; return its id."""
        body = {"input_files": [job.file_id], "endpoint": job.endpoint, "model": job.model}
        wire = Wire(_JOBS, body, headers=dict(job.headers))
        return self.ask(wire, lambda body: str(body["id"]))

    def find(self, job: BatchJob) -> str | None:
        """Return the id of the job of this file, if there is one."""
        since = quote(datetime.fromtimestamp(job.since, UTC).isoformat())
        number = 0
        while True:
            path = f"{_JOBS}?page={number}&page_size={_PAGE}&created_after={since}"
            entries = self.ask(Wire(path, method="GET"), _read_page)
            for job_id, files in entries:
                if job.file_id in files and job_id not in job.others:
                    return job_id
            if len(entries) < _PAGE:
                return None
            number += 1

    def state(self, batch_id: str) -> BatchState:
        """Ask how a job stands."""
        return self.ask(Wire(f"{_JOBS}/{batch_id}", method="GET"), self.read_state)

    def cancel(self, batch_id: str) -> None:
        """Ask for a job to be cancelled."""
        self.ask(Wire(f"{_JOBS}/{batch_id}/cancel", {}), self.read_state)

    def read_state(self, body: Json) -> BatchState:
        """Read the object of a job."""
        status = str(body["status"])
        files = [body[key] for key in ("output_file", "error_file") if body.get(key)]
        told = "; ".join(str(error.get("message")) for error in body.get("errors") or ())
        return BatchState(
            status,
            status not in _RUNNING,
            tuple(f"/v1/files/{name}/content" for name in files),
            self.unanswered(status, message=told),
            body.get("total_requests") or 0,
            body.get("succeeded_requests") or 0,
            body.get("failed_requests") or 0,
        )


def _read_page(page: Json) -> list[tuple[str, list[Any]]]:
    return [(str(one["id"]), one["input_files"]) for one in page.get("data") or ()]
