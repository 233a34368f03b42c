"""The suite passes a provider that does everything right; each way to do it wrong fails the check that is for it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core.framing import SSE
from dragoman.testing import ProviderSuite
from dragoman.testing.tapes import TapeError, read_tape

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Desk

    from dragoman.core import Event

SENDER = "def sender(self): return {}(self)"
#: What is done wrong -> the checks that see it, and the code that does it.
BREAKS = {
    "a word of the request is wrong": (
        ["test_request", "test_over_the_wire"],
        """
        def encode(self, call):
            wire = super().encode(call)
            wire.body["live"] = False
            return wire
        """,
    ),
    "nothing is ever refused": (
        ["test_refusal", "test_unsupported"],
        """
        def encode(self, call):
            call.request = {key: value for key, value in call.request.items() if key not in ABSENT}
            return super().encode(call)
        """,
    ),
    "a word of the answer is wrong": (
        ["test_answer", "test_over_the_wire"],
        """
        def decode(self, call, body):
            return {**super().decode(call, body), "service_tier": "default"}
        """,
    ),
    "the answer is not OpenAI's": (
        ["test_answer_is_valid"],
        """
        def decode(self, call, body):
            return {**super().decode(call, body), "usage": {"prompt_tokens": 5.0}}
        """,
    ),
    "calls end with stop": (
        ["test_answer_is_valid"],
        """
        def decode(self, call, body):
            found = super().decode(call, body)
            found["choices"][0]["finish_reason"] = "stop"
            return found
        """,
    ),
    "the request is changed": (
        ["test_encoding_is_pure"],
        """
        def encode(self, call):
            wire = super().encode(call)
            call.request["model"] = "another"
            return wire
        """,
    ),
    "the request is counted": (
        ["test_encoding_is_pure"],
        """
        count = 0
        def encode(self, call):
            wire = super().encode(call)
            type(self).count += 1
            wire.body["number"] = self.count
            return wire
        """,
    ),
    "the clock is read": (
        ["test_encoding_is_pure"],
        """
        def encode(self, call):
            from datetime import datetime
            datetime.now()
            return super().encode(call)
        """,
    ),
    "dice are rolled": (
        ["test_decoding_is_pure"],
        """
        def decode(self, call, body):
            from uuid import uuid4
            uuid4()
            return super().decode(call, body)
        """,
    ),
    "the vendor's answer is changed": (
        ["test_decoding_is_pure"],
        """
        def decode(self, call, body):
            found = super().decode(call, body)
            body["read"] = True
            return found
        """,
    ),
    "the key stands in the body": (
        ["test_key_is_secret", "test_over_the_wire"],
        """
        def encode(self, call):
            wire = super().encode(call)
            wire.body["key"] = self.api_key
            return wire
        """,
    ),
    "the key stands in the log": (
        ["test_key_is_secret"],
        """
        def encode(self, call):
            import logging
            logging.getLogger("acme").debug("asking with %s", self.api_key)
            return super().encode(call)
        """,
    ),
    "the key stands in two headers": (
        ["test_over_the_wire"],
        """
        def encode(self, call):
            wire = super().encode(call)
            wire.headers["x-key"] = self.api_key
            return wire
        """,
    ),
    "a chunk is wrong": (
        ["test_chunks", "test_over_the_wire"],
        """
        def decode_stream(self, call):
            call.created += 1
            return super().decode_stream(call)
        """,
    ),
    "each chunk has its own id": (
        ["test_chunks_are_valid"],
        """
        def decode_stream(self, call):
            class Other(Reader):
                def feed(self, event):
                    for number, chunk in enumerate(super().feed(event)):
                        yield {**chunk, "id": f"{event.name}-{number}"}
            return Other(call)
        """,
    ),
    "chunks are not OpenAI's": (
        ["test_chunks_are_valid"],
        """
        def decode_stream(self, call):
            class Other(Reader):
                def feed(self, event):
                    for chunk in super().feed(event):
                        yield {**chunk, "created": "now"}
            return Other(call)
        """,
    ),
    "every chunk has the role": (
        ["test_chunks_keep_openais_promises"],
        """
        def decode_stream(self, call):
            class Other(Reader):
                def feed(self, event):
                    for chunk in super().feed(event):
                        for choice in chunk["choices"]:
                            choice["delta"]["role"] = "assistant"
                        yield chunk
            return Other(call)
        """,
    ),
    "calls are counted from 1": (
        ["test_chunks_keep_openais_promises"],
        """
        def decode_stream(self, call):
            reader = super().decode_stream(call)
            reader.chunks.tool_calls = 1
            return reader
        """,
    ),
    "usage is never told": (
        ["test_usage_comes_when_asked"],
        """
        def decode_stream(self, call):
            class Other(Reader):
                def feed(self, event):
                    for chunk in super().feed(event):
                        if chunk["choices"]:
                            yield chunk
            return Other(call)
        """,
    ),
    "the stream says less": (
        ["test_stream_equals_answer"],
        """
        def decode_stream(self, call):
            class Other(Reader):
                def feed(self, event):
                    if event.name != "says" or b"only" in event.data.lower():
                        yield from super().feed(event)
            return Other(call)
        """,
    ),
    "half a stream is whole": (
        ["test_a_cut_stream_is_no_answer"],
        """
        def decode_stream(self, call):
            class Other(Reader):
                def finish(self):
                    if not self.ended:
                        yield self.chunks.finish("stop")
            return Other(call)
        """,
    ),
    "failures say nothing": (
        ["test_error"],
        """
        def decode_error(self, status, body):
            return {"message": "It failed.", "type": None, "param": None, "code": None}
        """,
    ),
    "every failure is the server's": (
        ["test_error_class"],
        """
        def decode_error(self, status, body):
            from dragoman.core import VendorError
            raise VendorError({"message": "It failed.", "type": None, "param": None, "code": None}, 500)
        """,
    ),
    "failures are always objects": (
        ["test_odd_error_body"],
        """
        def decode_error(self, status, body):
            return {"message": body["trouble"], "type": None, "param": None, "code": None}
        """,
    ),
    "dropping is not told": (
        ["test_unsupported"],
        """
        def encode(self, call):
            wire = super().encode(call)
            call.ledger.dropped.clear()
            return wire
        """,
    ),
    "nulls make a difference": (
        ["test_history_survives_storage"],
        """
        def encode(self, call):
            wire = super().encode(call)
            for turn, message in zip(wire.body["turns"], call.request["messages"]):
                turn["fields"] = len(message)
            return wire
        """,
    ),
    "only the last turns are sent": (
        ["test_history_only_grows"],
        """
        def encode(self, call):
            wire = super().encode(call)
            wire.body["turns"] = wire.body["turns"][-2:]
            return wire
        """,
    ),
    "everybody's data are sent": (
        ["test_history_of_strangers_stays_home"],
        """
        def encode(self, call):
            wire = super().encode(call)
            for turn, message in zip(wire.body["turns"], call.request["messages"]):
                turn["extra"] = message.get("extra_content")
            return wire
        """,
    ),
    "answers are forgotten": (
        ["test_history_shows_the_answer"],
        """
        def encode(self, call):
            wire = super().encode(call)
            for turn in wire.body["turns"]:
                turn.update({"says": "", "uses": []} if turn["who"] == "assistant" else {})
            return wire
        """,
    ),
    "the connection is kept": (["test_closing_a_stream_hangs_up"], SENDER.format("Keeping")),
    "a broken connection is an end": (["test_broken_connection"], SENDER.format("Suppressing")),
    "nobody retries": (["test_busy_is_retried_once"], SENDER.format("Impatient")),
    "nobody stops waiting": (["test_silence_times_out"], SENDER.format("Patient")),
    "a broken answer is made good": (
        ["test_broken_body"],
        SENDER.format("Mending"),
    ),
}


#: Ways to switch a check off that nobody would see -> what is said about them.
HIDDEN = {
    "test_answer = None": "replaces test_answer",
    "def test_answer(self, tape): pass": "replaces test_answer",
    "known_failures = {'test_answers': 'why'}": "there is no check called test_answers",
}


def node(check: str) -> str:
    return f"test_acme.py::TestAcme::{check}"


def test_a_good_provider_passes(desk: Desk) -> None:
    desk.write()
    outcomes, said = desk.run()
    assert set(outcomes) == {"passed", "skipped"}, said
    assert outcomes["passed"] > 100
    assert outcomes["skipped"] == 2, "it has no capability file, and its tapes do not show everything"


@pytest.mark.parametrize(("checks", "code"), BREAKS.values(), ids=BREAKS)
def test_what_is_wrong_is_seen(desk: Desk, short_patience: None, checks: list[str], code: str) -> None:
    desk.write(code)
    for check in checks:
        outcomes, said = desk.run(node(check))
        assert outcomes.get("failed"), said
        rule = getattr(ProviderSuite, check).__doc__
        assert rule in said


def test_every_check_has_something_wrong_to_see() -> None:
    checks = {name for name in dir(ProviderSuite) if name.startswith("test_")}
    seen = {check for checks, _ in BREAKS.values() for check in checks}
    own = {"test_required_tape", "test_chunks_do_not_depend_on_cuts", "test_capabilities", "test_features_are_shown"}
    assert checks - seen == own, "these have tests of their own"


def test_a_framing_that_forgets_is_seen(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = SSE.feed

    def forgetful(self: SSE, piece: bytes) -> list[Event]:
        found = feed(self, piece)
        self._waiting.clear()
        return found

    monkeypatch.setattr(SSE, "feed", forgetful)
    desk.write()
    assert desk.run(node("test_chunks_do_not_depend_on_cuts"))[0].get("failed")


def test_a_failure_reads_like_a_diff(desk: Desk) -> None:
    desk.write(BREAKS["calls end with stop"][1])
    _, said = desk.run(node("test_answer") + "[tools]")
    assert '-choices[0].finish_reason = "tool_calls"' in said
    assert '+choices[0].finish_reason = "stop"' in said
    assert "tools: `response`" in said
    assert "Traceback" not in said


def test_missing_tapes_are_skips_in_sight(desk: Desk) -> None:
    for path in (desk.pytester.path / "tapes").glob("*.json"):
        path.unlink()
    desk.write()
    outcomes, said = desk.run()
    assert set(outcomes) == {"passed", "skipped"}
    assert "tapes/tools_stream.json is missing: the same call as a stream" in said
    assert "there is no tape of the kind 'streamed' in tapes/" in said


def test_an_empty_tape_is_no_tape(desk: Desk) -> None:
    desk.path("text").write_text("")
    desk.write()
    outcomes, said = desk.run()
    assert "passed" not in outcomes
    assert "text.json: this is not JSON" in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"vendor_reponse": {}}, "no side of a tape is called vendor_reponse"),
        ({"vendor_events": []}, "not with both"),
        ({"request": None}, "an object with a `request`"),
    ],
)
def test_a_tape_that_cannot_be_meant_is_refused(tmp_path: Path, change: Any, said: str) -> None:
    path = tmp_path / "text.json"
    path.write_text(json.dumps({"request": {}, "vendor_response": {}, **change}), "utf-8")
    with pytest.raises(TapeError, match=said):
        read_tape(path)


def test_a_stream_is_asked_for_and_an_answer_is_somewhere(tmp_path: Path) -> None:
    path = tmp_path / "text.json"
    path.write_text('{"request": {}, "vendor_events": []}', "utf-8")
    with pytest.raises(TapeError, match='"stream": true'):
        read_tape(path)
    path.write_text('{"request": {}}', "utf-8")
    with pytest.raises(TapeError, match="neither the vendor's answer nor the refusal"):
        read_tape(path)


@pytest.mark.parametrize("name", ["text", "tools_stream", "error", "trouble_stream", "unsupported"])
def test_what_is_missing_is_written_and_nothing_else(desk: Desk, name: str) -> None:
    desk.write()
    whole = desk.path(name).read_text("utf-8")
    bare = {key: value for key, value in json.loads(whole).items() if key not in {"vendor_request", "chunks"}}
    error = bare.get("response", {}).get("error")
    if error is None:
        bare.pop("response", None)
    else:
        # The author of a tape names the failure.
        bare["response"] = {"error": {"class": error["class"]}}
    desk.path(name).write_text(json.dumps(bare), "utf-8")
    outcomes, said = desk.run(node("test_encoding_is_pure"))
    assert outcomes.get("errors")
    assert "`pytest --tapes=write` fills it in" in said
    outcomes, said = desk.run("-k", name, "--tapes=write")
    assert set(outcomes) <= {"passed", "deselected"}, said
    assert said.count("written, to be reviewed:") == 1
    written = desk.path(name).read_text("utf-8")
    # The order of keys is the openai package's, and differs between its versions.
    assert json.loads(written) == json.loads(whole)
    desk.run(node("test_encoding_is_pure"), "--tapes=write")
    assert desk.path(name).read_text("utf-8") == written


def test_a_side_that_is_there_is_not_written_over(desk: Desk) -> None:
    desk.write(BREAKS["calls end with stop"][1])
    before = desk.path("tools").read_text("utf-8")
    outcomes, said = desk.run(node("test_answer"), "--tapes=write")
    assert outcomes.get("failed")
    assert "written, to be reviewed" not in said
    assert desk.path("tools").read_text("utf-8") == before


@pytest.mark.parametrize("suite", HIDDEN)
def test_no_check_is_replaced(desk: Desk, suite: str) -> None:
    desk.write(suite=suite)
    outcomes, said = desk.run()
    assert set(outcomes) == {"errors"}
    assert HIDDEN[suite] in said


@pytest.mark.parametrize("mark", ["skip", "skipif(True, reason='why')", "xfail", "xfail(reason='why', strict=False)"])
def test_no_check_is_marked_away(desk: Desk, mark: str) -> None:
    desk.write(suite=f"pytestmark = __import__('pytest').mark.{mark}")
    outcomes, said = desk.run()
    assert outcomes == {}
    assert "name it in `known_failures`, with the reason" in said


def test_a_known_failure_is_expected_and_must_happen(desk: Desk) -> None:
    known = "known_failures = {'test_odd_error_body': 'acme has objects only'}"
    desk.write(BREAKS["failures are always objects"][1], known)
    outcomes, said = desk.run(node("test_odd_error_body"))
    assert set(outcomes) == {"xfailed"}
    assert "acme has objects only" in said
    desk.write(suite=known)
    outcomes, said = desk.run(node("test_odd_error_body"))
    assert set(outcomes) == {"failed"}
    assert "XPASS(strict)" in said


def test_one_case_of_a_check_can_be_known(desk: Desk) -> None:
    desk.write(BREAKS["calls end with stop"][1], "known_failures = {'test_answer[tools]': 'why'}")
    outcomes, _ = desk.run(node("test_answer"))
    assert outcomes == {"passed": 1, "xfailed": 1}


def test_pytest_starts_without_the_openai_package() -> None:
    code = "import sys, dragoman.testing.plugin; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()  # noqa: S603 (ours)
    assert "dragoman.testing.suite" in loaded
    assert {"openai", "httpx", "httpx2", "pydantic"} & set(loaded) == set()
