"""The vendors' batch APIs, from the first request to the last result, through their own SDKs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import openai
import pytest
from vendor_lab import Anthropic, Batch, Fault, Mistral, OpenAI, Together

from dragoman.batch import Request, Summary
from dragoman.batch.parts import State
from dragoman.core import DragomanError, batches_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine_lab import Line, Run


def limit(monkeypatch: pytest.MonkeyPatch, run: Run, **limits: Any) -> None:
    """Make the vendor's batches smaller."""
    provider = run.settings().client["providers"][0]
    for name, value in limits.items():
        monkeypatch.setattr(type(batches_of(provider)), name, value)


def test_what_goes_in_comes_out(run: Run) -> None:
    run.ask("one", "please refuse", "three")
    line = run.go()
    assert run.said() == {"id-1": "You said: one", "id-2": "400 no", "id-3": "You said: three"}
    assert line.open == set()
    answered, refused = run.results["id-1"], run.results["id-2"]
    assert answered.usage is not None
    assert (answered.usage["total_tokens"], answered.status, answered.line) == (8, 200, 1)
    assert (answered.provider, refused.provider, refused.request_id) == (run.vendor.name, run.vendor.name, "req-2")
    assert list(run.state.parent.iterdir()) == []


def test_odd_counts_and_half_a_character(run_at: Callable[[type], Run], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vendor_lab.USAGE", {"prompt_tokens": "5", "completion_tokens": "x"})
    run = run_at(OpenAI)
    run.ask("cut emoji \ud83d")
    run.go()
    result = run.results["id-1"]
    assert run.said() == {"id-1": "You said: cut emoji \ud83d"}
    result.content.decode()
    summary = Summary()
    summary.count(result)
    assert (summary.answered, summary.tokens, summary.unpriced) == (1, 0, 1)


def test_a_batch_that_expires_gives_what_it_has(run: Run) -> None:
    run.vendor.ends = "expired"
    run.ask("one", "late", "three")
    run.go()
    assert run.said() == {"id-1": "You said: one", "id-2": "0 batch_expired", "id-3": "You said: three"}


def test_a_batch_that_somebody_cancels_gives_what_it_has(run: Run) -> None:
    run.ask("one", "late")

    def cancel(_: Line) -> None:
        state = State(run.state)
        run.vendor.batches[state.parts[0].batch_id].cancelled = True

    run.at_pause = cancel
    run.go()
    assert run.said() == {"id-1": "You said: one", "id-2": "0 batch_cancelled"}


@pytest.mark.parametrize("kind", [OpenAI, Mistral, Together], ids=lambda kind: kind.name)
def test_a_batch_that_fails_says_why(run_at: Callable[[type], Run], kind: type) -> None:
    run = run_at(kind)
    run.vendor.ends = "failed"
    told = {"message": "the file is bad", "code": "invalid_json_line", "line": 2, "param": None}
    errors = {"errors": {"object": "list", "data": [told]}} if kind is OpenAI else {}
    run.ask("one", "two")
    run.at_pause = lambda _: [batch.more.update(errors) for batch in run.vendor.made()]
    run.go()
    assert set(run.said().values()) == {"0 invalid_json_line" if errors else "0 batch_failed"}
    assert {(result.error or {})["message"] for result in run.results.values()} == {"the file is bad"}


def test_more_than_one_batch_can_hold(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, run, max_requests=2)
    run.ask("one", "two", "three", "four", "five")
    run.go()
    assert [len(batch.requests) for batch in run.vendor.made()] == [2, 2, 1]
    assert list(run.said().values()) == [f"You said: {text}" for text in ("one", "two", "three", "four", "five")]


def test_a_batch_has_one_model(run: Run) -> None:
    run.ask("one")
    run.ask("two", model=f"{run.vendor.name}/another-model")
    run.ask("three")
    run.go()
    assert sorted(len(batch.requests) for batch in run.vendor.made()) == [1, 2]
    assert len(run.results) == 3


def test_bytes_are_counted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, run, max_bytes=1000)
    run.ask("a" * 600, "b" * 600, "c" * 2000)
    run.go()
    assert len(run.vendor.made()) == 2
    assert run.said()["id-3"] == "0 invalid_request"
    assert "1000" in (run.results["id-3"].error or {})["message"]


