"""Batch jobs: what is written, and what is read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import openai
import pytest

from dragoman.core import Batches, BatchJob, MissingKey, Wire, batches_of
from dragoman.mistralai import Mistral
from dragoman.testing import FakeVendor, Scripted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOB = {
    "id": "j1",
    "object": "batch",
    "status": "SUCCESS",
    "input_files": ["f1"],
    "output_file": "o1",
    "error_file": None,
    "errors": [],
    "total_requests": 3,
    "succeeded_requests": 2,
    "failed_requests": 1,
}


@pytest.fixture
def vendor() -> Iterator[FakeVendor]:
    with FakeVendor(Scripted.json(JOB)) as found:
        yield found


@pytest.fixture
def batches(vendor: FakeVendor) -> Iterator[Batches]:
    found = batches_of(Mistral(base_url=vendor.url, api_key="k"))
    yield found
    found.close()


def job(path: Path, **facts: Any) -> BatchJob:
    return BatchJob(path, 3, "mistral-small", "/v1/chat/completions", **{"since": 0, "file_id": "f1", **facts})


def test_a_file_and_a_job(vendor: FakeVendor, batches: Batches, tmp_path: Path) -> None:
    path = tmp_path / "batch.jsonl"
    path.write_bytes(batches.line("a", Wire("/v1/chat/completions", content=b'{"model":"m"}')))
    assert json.loads(path.read_bytes()) == {"custom_id": "a", "body": {"model": "m"}}
    vendor.script = [Scripted.json({"id": "f1"}), Scripted.json(JOB)]
    assert (batches.upload(path), batches.create(job(path))) == ("f1", "j1")
    form, made = vendor.seen
    assert (form.path, made.path) == ("/v1/files", "/v1/batch/jobs")
    assert form.fields["content-type"].startswith("multipart/form-data; boundary=")
    assert path.read_bytes() in form.content
    assert made.json == {"input_files": ["f1"], "endpoint": "/v1/chat/completions", "model": "mistral-small"}


@pytest.mark.parametrize(
    ("status", "ended", "code"),
    [
        ("QUEUED", False, "batch_failed"),
        ("RUNNING", False, "batch_failed"),
        ("CANCELLATION_REQUESTED", False, "batch_cancelled"),
        ("CANCELLED", True, "batch_cancelled"),
        ("TIMEOUT_EXCEEDED", True, "batch_expired"),
        ("FAILED", True, "batch_failed"),
        ("OF_NEXT_YEAR", True, "batch_failed"),
    ],
)
def test_how_a_job_stands(batches: Batches, status: str, code: str, *, ended: bool) -> None:
    state = batches.read_state({**JOB, "status": status, "errors": [{"message": "m1"}, {"message": "m2", "count": 2}]})
    assert (state.status, state.ended, state.total, state.succeeded, state.failed) == (status, ended, 3, 2, 1)
    assert state.files == ("/v1/files/o1/content",)
    assert state.failure is not None
    assert (state.failure["code"], state.failure["message"]) == (code, "m1; m2")


def test_the_job_of_a_file_is_found(vendor: FakeVendor, batches: Batches, tmp_path: Path) -> None:
    full = {"data": [{"id": f"x{number}", "input_files": ["f0"]} for number in range(100)]}
    vendor.script = [Scripted.json(full), Scripted.json({"data": [JOB]})]
    assert batches.find(job(tmp_path)) == "j1"
    assert [seen.path for seen in vendor.seen] == [
        f"/v1/batch/jobs?page={page}&page_size=100&created_after=1970-01-01T00%3A00%3A00%2B00%3A00" for page in (0, 1)
    ]
    vendor.script = [Scripted.json({"data": [JOB]})]
    assert batches.find(job(tmp_path, others=frozenset({"j1"}))) is None


def test_results_are_downloaded(vendor: FakeVendor, batches: Batches) -> None:
    line = {"custom_id": "a", "response": {"status_code": 422, "body": {"detail": "no"}}, "error": None}
    vendor.script = [Scripted.json(JOB), Scripted(json.dumps(line).encode(), then="end")]
    (found,) = batches.results(batches.state("j1"))
    assert found.reply is not None
    assert (found.reply.status, found.reply.content) == (422, b'{"detail":"no"}')
    assert vendor.seen[1].fields["accept"] == "application/octet-stream"


def test_failures_are_openais(vendor: FakeVendor, batches: Batches) -> None:
    vendor.script = [Scripted.json({"detail": "Invalid API Key"}, 401)]
    with pytest.raises(openai.AuthenticationError, match="Invalid API Key"):
        batches.state("j1")


def test_without_a_key_nothing_is_sent() -> None:
    found = batches_of(Mistral())
    with pytest.raises(MissingKey):
        found.state("j1")
    found.close()
