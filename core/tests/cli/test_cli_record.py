"""`dragoman record` and `dragoman replay`, with programs of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core.cli.record import summarise
from dragoman.core.tapes.tape import Tape

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Server

KEY = "key-of-this-test-only"
APP = """
import sys
from dragoman.core import Client
with Client(base_url={url!r}) as client:
    for word in sys.argv[1:]:
        messages = [{{"role": "user", "content": word}}]
        print(client.chat.completions.create(model="small", messages=messages).choices[0].message.content)
        stream = client.chat.completions.create(model="small", messages=messages, stream=True)
        print("".join(chunk.choices[0].delta.content or "" for chunk in stream))
sys.exit(3)
"""


@pytest.fixture
def app(server: Server, own_folder: Path) -> list[str]:
    (own_folder / "app.py").write_text(APP.format(url=server.url))
    return [sys.executable, "app.py"]


def finish(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=300)
    return process.returncode, out.decode(), err.decode()


def test_a_program_is_recorded_and_replayed(server: Server, app: list[str], own_folder: Path, start: Any) -> None:
    code, said, told = finish(start("record", "--into", "some/tapes", "--", *app, "one", f"my-{KEY}"))
    assert (code, said.splitlines()[0]) == (3, "You said: one")
    assert told.splitlines() == [
        "dragoman: 4 exchanges recorded in some/tapes (openai 4)",
        "dragoman: scrubbed from reply.body: OPENAI_API_KEY (2 tapes)",
        "dragoman: scrubbed from wire.body: OPENAI_API_KEY (2 tapes)",
    ]
    assert not any(KEY in path.read_text() for path in (own_folder / "some/tapes").iterdir())
    sent = len(server.requests)
    environment = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    process = start("replay", "--from", "some/tapes", "--strict", *app, "one", "my-[any]", env=environment)
    code, replayed, told = finish(process)
    assert (code, told) == (3, "")
    assert replayed == said.replace(KEY, "[scrubbed: OPENAI_API_KEY]")
    assert len(server.requests) == sent == 4
    code, said, told = finish(start("replay", "--from", "some/tapes", *app, "two", env=environment))
    assert (code, said) == (1, "")
    assert '-body.messages[0].content = "one"\n+body.messages[0].content = "two"\n' in told
    assert "to record: dragoman record --into " in told


def test_names_to_scrub(server: Server, app: list[str], own_folder: Path, run: Any) -> None:
    told = run("record", "--scrub", "content", "--scrub", "Other", "--", *app, "my-private-words").stderr
    assert "scrubbed from wire.body: content (2 tapes)" in told
    assert not any("my-private-words" in path.read_text() for path in (own_folder / "tapes").iterdir())


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT", "SIGUSR1"])
def test_signals_reach_the_program(start: Any, name: str) -> None:
    # It ends by an exception: an event that is set while its own thread begins to wait for it waits for that thread.
    program = (
        f"import signal, sys, time; signal.signal(signal.{name}, lambda *_: sys.exit(7))\n"
        "print('ready', flush=True); time.sleep(300)"
    )
    number = getattr(signal, name)
    # Whoever runs the tests in the background may have it ignored, and so would be what they start.
    before = signal.signal(number, signal.SIG_DFL)
    try:
        process = start("record", sys.executable, "-c", program, start_new_session=True)
    finally:
        signal.signal(number, before)
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    code, _, told = finish(process)
    assert code == 7
    assert told == "dragoman: nothing was recorded in tapes: no dragoman client of this program sent anything\n"


_EARLY = """\
import os, signal, subprocess, sys
from dragoman.core.cli import child

class Quick(subprocess.Popen):
    # The program is ready, and the signal is there, before whoever started the program goes on.
    def __init__(self, *args, **options):
        super().__init__(*args, stdout=subprocess.PIPE, **options)
        assert self.stdout.readline() == b"ready\\n"
        os.kill(os.getpid(), signal.SIGUSR1)

subprocess.Popen = Quick
sys.exit(child.run([sys.executable, "-c", sys.argv[1]], {}))
"""
_WAITS = """\
import signal, sys, time
signal.signal(signal.SIGUSR1, lambda *_: sys.exit(7))
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of this kind are Unix'")
def test_a_signal_that_is_there_at_once_reaches_the_program() -> None:
    done = subprocess.run([sys.executable, "-c", _EARLY, _WAITS], check=False, timeout=300)  # noqa: S603 (ours)
    assert done.returncode == 7


