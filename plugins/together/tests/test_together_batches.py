"""Together's batches: what is written, and what is read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import openai
import pytest
import together

from dragoman.core import Batches, BatchJob, InvalidRequest, MissingKey, Wire, batches_of
from dragoman.testing import FakeVendor, Scripted
from dragoman.together import Together

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOB = {"id": "b1", "status": "COMPLETED", "input_file_id": "f1", "created_at": "2026-11-28T12:00:00Z"}
MADE = 1_795_867_200
FILE = {
    "id": "f1",
    "bytes": 1,
    "created_at": 1,
    "filename": "batch.jsonl",
    "FileType": "jsonl",
    "object": "file",
    "purpose": "batch-api",
    "LineCount": 1,
    "Processed": True,
}


@pytest.fixture
def batches(server: FakeVendor) -> Iterator[Batches]:
    found = batches_of(Together(base_url=server.url + "/v1", api_key="k"))
    yield found
    found.close()


def job(path: Path, **facts: Any) -> BatchJob:
    return BatchJob(path, 3, "m", "/v1/chat/completions", **{"since": MADE, "file_id": "f1", **facts})


def ready(server: FakeVendor) -> Together:
    """A client of the caller's own, as the installed SDK wants its address."""
    later = int(together.__version__.partition(".")[0]) >= 3
    return Together(client=together.Together(api_key="k", base_url=server.url + ("" if later else "/v1")))


@pytest.mark.parametrize("own", [True, False])
def test_a_file_goes_where_together_says(server: FakeVendor, tmp_path: Path, own: bool) -> None:
    found = batches_of(ready(server) if own else Together(base_url=server.url + "/v1", api_key="k"))
    path = tmp_path / "batch.jsonl"
    path.write_bytes(found.line("a", Wire("/chat/completions", content=b'{"model":"m"}')))
    place = {"location": server.url + "/store", "x-together-file-id": "f1"}
    server.script = [Scripted(status=302, headers=place), Scripted(), Scripted.json(FILE)]
    assert found.upload(path) == "f1"
    found.close()
    asked, put, told = server.seen
    assert (asked.path, put.path, told.path) == ("/v1/files", "/store", "/v1/files/f1/preprocess")
    assert b"batch-api" in asked.content
    assert put.content == path.read_bytes()
    assert json.loads(put.content) == {"custom_id": "a", "body": {"model": "m"}}
    assert "authorization" not in put.fields


def test_an_upload_that_is_refused(server: FakeVendor, batches: Batches, tmp_path: Path) -> None:
    path = tmp_path / "batch.jsonl"
    path.write_bytes(b"{}")
    server.script = [Scripted.json({"error": {"message": "too much"}}, 429)]
    with pytest.raises(openai.RateLimitError):
        batches.upload(path)
    assert len(server.seen) == 1


def test_without_a_key_nothing_is_sent(server: FakeVendor, tmp_path: Path) -> None:
    found = batches_of(Together(base_url=server.url + "/v1"))
    with pytest.raises(MissingKey):
        found.upload(tmp_path / "batch.jsonl")
    found.close()
    assert server.seen == []


@pytest.mark.parametrize("answer", [{"job": JOB, "warning": ""}, JOB])
def test_a_batch_is_made(server: FakeVendor, batches: Batches, tmp_path: Path, answer: Any) -> None:
    server.script = [Scripted.json(answer)]
    assert batches.create(job(tmp_path)) == "b1"
    (seen,) = server.seen
    assert (seen.path, seen.json) == ("/v1/batches", {"input_file_id": "f1", "endpoint": "/v1/chat/completions"})


@pytest.mark.parametrize(
    ("facts", "found"),
    [({}, "b1"), ({"since": MADE + 1}, None), ({"file_id": "f2"}, None), ({"others": frozenset({"b1"})}, None)],
)
def test_whether_one_was_made(
    server: FakeVendor, batches: Batches, tmp_path: Path, facts: Any, found: str | None
) -> None:
    server.script = [Scripted.json([JOB])]
    assert batches.find(job(tmp_path, **facts)) == found


@pytest.mark.parametrize(
    ("body", "status", "ended", "code"),
    [
        ({"status": "VALIDATING"}, "VALIDATING 0%", False, "batch_failed"),
        ({"status": "IN_PROGRESS", "progress": 41.7}, "IN_PROGRESS 42%", False, "batch_failed"),
        ({"status": "COMPLETED"}, "COMPLETED", True, "batch_failed"),
        ({"status": "EXPIRED"}, "EXPIRED", True, "batch_expired"),
        ({"status": "CANCELLED"}, "CANCELLED", True, "batch_cancelled"),
        ({"status": "FAILED", "error": "bad file"}, "FAILED", True, "batch_failed"),
    ],
)
def test_how_a_batch_stands(batches: Batches, body: Any, status: str, code: str, *, ended: bool) -> None:
    state = batches.read_state({**JOB, **body, "output_file_id": "o", "error_file_id": None})
    assert (state.status, state.ended, state.files) == (status, ended, ("/files/o/content",))
    assert state.failure is not None
    assert state.failure["code"] == code
    assert state.failure["message"] == body.get("error", state.failure["message"])


def test_only_chats_have_batches(batches: Batches) -> None:
    with pytest.raises(InvalidRequest, match="embeddings"):
        batches.line("a", Wire("/embeddings"))