def test_ids_that_the_vendor_does_not_take_come_back(run: Run) -> None:
    names = ["x" * 300, "a b/ä\n1", "fine", "dragoman-line-2"]
    model = f"{run.vendor.name}/{run.vendor.model}"
    for number, name in enumerate(names, 1):
        body = {"model": model, "messages": [{"role": "user", "content": name[:7]}]}
        run.asked.append(Request(name, body, line=number))
    run.go()
    assert {name: run.said()[name] for name in names} == {name: f"You said: {name[:7]}" for name in names}
    sent = {one["custom_id"] for batch in run.vendor.made() for one in batch.requests}
    assert "fine" in sent
    assert all(len(name) <= 64 for name in sent)


def test_the_state_says_what_is_under_way_and_no_key(run: Run) -> None:
    run.ask("one", "two")
    run.go(wait=False)
    text = run.state.read_text()
    (part,) = json.loads(text)["batches"]
    (batch,) = run.vendor.made()
    assert (part["batch_id"], part["file_id"], part["requests"]) == (batch.id, batch.file_id, 2)
    assert (part["first"], part["last"], part["model"]) == (1, 2, run.vendor.model)
    assert run.vendor.keys <= {"Bearer sk-secret-012345", "sk-secret-012345"}
    for file in run.state.parent.iterdir():
        assert b"sk-secret" not in file.read_bytes()


def test_another_run_fetches_what_one_has_begun(run: Run) -> None:
    run.ask("one", "two")
    line = run.go(wait=False)
    assert (line.results, len(line.open)) == ({}, 2)
    # Meanwhile the file has grown.
    run.ask("three")
    run.go()
    assert [len(batch.requests) for batch in run.vendor.made()] == [2, 1]
    assert run.said() == {f"id-{number}": f"You said: {text}" for number, text in enumerate(("one", "two", "three"), 1)}
    assert not run.state.exists()


def test_a_run_that_is_stopped_leaves_its_batches(run: Run) -> None:
    run.ask("one")
    run.at_pause = lambda line: setattr(line, "stopping", True)
    run.go()
    assert (run.results, len(run.vendor.made())) == ({}, 1)
    run.at_pause = lambda line: None
    run.go()
    assert (run.said(), len(run.vendor.made())) == ({"id-1": "You said: one"}, 1)


def test_pauses_grow(run: Run) -> None:
    vendor: Any = run.vendor
    vendor.states = (*vendor.states[:1] * 12, *vendor.states)
    run.ask("one")
    run.go()
    assert max(run.pauses) <= 0.5
    assert 60 < sum(run.pauses) < 600


def test_a_failed_look_is_not_the_end(run: Run) -> None:
    run.ask("one")
    run.vendor.faults = [Fault("GET", r"(batches|jobs)/[^/]+$", status) for status in (500, 0, 429)]
    run.go()
    assert run.said() == {"id-1": "You said: one"}


@pytest.mark.parametrize("status", [0, 500])
def test_no_batch_is_made_twice(run: Run, status: int) -> None:
    run.ask("one", "two")
    run.vendor.faults = [Fault("POST", r"(batches|jobs)$", status)]
    run.go()
    assert (len(run.vendor.made()), run.said()) == (1, {"id-1": "You said: one", "id-2": "You said: two"})


def test_an_upload_that_fails_is_tried_again(run_at: Callable[[type], Run]) -> None:
    run = run_at(OpenAI)
    run.ask("one")
    run.vendor.faults = [Fault("POST", "files$", status) for status in (503, 0, 429, 500)]
    run.go()
    assert run.said() == {"id-1": "You said: one"}


def test_a_batch_is_found_on_a_later_page(run_at: Callable[[type], Run]) -> None:
    run = run_at(OpenAI)
    for _ in range(5):
        name = f"z{run.vendor.number()}"
        run.vendor.batches[name] = Batch(name, run.vendor.clock, [], "file-other")
    run.ask("one")
    run.vendor.faults = [Fault("POST", r"batches$")]
    run.go()
    assert (len(run.vendor.made()), run.said()) == (6, {"id-1": "You said: one"})


def test_a_batch_that_only_looks_like_ours_is_left_alone(run_at: Callable[[type], Run]) -> None:
    run = run_at(Anthropic)
    params = {"model": "m", "messages": [{"role": "user", "content": "theirs"}]}
    run.vendor.add_batch([{"custom_id": "somebody-elses", "params": params}])
    run.ask("one")
    # Nothing was made, and nobody knows.
    run.vendor.faults = [Fault("POST", "batches$", 500)]
    run.go()
    assert (len(run.vendor.made()), run.said()) == (2, {"id-1": "You said: one"})


