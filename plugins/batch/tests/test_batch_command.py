from __future__ import annotations

import asyncio
import json
import os
import pty
import random
import select
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from batch_lab import Json, Vendor, batch, command, completion, environment, ids, read, request, usual, write
from dragoman.batch.recovery import read_lines


def start(vendor: Vendor, *arguments: str, cwd: Path, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 (ours)
        command(*arguments),
        cwd=cwd,
        env=environment(vendor, **options.pop("env", {})),
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )


class Reached:
    """Holds up whoever waits until the vendor was asked so often."""

    def __init__(self, vendor: Vendor, *, latency: float = 0.0) -> None:
        self._vendor = vendor
        self._latency = latency
        self._count, self._wanted = 0, 10**9
        self._event = threading.Event()
        self.hold = False
        vendor.answer = self._answer

    async def _answer(self, body: Json) -> Any:
        self._count += 1
        if self._count >= self._wanted:
            self._event.set()
        await asyncio.sleep(self._latency)
        while self.hold:
            await asyncio.sleep(0.01)
        return await usual(body)

    def wait(self, more: int) -> None:
        self._event.clear()
        self._wanted = self._count + more
        assert self._event.wait(60)


@pytest.mark.parametrize("name", ["answers.jsonl", "answers.jsonl.gz", "answers.jsonl.zst"])
def test_a_killed_run_loses_nothing_and_repeats_what_was_in_flight(vendor: Vendor, tmp_path: Path, name: str) -> None:
    """Five kills at random moments for each kind of file."""
    count, most = 600, 16
    write(tmp_path / "requests.jsonl", (request(number) for number in range(count)))
    reached, chance = Reached(vendor, latency=0.005), random.Random(name)
    arguments = ("requests.jsonl", "-o", name, "--max-concurrency", str(most), "-q")
    kills = 0
    while kills < 5:
        process = start(vendor, *arguments, cwd=tmp_path)
        reached.wait(chance.randint(1, 90))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += 1
    found = batch(vendor, *arguments, cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    answered = [json.loads(line)["custom_id"] for line in read_lines(tmp_path / name)]
    assert sorted(answered) == sorted(f"r{number}" for number in range(count)), "lost, or written twice"
    repeated = sum(vendor.asked.values()) - count
    assert repeated <= kills * most


def test_ctrl_c_waits_for_what_is_on_its_way(vendor: Vendor, tmp_path: Path) -> None:
    write(tmp_path / "r.jsonl", (request(number) for number in range(500)))
    reached = Reached(vendor, latency=0.02)
    process = start(vendor, "r.jsonl", "-o", "o.jsonl", cwd=tmp_path)
    reached.wait(30)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"stopping: " in said
    assert b"goes on from there" in said
    assert len(ids(tmp_path / "o.jsonl")) == sum(vendor.asked.values()) < 500
    assert batch(vendor, "r.jsonl", "-o", "o.jsonl", "--resume", cwd=tmp_path).returncode == 0
    assert set(vendor.asked.values()) == {1}


def test_ctrl_c_twice_does_not_wait(vendor: Vendor, tmp_path: Path) -> None:
    write(tmp_path / "r.jsonl", (request(number) for number in range(100)))
    reached = Reached(vendor)
    reached.hold = True
    process = start(vendor, "r.jsonl", "-o", "o.jsonl", cwd=tmp_path)
    reached.wait(5)
    process.send_signal(signal.SIGINT)
    assert process.stderr
    while b"stopping" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    reached.hold = False
    assert process.returncode == 130
    assert ids(tmp_path / "o.jsonl") == []


def test_stdin_to_stdout(vendor: Vendor, tmp_path: Path) -> None:
    lines = "".join(json.dumps({"messages": request(number)["body"]["messages"]}) + "\n" for number in range(5))
    found = batch(vendor, "-", "-o", "-", "--errors", "e.jsonl", "-m", "openai/m", cwd=tmp_path, input=lines)
    assert found.returncode == 0, found.stderr
    assert sorted(json.loads(line)["custom_id"] for line in found.stdout.splitlines()) == [
        f"line-{number}" for number in range(1, 6)
    ]
    assert "5 answered, 0 failed" in found.stderr
    assert "latency: p50 " in found.stderr


def test_exit_codes_and_words(vendor: Vendor, tmp_path: Path) -> None:
    write(tmp_path / "r.jsonl", [request(1), "{"])
    found = batch(vendor, "r.jsonl", cwd=tmp_path)
    assert found.returncode == 6
    assert "what failed, and why, is in r.errors.jsonl" in found.stderr
    assert ids(tmp_path / "r.out.jsonl") == ["r1"]
    assert batch(vendor, "check", "r.jsonl", cwd=tmp_path).returncode == 6
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
        found = batch(vendor, *arguments, cwd=tmp_path)
        assert found.returncode == code, found.stderr
        assert words in found.stderr
    assert sum(vendor.asked.values()) == 1
    found = batch(vendor, "r.jsonl", "-o", "new.jsonl", cwd=tmp_path, env={"OPENAI_API_KEY": ""})
    assert found.returncode == 3
    assert "OPENAI_API_KEY" in found.stderr


def test_a_full_disk_is_said_before_and_on_the_way(vendor: Vendor, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    write(tmp_path / "r.jsonl", (request(number) for number in range(2000)))
    found = batch(vendor, "r.jsonl", "-o", "/dev/full", "--errors", "e.jsonl", cwd=tmp_path)
    assert found.returncode == 2
    assert "before line 1: /dev/full cannot be written: No space left on device" in found.stderr
    assert "could not be written" in found.stderr
    assert sum(vendor.asked.values()) <= 16
    limited = f"ulimit -f 2000; exec {' '.join(command('r.jsonl', '-o', 'o.jsonl'))}"
    asked = sum(vendor.asked.values())
    found = subprocess.run(  # noqa: S603 (ours)
        ["bash", "-c", limited], cwd=tmp_path, env=environment(vendor), capture_output=True, text=True, check=False
    )
    assert found.returncode == 2
    assert "cannot be written: File too large (a run wants 4 MiB)" in found.stderr
    assert sum(vendor.asked.values()) == asked


def test_a_disk_that_fills_up_loses_no_answer(vendor: Vendor, tmp_path: Path) -> None:
    async def long(body: Json) -> Any:
        return 200, {}, completion("x" * 50_000)

    vendor.answer = long
    write(tmp_path / "r.jsonl", (request(number) for number in range(400)))
    # In blocks of 1024 bytes: there is room for the reserve, and for a hundred answers.
    limited = f"ulimit -f 5000; exec {' '.join(command('r.jsonl', '-o', 'o.jsonl', '--max-concurrency', '4'))}"
    found = subprocess.run(  # noqa: S603 (ours)
        ["bash", "-c", limited], cwd=tmp_path, env=environment(vendor), capture_output=True, text=True, check=False
    )
    assert found.returncode == 2, found.stderr
    assert "o.jsonl cannot be written: File too large" in found.stderr
    first = ids(tmp_path / "o.jsonl")
    assert 50 < len(first) < 110
    assert batch(vendor, "r.jsonl", "-o", "o.jsonl", cwd=tmp_path).returncode == 0
    assert sorted(ids(tmp_path / "o.jsonl")) == sorted(f"r{number}" for number in range(400))
    assert sum(vendor.asked.values()) <= 400 + 4


def test_the_terminal_shows_how_far_it_is(vendor: Vendor, tmp_path: Path) -> None:
    write(tmp_path / "r.jsonl", (request(number) for number in range(300)))
    Reached(vendor, latency=0.1)
    ours, theirs = pty.openpty()
    process = start(vendor, "r.jsonl", "-o", "o.jsonl", "--max-concurrency", "32", cwd=tmp_path, stderr=theirs)
    os.close(theirs)
    seen = b""
    while select.select([ours], [], [], 60)[0]:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        seen += piece
    process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0
    text = seen.decode()
    bars = [part for part in text.split("\r\x1b[K") if "█" in part]
    assert bars
    assert all(len(bar) < 80 for bar in bars)
    assert "0 failed" in bars[-1]
    assert "tokens" in bars[-1]
    assert "/s" in bars[-1]
    assert "left" in bars[-1]
    assert text.rstrip().splitlines()[-1].startswith("dragoman: latency")


def test_two_runs_do_not_write_the_same_file(vendor: Vendor, tmp_path: Path) -> None:
    write(tmp_path / "r.jsonl", (request(number) for number in range(50)))
    reached = Reached(vendor)
    reached.hold = True
    process = start(vendor, "r.jsonl", "-o", "o.jsonl", cwd=tmp_path)
    reached.wait(1)
    found = batch(vendor, "r.jsonl", "-o", "o.jsonl", cwd=tmp_path)
    assert found.returncode == 2
    assert "is being written by another run" in found.stderr
    reached.hold = False
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert len(read(tmp_path / "o.jsonl")) == 50


def test_the_cache_answers_a_second_time(vendor: Vendor, tmp_path: Path) -> None:
    pytest.importorskip("dragoman.cache", reason="dragoman-cache is not installed")
    write(tmp_path / "r.jsonl", [request(1)])
    env = {"DRAGOMAN_CACHE": str(tmp_path / "cache.sqlite")}
    assert batch(vendor, "r.jsonl", "-o", "a.jsonl", cwd=tmp_path, env=env).returncode == 0
    found = batch(vendor, "r.jsonl", "-o", "b.jsonl", cwd=tmp_path, env=env)
    assert "1 from the cache" in found.stderr
    assert sum(vendor.asked.values()) == 1
