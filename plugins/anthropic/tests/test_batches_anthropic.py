"""Message batches: what is written, and what is read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.anthropic import Anthropic
from dragoman.core import Batches, BatchJob, InvalidRequest, Wire, batches_of
from dragoman.testing import FakeVendor, Scripted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COUNTS = {"processing": 0, "succeeded": 1, "errored": 2, "canceled": 3, "expired": 4}
BATCH = {
    "id": "msgbatch_1",
    "processing_status": "ended",
    "request_counts": COUNTS,
    "created_at": "2026-11-28T12:00:00.5Z",
    "results_url": "https://elsewhere.example/results",
}
MADE = 1_795_867_200


@pytest.fixture
def vendor() -> Iterator[FakeVendor]:
    with FakeVendor(Scripted.json(BATCH)) as found:
        yield found


@pytest.fixture
def batches(vendor: FakeVendor) -> Iterator[Batches]:
    found = batches_of(Anthropic(base_url=vendor.url, api_key="k"))
    yield found
    found.close()


def job(path: Path, **facts: Any) -> BatchJob:
    return BatchJob(path, 10, "m", "/v1/messages", **{"since": MADE, **facts})


def test_requests_go_with_the_batch(vendor: FakeVendor, batches: Batches, tmp_path: Path) -> None:
    path = tmp_path / "batch"
    wires = (Wire("/v1/messages", content=b'{"model":"m","max_tokens":%d}' % number) for number in (1, 2))
    path.write_bytes(b"\n".join(batches.line(f"id-{number}", wire) for number, wire in enumerate(wires)))
    assert batches.upload(path) == ""
    assert batches.create(job(path, headers={"anthropic-version": "2023-06-01"})) == "msgbatch_1"
    (seen,) = vendor.seen
    assert seen.path == "/v1/messages/batches"
    assert seen.json == {
        "requests": [
            {"custom_id": f"id-{number}", "params": {"model": "m", "max_tokens": number + 1}} for number in (0, 1)
        ]
    }
    assert seen.fields["anthropic-version"] == "2023-06-01"
    assert seen.fields["content-type"] == "application/json"
    assert seen.fields["content-length"] == str(len(seen.content))


def test_only_messages_have_batches(batches: Batches) -> None:
    with pytest.raises(InvalidRequest, match="count_tokens"):
        batches.line("a", Wire("/v1/messages/count_tokens"))


@pytest.mark.parametrize(
    ("name", "fits"), [("a-B_9", True), ("a" * 65, False), ("a b", False), ("ä", False), ("", False)]
)
def test_which_ids_it_takes(batches: Batches, name: str, *, fits: bool) -> None:
    assert bool(batches.custom_id.fullmatch(name)) == fits


@pytest.mark.parametrize(
    ("facts", "found"),
    [({}, "msgbatch_1"), ({"since": MADE + 1}, None), ({"others": frozenset({"msgbatch_1"})}, None)],
)
def test_whether_one_was_made(
    vendor: FakeVendor, batches: Batches, tmp_path: Path, facts: Any, found: str | None
) -> None:
    vendor.script = [Scripted.json({"data": [BATCH], "has_more": False})]
    assert batches.find(job(tmp_path, **facts)) == found


def test_pages_are_turned(vendor: FakeVendor, batches: Batches, tmp_path: Path) -> None:
    other = {**BATCH, "id": "msgbatch_0", "request_counts": {**COUNTS, "succeeded": 2}}
    pages = [{"data": [other], "has_more": True}, {"data": [BATCH], "has_more": False}]
    vendor.script = [Scripted.json(page) for page in pages]
    assert batches.find(job(tmp_path)) == "msgbatch_1"
    assert [seen.path for seen in vendor.seen] == [
        "/v1/messages/batches?limit=1000",
        "/v1/messages/batches?limit=1000&after_id=msgbatch_0",
    ]


def test_how_a_batch_stands(batches: Batches) -> None:
    ended = batches.state("msgbatch_1")
    assert (ended.ended, ended.total, ended.succeeded, ended.failed) == (True, 10, 1, 9)
    # Not where it says, which may be another host.
    assert ended.files == ("/v1/messages/batches/msgbatch_1/results",)
    for status in ("in_progress", "canceling"):
        assert not batches.read_state({**BATCH, "processing_status": status}).ended


@pytest.mark.parametrize(
    ("kind", "status"),
    [("invalid_request_error", 400), ("overloaded_error", 529), ("api_error", 500), ("of_next_year", 500)],
)
def test_an_error_has_the_status_that_a_call_would_have_had(batches: Batches, kind: str, status: int) -> None:
    error = {"type": "error", "error": {"type": kind, "message": "m"}, "request_id": "r"}
    found = batches.read_result({"custom_id": "a", "result": {"type": "errored", "error": error}})
    assert found.reply is not None
    assert (found.reply.status, found.reply.headers["x-request-id"]) == (status, "r")
    assert json.loads(found.reply.content) == error


@pytest.mark.parametrize(("kind", "code"), [("canceled", "batch_cancelled"), ("expired", "batch_expired")])
def test_a_request_that_was_not_made(batches: Batches, kind: str, code: str) -> None:
    found = batches.read_result({"custom_id": "a", "result": {"type": kind}})
    assert (found.reply, (found.error or {})["code"]) == (None, code)
