"""The contract of batch APIs, as a third party's plugin has it: an OpenAI-compatible one needs one line."""

from __future__ import annotations

import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import openai
import pytest

from dragoman.core import Batches, BatchJob, BatchState, Call, DragomanError, InvalidRequest, Provider, Wire, batches_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(60)

RUNNING = {"id": "b1", "status": "in_progress", "created_at": 100, "input_file_id": "f1"}


class Third(Provider):
    name = "third"

    def batches(self) -> Batches:
        return Batches(self)


@pytest.fixture
def batches(server: Any) -> Iterator[Batches]:
    found = batches_of(Third(base_url=server.url, api_key="k"))
    yield found
    found.close()


def job(path: Path, **facts: Any) -> BatchJob:
    return BatchJob(path, 2, "m", "/v1/chat/completions", **{"since": 50, "file_id": "f1", **facts})


def test_a_line_holds_the_wire_byte_for_byte(batches: Batches) -> None:
    wire = Wire("/chat/completions", content=b'{"model":"m","n":1.0,\n"x":"\\n"}')
    line = batches.line("id \u00e4", wire)
    assert b"\n" not in line
    assert line.endswith(b',"body":{"model":"m","n":1.0, "x":"\\n"}}')
    assert json.loads(line)["custom_id"] == "id \u00e4"
    assert json.loads(line)["url"] == "/v1/chat/completions"


def test_an_endpoint_without_batches(batches: Batches) -> None:
    with pytest.raises(InvalidRequest, match="third has no batches of POST /v1/audio/speech"):
        batches.line("x", Wire("/audio/speech"))


def test_an_upload_is_read_from_the_disk_as_it_is_sent(server: Any, batches: Batches, tmp_path: Path) -> None:
    path = tmp_path / "batch.jsonl"
    path.write_bytes(b'{"x":"%b"}\n' % (b"y" * 1022) * 40_000)
    server.script(server.json({"id": "f1"}), server.json({"id": "f2"}))
    batches.upload(path)
    # The first one has brought in what every one needs; the loopback server keeps what arrives.
    arrived = len(server.requests[0].body)
    tracemalloc.start()
    assert batches.upload(path) == "f2"
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    seen = server.requests[1]
    assert most < arrived + 16 * 1024**2
    assert seen.headers["content-length"] == str(len(seen.body))
    assert "transfer-encoding" not in seen.headers
    boundary = seen.headers["content-type"].partition("boundary=")[2].encode()
    fields = seen.body.split(b"--" + boundary)
    assert len(fields) == 4
    assert b'name="purpose"\r\n\r\nbatch\r\n' in fields[1]
    assert fields[2].partition(b"\r\n\r\n")[2] == path.read_bytes() + b"\r\n"


def test_a_key_headers_and_a_query_go_with_everything(server: Any) -> None:
    like = Call("third", "m", {}, api_key="k2", extra_headers={"x-team": "a"}, extra_query={"v": "1"})
    found = batches_of(Third(base_url=server.url, api_key="k"), like)
    server.script(server.json(RUNNING))
    found.state("b1")
    found.close()
    (seen,) = server.requests
    assert (seen.headers["authorization"], seen.headers["x-team"]) == ("Bearer k2", "a")
    assert seen.target == "/v1/batches/b1?v=1"


def test_a_batch_is_made_with_the_headers_of_its_requests(server: Any, batches: Batches, tmp_path: Path) -> None:
    server.script(server.json(RUNNING))
    assert batches.create(job(tmp_path, headers={"x-version": "2"})) == "b1"
    (seen,) = server.requests
    assert seen.json == {"input_file_id": "f1", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    assert seen.headers["x-version"] == "2"


@pytest.mark.parametrize("failure", [500, 429, 0])
def test_a_batch_is_asked_for_once(server: Any, batches: Batches, tmp_path: Path, failure: int) -> None:
    server.script(server.error(failure) if failure else server.stream("cut"))
    with pytest.raises(openai.APIError):
        batches.create(job(tmp_path))
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("pages", "facts", "found"),
    [
        ([[RUNNING]], {}, "b1"),
        ([[{**RUNNING, "id": "b0", "input_file_id": "f0"}], [RUNNING]], {}, "b1"),
        # Before it was asked for, it was somebody else's.
        ([[RUNNING]], {"since": 101}, None),
        ([[RUNNING]], {"others": frozenset({"b1"})}, None),
        ([[]], {}, None),
    ],
)
def test_whether_a_batch_was_made_after_all(
    server: Any, batches: Batches, tmp_path: Path, pages: list[Any], facts: Any, found: str | None
) -> None:
    server.script(*(server.json({"data": page, "has_more": page is not pages[-1]}) for page in pages))
    assert batches.find(job(tmp_path, **facts)) == found
    assert [seen.target for seen in server.requests][1:] == ["/v1/batches?limit=100&after=b0"] * (len(pages) - 1)


def test_a_list_that_turns_in_a_circle_ends(server: Any, batches: Batches, tmp_path: Path) -> None:
    page = {"data": [{**RUNNING, "input_file_id": "f0"}], "has_more": True}
    server.script(*[server.json(page)] * 3)
    assert batches.find(job(tmp_path)) is None


