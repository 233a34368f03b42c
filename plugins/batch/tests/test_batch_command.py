from __future__ import annotations

import asyncio
import io
import json
import os
import pty
import random
import select
import shlex
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from batch_lab import Json, Vendor, completion, end, environment, ids, program, read, request, start, usual, write

from dragoman.batch.progress import Progress, money
from dragoman.batch.recovery import read_lines
from dragoman.batch.summary import Summary

if TYPE_CHECKING:
    from collections.abc import Callable


class Reached:
    """Answers slowly, or not until it is let go; tells when the vendor was asked so often."""

    def __init__(self, vendor: Vendor, *, latency: float = 0.0, hold: bool = False) -> None:
        self._latency = latency
        self._count, self._wanted = 0, 10**9
        self._event = threading.Event()
        self._let_go: Future[None] = Future()
        if not hold:
            self.let_go()
        vendor.answer = self._answer

    async def _answer(self, body: Json) -> Any:
        self._count += 1
        if self._count >= self._wanted:
            self._event.set()
        await asyncio.sleep(self._latency)
        # Shielded: one request that is given up does not let go, nor hold, the others.
        await asyncio.shield(asyncio.wrap_future(self._let_go))
        return await usual(body)

    def let_go(self) -> None:
        """Let all go that are held, and whoever comes later; once is enough."""
        if not self._let_go.done():
            self._let_go.set_result(None)

    def wait(self, more: int) -> None:
        self._event.clear()
        self._wanted = self._count + more
        assert self._event.wait(60)


def limited(blocks: int, *arguments: str) -> list[str]:
    """The program, with files of so many blocks of 1024 bytes at most."""
    return ["bash", "-c", f"ulimit -f {blocks}; exec {shlex.join([*program(), *arguments])}"]


@pytest.mark.parametrize("name", ["answers.jsonl", "answers.jsonl.gz", "answers.jsonl.zst"])
def test_a_killed_run_loses_nothing_and_repeats_what_was_in_flight(vendor: Vendor, tmp_path: Path, name: str) -> None:
    count, most, kills = 600, 16, 5
    write(tmp_path / "requests.jsonl", (request(number) for number in range(count)))
    reached, chance = Reached(vendor, latency=0.005), random.Random(name)  # noqa: S311 (no secret)
    arguments = ("requests.jsonl", "-o", name, "--max-concurrency", str(most), "-q")
    for _ in range(kills):
        process = start(vendor, *arguments, cwd=tmp_path)
        reached.wait(chance.randint(1, 90))
        process.kill()
        assert end(process) == -signal.SIGKILL
    process = start(vendor, *arguments, cwd=tmp_path)
    assert end(process) == 0, (tmp_path / "said").read_text("utf-8")
    answered = [json.loads(line)["custom_id"] for line in read_lines(tmp_path / name)]
    assert sorted(answered) == sorted(f"r{number}" for number in range(count)), "lost, or written twice"
    assert sum(vendor.asked.values()) - count <= kills * most


def test_ctrl_c_waits_for_what_is_on_its_way(vendor: Vendor, tmp_path: Path, batch: Callable[..., Any]) -> None:
    write(tmp_path / "r.jsonl", (request(number) for number in range(500)))
    reached = Reached(vendor, latency=0.02)
    process = start(vendor, "r.jsonl", "-o", "o.jsonl", cwd=tmp_path)
    reached.wait(30)
    os.kill(process.pid, signal.SIGINT)
    assert end(process) == 130
    said = (tmp_path / "said").read_text("utf-8")
    assert "stopping: " in said
    assert "goes on from there" in said
    assert len(ids(tmp_path / "o.jsonl")) == sum(vendor.asked.values()) < 500
    vendor.answer = usual
    assert batch("r.jsonl", "-o", "o.jsonl", "--resume").returncode == 0
    assert set(vendor.asked.values()) == {1}


def test_ctrl_c_twice_does_not_wait(vendor: Vendor, tmp_path: Path) -> None:
    write(tmp_path / "r.jsonl", (request(number) for number in range(100)))
    reached = Reached(vendor, hold=True)
    process = start(vendor, "r.jsonl", "-o", "o.jsonl", cwd=tmp_path)
    reached.wait(5)
    os.kill(process.pid, signal.SIGINT)
    pause = threading.Event()
    while "stopping" not in (tmp_path / "said").read_text("utf-8"):
        pause.wait(0.01)
    os.kill(process.pid, signal.SIGINT)
    assert end(process) == 130
    reached.let_go()
    assert ids(tmp_path / "o.jsonl") == []


