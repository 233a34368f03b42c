"""`--tapes=record`: a live call to a server on loopback, scrubbed and derived, and then the suite passes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import dragoman.core.client  # noqa: F401 (what an inner run of pytest imports first, each of them would import anew)
from dragoman.testing import FakeVendor, Scripted
from dragoman.testing.recording import _sides

if TYPE_CHECKING:
    from dragoman.core import Json

pytest_plugins = ["pytester"]

ACME = Path(__file__).parent / "acme"
KEY = "acme-key-1234567890"
FILE = """
from typing import ClassVar
from acme_llm import Acme
from dragoman.testing import ProviderSuite

class Near(Acme):
    base_url_env: ClassVar = ("ACME_BASE_URL",)

class TestAcme(ProviderSuite):
    provider = Near
    history = "turns"
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Acme's test file, its own tapes with nothing but their requests, and its key."""
    monkeypatch.setenv("ACME_API_KEY", KEY)
    monkeypatch.syspath_prepend(str(pytester.path))
    for path in ACME.glob("*.py"):
        shutil.copy(path, pytester.path)
    pytester.makepyfile(test_acme=FILE)
    pytester.mkdir("tapes")
    return pytester


def taped(name: str) -> Json:
    tape: Json = json.loads((ACME / "tapes" / f"{name}.json").read_text("utf-8"))
    return tape


def put(project: pytest.Pytester, *names: str) -> None:
    for name in names:
        kept = {key: value for key, value in taped(name).items() if key in {"about", "on_unsupported", "request"}}
        (project.path / "tapes" / f"{name}.json").write_text(json.dumps(kept))


def vendor_of(*names: str, echo: str = "") -> FakeVendor:
    return FakeVendor(*(_answer(taped(name), echo) for name in names))


def _answer(tape: Json, echo: str) -> Scripted:
    if "vendor_events" in tape:
        from dragoman.testing.tapes import Tape, events_of

        return Scripted(b"".join(events_of(Tape(Path(), tape), "sse")), 200, {"content-type": "text/event-stream"})
    body = tape["vendor_response"]
    body = {**body, "echo": echo} if echo else body
    headers = {"content-type": "application/json", "x-request-id": "r-1", "date": "today", "set-cookie": "c=1"}
    return Scripted(json.dumps(body).encode(), tape.get("status", 200), headers)


def run(project: pytest.Pytester, how: str = "record", *more: str) -> Any:
    return project.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:xdist", f"--tapes={how}", *more)


def written(project: pytest.Pytester, name: str) -> Json:
    tape: Json = json.loads((project.path / "tapes" / f"{name}.json").read_text("utf-8"))
    return tape


def test_a_live_call_makes_a_tape(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    put(project, "text", "text_stream")
    with vendor_of("text", "text_stream") as vendor:
        monkeypatch.setenv("ACME_BASE_URL", vendor.url)
        result = run(project)
        seen = list(vendor.seen)
    assert result.ret == 0
    assert len(seen) == 2
    assert [value for name, value in seen[0].headers if KEY in value]
    for name in ("text", "text_stream"):
        made, wanted = written(project, name), taped(name)
        assert {key: made[key] for key in wanted if key != "about"} == {
            key: value for key, value in wanted.items() if key != "about"
        }
    result.stdout.fnmatch_lines(
        [
            "recorded: *text.json: HTTP 200, a whole answer; nothing had to be scrubbed",
            "recorded: *text_stream.json: HTTP 200, * events; nothing had to be scrubbed",
            "written, to be reviewed: *text.json: vendor_request, response",
        ]
    )
    # From now on they are the truth, and nobody is asked.
    assert run(project, "check").ret == 0


def test_secrets_are_scrubbed_and_told(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    put(project, "text", "error")
    failed = Scripted(b'{"trouble": "no: %s"}' % KEY.encode(), 400, {"content-type": "application/json"})
    with FakeVendor(failed, _answer(taped("text"), f"the key is {KEY}")) as vendor:
        monkeypatch.setenv("ACME_BASE_URL", vendor.url)
        result = run(project, "record", "-k", "over_the_wire")
    assert result.ret == 0
    assert written(project, "text")["vendor_response"]["echo"].startswith("the key is [scrubbed: ")
    made = written(project, "error")
    assert made["status"] == 400
    assert "[scrubbed: " in made["response"]["error"]["message"]
    assert not [path for path in (project.path / "tapes").iterdir() if KEY in path.read_text("utf-8")]
    assert "headers" not in made
    result.stdout.fnmatch_lines(["recorded: *error.json: HTTP 400, a whole answer; scrubbed * in reply.body*"])
    assert KEY not in result.stdout.str()


def test_without_a_key(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACME_API_KEY")
    put(project, "text")
    result = run(project)
    assert result.ret != 0
    (result.stdout if "set ACME" in result.stdout.str() else result.stderr).fnmatch_lines(
        ["*--tapes=record asks the vendor for text.json: set ACME_API_KEY*"]
    )
    assert set(written(project, "text")) <= {"about", "request"}


def test_no_answer_and_nothing_sent(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    put(project, "text")
    monkeypatch.setenv("ACME_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("dragoman.testing.recording._RETRIES", 0)
    assert "no whole answer came" in _told(run(project))
    (project.path / "tapes" / "text.json").write_text(
        json.dumps({"request": {"model": "big", "messages": [], "seed": 1}})
    )
    assert "nothing was sent (acme does not support seed" in _told(run(project))


def _told(result: Any) -> str:
    assert result.ret != 0
    return str(result.stdout.str() + result.stderr.str())


def test_what_is_recorded_is_not_asked_again(project: pytest.Pytester) -> None:
    shutil.copy(ACME / "tapes" / "text.json", project.path / "tapes")
    assert run(project).ret == 0


@pytest.mark.parametrize(
    ("framing", "pieces", "events"),
    [
        ("sse", ['data: {"a": 1}\n\ndata: {"b"', ": 2}\n\n"], [{"a": 1}, {"b": 2}]),
        ("sse", ['event: x\r\ndata: {"a": 1}\r\n\r\n', "data: [DONE]\n\n"], [["x", {"a": 1}], "data: [DONE]"]),
        ("sse", [': ping\n\nid: 7\ndata: {"a": 1}\n\n'], [": ping", 'id: 7\ndata: {"a": 1}']),
        ("sse", ['data: {"a":\ndata: 1}\n\n'], [{"a": 1}]),
        ("ndjson", ['{"a": 1}\n{"b"', ": 2}\nno\n"], [{"a": 1}, {"b": 2}, "no"]),
    ],
)
def test_events_of_a_stream(framing: str, pieces: list[str], events: list[Any]) -> None:
    reply = {"status": 200, "headers": {}, "pieces": [[number, piece] for number, piece in enumerate(pieces)]}
    assert _sides(reply, framing) == {"vendor_events": events}