@pytest.mark.parametrize(
    ("body", "ended", "code"),
    [
        ({"status": "validating"}, False, "batch_failed"),
        ({"status": "completed", "output_file_id": "o", "error_file_id": None}, True, "batch_failed"),
        ({"status": "expired", "output_file_id": "o", "error_file_id": "e"}, True, "batch_expired"),
        ({"status": "cancelled"}, True, "batch_cancelled"),
        ({"status": "failed", "errors": {"data": [{"code": "c", "message": "m"}]}}, True, "c"),
        # What OpenAI may think of some day.
        ({"status": "something_else"}, True, "batch_failed"),
    ],
)
def test_states(batches: Batches, body: Any, ended: bool, code: str) -> None:
    state = batches.read_state({**body, "request_counts": {"total": 3, "completed": 1, "failed": 1}})
    assert (state.status, state.ended) == (body["status"], ended)
    assert (state.total, state.succeeded, state.failed) == (3, 1, 1)
    assert state.failure is not None
    assert state.failure["code"] == code
    names = [body[key] for key in ("output_file_id", "error_file_id") if body.get(key)]
    assert state.files == tuple(f"/files/{name}/content" for name in names)


def test_results_come_line_by_line(server: Any, batches: Batches) -> None:
    lines = [
        {"custom_id": "a", "response": {"status_code": 200, "request_id": "r", "body": {"x": 1}}, "error": None},
        {"custom_id": "b", "response": {"status_code": 400, "body": {"error": {"message": "no"}}}},
        {"custom_id": "c", "response": None, "error": {"code": "batch_expired", "message": "late"}},
        {"custom_id": "d", "response": None, "error": "just a text"},
        {"custom_id": "e"},
    ]
    text = b"".join(json.dumps(line).encode() + b"\r\n" for line in lines)
    server.script(server.stream(*(text[at : at + 7] for at in range(0, len(text), 7))))
    found = list(batches.results(BatchState("completed", True, ("/files/f/content",))))
    assert [result.custom_id for result in found] == list("abcde")
    reply, refused = found[0].reply, found[1].reply
    assert reply is not None
    assert refused is not None
    assert (reply.status, reply.headers["x-request-id"], reply.content) == (200, "r", b'{"x":1}')
    assert refused.status == 400
    assert [(result.error or {})["message"] for result in found[2:]] == ["late", "just a text", "it has no result"]
    assert (found[2].error or {})["code"] == "batch_expired"


@pytest.mark.parametrize("step", ["reset", "cut"])
def test_results_that_break_off_are_a_failure(server: Any, batches: Batches, step: Any) -> None:
    line = json.dumps({"custom_id": "a", "response": {"status_code": 200, "body": {}}}).encode()
    server.script(server.stream(line + b"\n" + line[:9], step))
    results = batches.results(BatchState("completed", True, ("/files/f/content",)))
    assert next(results).custom_id == "a"
    with pytest.raises(openai.APIConnectionError):
        next(results)


@pytest.mark.parametrize("size", [5, 1000])
@pytest.mark.parametrize(
    ("end", "whole"), [("", True), ("\n", True), ("\r\n \r\n", True), ('\n{"custom_id": "c', False)]
)
def test_results_that_end_inside_a_line_are_not_whole(
    server: Any, batches: Batches, end: str, whole: bool, size: int
) -> None:
    """They end as an answer does; read once more they may be whole."""
    text = ("\n".join(json.dumps({"custom_id": name, "error": "no"}) for name in "ab") + end).encode()
    server.script(server.stream(*(text[at : at + size] for at in range(0, len(text), size))))
    results = batches.results(BatchState("completed", True, ("/files/f/content",)))
    assert [next(results).custom_id for _ in "ab"] == ["a", "b"]
    if whole:
        assert next(results, None) is None
    else:
        with pytest.raises(openai.APIConnectionError, match="the results ended inside a line"):
            next(results)


@pytest.mark.parametrize("body", [{}, [], "text", {"id": "b1", "status": "x", "errors": 7}])
def test_an_answer_that_cannot_be_read_is_one_of_openais_errors(server: Any, batches: Batches, body: Any) -> None:
    server.script(server.json(body))
    with pytest.raises(openai.APIResponseValidationError, match="third sent an answer that cannot be read"):
        batches.state("b1")


def test_a_refusal_is_one_of_openais_errors(server: Any, batches: Batches) -> None:
    server.script(server.error(404, "no such batch", x_request_id="r"))
    with pytest.raises(openai.NotFoundError, match="no such batch") as caught:
        batches.cancel("b1")
    assert caught.value.request_id == "r"


def test_a_provider_without_one() -> None:
    with pytest.raises(DragomanError, match="plain has no batch API"):
        batches_of(Provider(name="plain"))


def test_offline_no_batch_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_OFFLINE", "1")
    found = batches_of(Third(base_url="http://192.0.2.1/v1", api_key="k"))
    with pytest.raises(openai.APIConnectionError, match="DRAGOMAN_OFFLINE"):
        found.state("b1")
    found.close()