def test_stdin_to_stdout(vendor: Vendor, batch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "".join(json.dumps({"messages": request(number)["body"]["messages"]}) + "\n" for number in range(5))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
    found = batch("-", "-o", "-", "--errors", "e.jsonl", "-m", "openai/m")
    assert found.returncode == 0, found.stderr
    named = sorted(json.loads(line)["custom_id"] for line in found.stdout.splitlines())
    assert named == [f"line-{number}" for number in range(1, 6)]
    assert "5 answered, 0 failed" in found.stderr
    assert "latency: p50 " in found.stderr


def test_exit_codes_and_words(
    vendor: Vendor, tmp_path: Path, batch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "r.jsonl", [request(1), "{"])
    found = batch("r.jsonl")
    assert found.returncode == 6
    assert "what failed, and why, is in r.errors.jsonl" in found.stderr
    assert ids(tmp_path / "r.out.jsonl") == ["r1"]
    for arguments, code, words in [
        (("nowhere.jsonl",), 2, "nowhere.jsonl cannot be read: No such file"),
        (("-",), 2, "say where answers go"),
        (("r.jsonl", "-o", "-"), 2, "--errors FILE"),
        (("r.jsonl", "-o", "none/o.jsonl"), 2, "cannot be written: No such file"),
        (("r.jsonl", "-o", "r.jsonl"), 2, "three different files"),
        (("r.jsonl", "--resume", "--overwrite"), 2, "contradict"),
        (("r.jsonl", "--max-cost", "none"), 2, "no number above 0"),
        (("r.jsonl", "--tokens-per-minute", "a=b"), 2, "neither a whole number"),
        (("r.jsonl", "--engine", "spark"), 2, "there is no engine 'spark'"),
        (("r.jsonl", "--address", "x"), 2, "--address is for --engine ray"),
    ]:
        found = batch(*arguments)
        assert found.returncode == code, found.stderr
        assert words in found.stderr
    assert sum(vendor.asked.values()) == 1
    assert batch("-q", "--overwrite", "-o", "first.jsonl", "r.jsonl").returncode == 6
    assert ids(tmp_path / "first.jsonl") == ["r1"]
    # A server of somebody's own may need none.
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.delenv("OPENAI_API_KEY")
    found = batch("r.jsonl", "-o", "new.jsonl")
    assert found.returncode == 3
    assert "OPENAI_API_KEY" in found.stderr


def test_earlier_failures_are_told_as_such(vendor: Vendor, tmp_path: Path, batch: Callable[..., Any]) -> None:
    async def refuse(body: Json) -> Any:
        if body["messages"][-1]["content"] == "question 1":
            return 400, {}, {"error": {"message": "no"}}
        return await usual(body)

    vendor.answer = refuse
    write(tmp_path / "r.jsonl", [request(1), request(2)])
    assert batch("r.jsonl").returncode == 6
    vendor.answer = usual
    found = batch("r.jsonl")
    assert found.returncode == 6
    assert "0 answered, 0 failed, 0 bad lines, 2 known, " in found.stderr
    assert "failed in earlier runs: 1 (--retry-failed asks them again)" in found.stderr
    found = batch("r.jsonl", "--retry-failed")
    assert (found.returncode, "1 answered before" in found.stderr) == (0, True)


def test_bad_lines_that_are_good_now_do_not_count(vendor: Vendor, tmp_path: Path, batch: Callable[..., Any]) -> None:
    lines = [request(1), request(2)]
    for line in lines:
        del line["body"]["model"]
    write(tmp_path / "r.jsonl", [*lines, "{"])
    assert batch("r.jsonl").returncode == 6
    found = batch("r.jsonl", "-m", "openai/m")
    assert (found.returncode, "earlier answers are to nothing" in found.stderr) == (6, False)
    assert "failed in earlier runs: 1" in found.stderr
    write(tmp_path / "r.jsonl", lines)
    found = batch("r.jsonl", "-m", "openai/m")
    assert (found.returncode, "failed in earlier runs" in found.stderr) == (0, False)
    assert "earlier answers are to nothing" not in found.stderr


def test_a_misspelt_provider_is_wrong_usage(
    vendor: Vendor, tmp_path: Path, batch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL")
    line = request(1)
    del line["body"]["model"]
    write(tmp_path / "r.jsonl", [line])
    found = batch("r.jsonl", "-m", "lamacpp/demo")
    assert found.returncode == 2
    assert "stopped before line 1: no installed plugin offers the provider 'lamacpp'" in found.stderr
    found = batch("r.jsonl", "-m", "openai/m", "--requests-per-minute", "opnai=1")
    assert (found.returncode, "did you mean openai?" in found.stderr) == (2, True)
    monkeypatch.setenv("OPENAI_BASE_URL", vendor.url)
    assert batch("r.jsonl", "-m", "openai/m", "--requests-per-minute", "openai=100").returncode == 0


def test_check_asks_nobody(vendor: Vendor, tmp_path: Path, batch: Callable[..., Any]) -> None:
    claude = {"model": "anthropic/claude-sonnet-4-5", "messages": [{"role": "user", "content": "hi"}]}
    write(tmp_path / "r.jsonl", [request(1), request(2, body={**claude, "seed": 7}), request(1), "{"])
    found = batch("check", "r.jsonl")
    assert found.returncode == 6
    first, second, third = found.stdout.splitlines()
    assert first.startswith("r.jsonl:2: cannot be asked: anthropic does not support seed")
    assert second == "r.jsonl:3: has the custom_id of line 1 [duplicate_custom_id]"
    assert third.startswith("r.jsonl:4: is not JSON")
    assert "1 requests are right, 3 lines are not" in found.stderr
    write(tmp_path / "r.jsonl", [request(1)])
    assert batch("check", "r.jsonl").returncode == 0
    assert not vendor.asked


def test_a_full_disk_is_said_before_and_on_the_way(vendor: Vendor, tmp_path: Path, batch: Callable[..., Any]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    write(tmp_path / "r.jsonl", (request(number) for number in range(2000)))
    found = batch("r.jsonl", "-o", "/dev/full", "--errors", "e.jsonl")
    assert found.returncode == 2
    assert "before line 1: /dev/full cannot be written: No space left on device" in found.stderr
    assert "could not be written" in found.stderr
    asked = sum(vendor.asked.values())
    assert asked <= 16
    found = subprocess.run(  # noqa: S603 (ours)
        limited(2000, "r.jsonl", "-o", "o.jsonl"), env=environment(vendor), capture_output=True, text=True, check=False
    )
    assert found.returncode == 2
    assert "cannot be written: File too large (a run wants 4 MiB)" in found.stderr
    assert sum(vendor.asked.values()) == asked


def test_a_disk_that_fills_up_loses_no_answer(vendor: Vendor, tmp_path: Path, batch: Callable[..., Any]) -> None:
    async def long(body: Json) -> Any:
        return 200, {}, completion("x" * 50_000)

    vendor.answer = long
    write(tmp_path / "r.jsonl", (request(number) for number in range(400)))
    # There is room for the reserve, and for a hundred answers.
    command = limited(5000, "r.jsonl", "-o", "o.jsonl", "--max-concurrency", "4")
    found = subprocess.run(command, env=environment(vendor), capture_output=True, text=True, check=False)  # noqa: S603 (ours)
    assert found.returncode == 2, found.stderr
    assert "o.jsonl cannot be written: File too large" in found.stderr
    assert 50 < len(ids(tmp_path / "o.jsonl")) < 110
    assert batch("r.jsonl", "-o", "o.jsonl").returncode == 0
    assert sorted(ids(tmp_path / "o.jsonl")) == sorted(f"r{number}" for number in range(400))
    assert sum(vendor.asked.values()) <= 400 + 4


def test_the_terminal_shows_how_far_it_is(vendor: Vendor, tmp_path: Path) -> None:
    write(tmp_path / "r.jsonl", (request(number) for number in range(300)))
    Reached(vendor, latency=0.1)
    ours, theirs = pty.openpty()
    command = [*program(), "r.jsonl", "-o", "o.jsonl", "--max-concurrency", "32"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment(vendor), stderr=theirs) as process:  # noqa: S603 (ours)
        os.close(theirs)
        seen = b""
        while select.select([ours], [], [], 60)[0]:
            try:
                seen += os.read(ours, 65536)
            except OSError:
                break
    os.close(ours)
    assert process.returncode == 0
    text = seen.decode()
    bars = [part for part in text.split("\r\x1b[K") if "█" in part]
    assert bars
    assert all(len(bar) < 80 for bar in bars)
    assert all(part in bars[-1] for part in ("done", "0 failed", "tokens", "/s", "left"))
    assert text.rstrip().splitlines()[-1].startswith("dragoman: latency")


def test_two_runs_do_not_write_the_same_file(vendor: Vendor, tmp_path: Path, batch: Callable[..., Any]) -> None:
    write(tmp_path / "r.jsonl", (request(number) for number in range(50)))
    reached = Reached(vendor, hold=True)
    process = start(vendor, "r.jsonl", "-o", "o.jsonl", cwd=tmp_path)
    reached.wait(1)
    found = batch("r.jsonl", "-o", "o.jsonl")
    assert found.returncode == 2
    assert "is being written by another run" in found.stderr
    reached.let_go()
    assert end(process) == 0
    assert len(read(tmp_path / "o.jsonl")) == 50


def test_the_cache_answers_a_second_time(
    vendor: Vendor, tmp_path: Path, batch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = pytest.importorskip("dragoman.cache", reason="dragoman-cache is not installed")
    write(tmp_path / "r.jsonl", [request(1)])
    with cache.caching(cache.Store(tmp_path / "cache.sqlite")):
        assert batch("r.jsonl", "-o", "a.jsonl").returncode == 0
        assert "1 from the cache" in batch("r.jsonl", "-o", "b.jsonl").stderr
    assert sum(vendor.asked.values()) == 1


def test_one_warning_is_told_once(vendor: Vendor, tmp_path: Path, batch: Callable[..., Any]) -> None:
    async def answer(body: Json) -> Any:
        return (500, {}, {"error": {"message": "down"}}) if body["model"] == "first" else (200, {}, completion())

    vendor.answer = answer
    (tmp_path / "d.toml").write_text(
        'max_retries = 0\n[[models.m]]\nmodel = "openai/first"\n[[models.m]]\nmodel = "openai/second"\n', "utf-8"
    )
    write(tmp_path / "r.jsonl", (request(number) for number in range(20)))
    found = batch("r.jsonl", "--config", "d.toml")
    assert (found.returncode, found.stderr.count("going on with m (openai/second)")) == (0, 1)


def test_nobody_need_look(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(Summary(), lambda: None)
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w", buffering=1) as gone:
        monkeypatch.setattr("sys.stderr", gone)
        progress.say("somebody?")
        progress.say("anybody?")
        monkeypatch.undo()
        with suppress(BrokenPipeError):
            gone.close()
    assert capsys.readouterr() == ("", "")
    progress.say("here I am")
    assert capsys.readouterr().err == "dragoman: here I am\n"


@pytest.mark.parametrize(
    ("cost", "words"),
    [("0", "$0.00"), ("0.00004", "less than $0.0001"), ("0.0213", "$0.0213"), ("1234.5", "$1,234.50")],
)
def test_dollars(cost: str, words: str) -> None:
    assert money(Decimal(cost)) == words


def test_a_closed_stdin_says_so(
    vendor: Vendor, tmp_path: Path, batch: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    found = batch("-", "-o", "o.jsonl")
    assert (found.returncode, "stdin cannot be read: it is closed" in found.stderr) == (2, True)


def test_a_run_that_is_stopping_shows_no_share(vendor: Vendor, tmp_path: Path) -> None:
    write(tmp_path / "r.jsonl", (request(number) for number in range(300)))
    reached = Reached(vendor, hold=True)
    ours, theirs = pty.openpty()
    command = [*program(), "r.jsonl", "-o", "o.jsonl", "--max-concurrency", "4"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment(vendor), stderr=theirs) as process:  # noqa: S603 (ours)
        os.close(theirs)
        reached.wait(4)
        process.send_signal(signal.SIGINT)
        seen = b""
        while select.select([ours], [], [], 60)[0]:
            try:
                seen += os.read(ours, 65536)
            except OSError:
                break
            # It is let go when a line was shown after the one that says so.
            if b" done" in seen.partition(b"stopping:")[2]:
                reached.let_go()
    os.close(ours)
    assert process.returncode == 130
    assert b"\xe2\x96\x91" not in seen.partition(b"stopping:")[2]