def test_what_is_ignored_stays_ignored(start: Any) -> None:
    """As under `nohup`: the program that is run ignores it, too."""
    program = (
        "import os, signal; os.kill(os.getppid(), signal.SIGHUP); os.kill(os.getpid(), signal.SIGHUP); print('here')"
    )
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = start("record", sys.executable, "-c", program)
    finally:
        signal.signal(signal.SIGHUP, before)
    code, out, _ = finish(process)
    assert (code, out) == (0, "here\n")


def test_a_terminal_reaches_the_program(start: Any, tmp_path: Path) -> None:
    pty = pytest.importorskip("pty", reason="terminals of this kind are Unix'")
    ours, theirs = pty.openpty()
    program = "import sys; print(*(stream.isatty() for stream in (sys.stdin, sys.stdout)), input())"
    process = start("record", sys.executable, "-c", program, stdin=theirs, stdout=theirs)
    os.write(ours, b"typed\n")
    assert process.wait(300) == 0
    assert b"True True typed" in os.read(ours, 1000)
    os.close(ours)
    os.close(theirs)


def test_a_program_that_a_signal_ended(run: Any) -> None:
    assert run("record", sys.executable, "-c", "import os; os.kill(os.getpid(), 9)").exit_code == 128 + 9


def put_tape(folder: Path, recorded: str = "2026-01-01T00:00:00.000000Z") -> None:
    folder.mkdir()
    wire = {"method": "POST", "path": "/chat/completions", "body": {}}
    tape = {"dragoman_tape": 1, "recorded": recorded, "provider": "openai", "wire": wire, "reply": {"status": 200}}
    (folder / "old.json").write_text(json.dumps(tape))


@pytest.mark.parametrize("command", ["record", "replay"])
def test_programs_that_cannot_be_run(own_folder: Path, run: Any, command: str) -> None:
    put_tape(own_folder / "tapes")
    (own_folder / "app.py").touch()
    missing, unfit = run(command, "no-such-program-here"), run(command, str(own_folder / "app.py"))
    assert (missing.exit_code, unfit.exit_code) == (127, 126)
    assert missing.stderr.startswith("dragoman: no-such-program-here: there is no such program\n")


def test_folders_that_will_not_do(run: Any, own_folder: Path) -> None:
    (own_folder / "file").touch()
    touch = [sys.executable, "-c", "open('it-ran', 'w')"]
    recorded, replayed = run("record", "--into", "file", "--", *touch), run("replay", "--from", "none", "--", *touch)
    assert (recorded.exit_code, replayed.exit_code) == (2, 2)
    assert recorded.stderr.startswith("dragoman: tapes cannot be written into ")
    assert replayed.stderr.startswith("dragoman: there is no folder none with tapes; to record: dragoman record")
    assert not (own_folder / "it-ran").exists()


def test_old_tapes_are_not_counted(server: Server, app: list[str], own_folder: Path, run: Any) -> None:
    put_tape(own_folder / "tapes")
    (own_folder / "tapes/notes.json").write_text("mine")
    told = run("record", *app, "two").stderr
    assert told.splitlines()[0] == "dragoman: 2 exchanges recorded in tapes (openai 2)"
    assert len(list((own_folder / "tapes").iterdir())) == 4


def test_a_stream_that_was_closed_is_told(tmp_path: Path) -> None:
    reply = {"status": 200, "pieces": [], "end": "closed"}
    lines = summarise([Tape(tmp_path, {"provider": "a", "reply": reply})], "here")
    assert lines[0] == "1 exchange recorded in here (a 1)"
    assert "1 stream closed before the end: the tape ends there too" in lines


def test_dragomans_own_commands_take_part(server: Server, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("DRAGOMAN_RECORD", "tapes")
    first = [run("models", "openai").stdout, run("chat", "-m", "small", "Hi").stdout]
    monkeypatch.delenv("DRAGOMAN_RECORD")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("DRAGOMAN_REPLAY", "tapes")
    assert [run("models", "openai").stdout, run("chat", "-m", "small", "Hi").stdout] == first
    assert "You said: Hi" in first[1]
    assert json.dumps(first).count("openai/") == 2