def test_a_batch_that_finds_no_room_is_made_once_another_has_ended(
    run_at: Callable[[type], Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_at(OpenAI)
    limit(monkeypatch, run, max_requests=1)
    run.ask("one", "two")
    full = {"status": "failed", "output_file_id": None, "error_file_id": None}
    full |= {"errors": {"data": [{"code": "token_limit_exceeded", "message": "Enqueued token limit reached"}]}}
    run.at_pause = lambda _: run.vendor.made()[1].more.update(full)
    run.go()
    assert run.said() == {"id-1": "You said: one", "id-2": "You said: two"}
    assert len(run.vendor.made()) == 3


def test_a_batch_that_is_refused_refuses_its_requests(run: Run) -> None:
    run.ask("one", "two")
    run.vendor.faults = [Fault("POST", r"(batches|jobs)$", 400, {"error": {"message": "no such model", "type": "x"}})]
    run.go()
    assert set(run.said().values()) == {"400 no such model"}
    assert list(run.state.parent.iterdir()) == []


def test_a_bad_key_ends_the_run_and_loses_nothing(run: Run) -> None:
    run.ask("one")
    run.vendor.faults = [Fault("POST", r"(batches|jobs)$", 401)]
    with pytest.raises(openai.AuthenticationError):
        run.go()
    run.go()
    assert run.said() == {"id-1": "You said: one"}


def test_results_that_break_off_are_read_once_more(run_at: Callable[[type], Run]) -> None:
    run = run_at(Anthropic)
    run.ask("one", "two")
    run.vendor.faults = [Fault("GET", "results$") for _ in range(4)]
    run.go()
    assert run.said() == {"id-1": "You said: one", "id-2": "You said: two"}


def test_what_the_provider_does_not_have_is_refused_as_in_a_call(run_at: Callable[[type], Run]) -> None:
    run = run_at(Anthropic)
    run.ask("one", seed=7)
    run.ask("two")
    run.go()
    assert run.said() == {"id-1": "0 unsupported_parameter", "id-2": "You said: two"}


def test_requests_with_other_headers_go_into_another_batch(run_at: Callable[[type], Run]) -> None:
    run = run_at(Anthropic)
    run.ask("one")
    run.ask("two", temperature=0.5)
    run.go()
    headers = [{name.lower(): value for name, value in batch.headers.items()} for batch in run.vendor.made()]
    # Which version is the SDK's own, its version says.
    assert [one["anthropic-version"] == "2023-06-01" for one in headers][1:] == [True]
    assert (len(headers), len(run.results)) == (2, 2)


@pytest.mark.parametrize("kind", [OpenAI, Anthropic], ids=lambda kind: kind.name)
def test_an_endpoint_that_has_no_batches(run_at: Callable[[type], Run], kind: type) -> None:
    run = run_at(kind)
    run.ask("one")
    body = {"model": f"{run.vendor.name}/x", "input": "Hello"}
    run.asked.append(Request("e", body, "/v1/embeddings" if kind is Anthropic else "/v1/audio/speech", 2))
    run.go()
    assert run.results["e"].error is not None
    assert run.said()["id-1"] == "You said: one"


def test_a_provider_without_a_batch_api(run_at: Callable[[type], Run]) -> None:
    run = run_at(OpenAI)
    run.ask("one", model="plain/model")
    with pytest.raises(DragomanError, match=r"plain has no batch API .* anthropic, .*mistralai, openai, together have"):
        run.go()
    assert run.vendor.made() == []


@pytest.mark.parametrize("text", ["no JSON", '{"version": 1, "batches": [{"x": 1}]}', '{"version": 99, "batches": []}'])
def test_a_state_that_is_none(run_at: Callable[[type], Run], text: str) -> None:
    run = run_at(OpenAI)
    run.state.write_text(text)
    run.ask("one")
    with pytest.raises(DragomanError, match=str(run.state)):
        run.go()


def test_a_disk_that_cannot_be_written(run_at: Callable[[type], Run]) -> None:
    run = run_at(OpenAI)
    run.state = run.state.parent / "missing" / "state"
    run.ask("one")
    with pytest.raises(OSError, match="on disk"):
        run.go()
    assert run.vendor.seen == []
