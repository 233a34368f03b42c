"""`dragoman batch` beside loops that are written by hand; its memory; and runs that are killed.

nox -s batch_bench                         about eight minutes on an idle machine
nox -s batch_bench -- --quick              one hundredth of it: shows that it works, no more
python tests/benchmarks --write            docs/performance.md from the stored run
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import campaign
import loopback
import page
import workload
from environments import Environments

if TYPE_CHECKING:
    from collections.abc import Iterator

_HERE = Path(__file__).parent
#: Vendor and side -> how many of the requests: the rates of loops do not change with their number.
_SHARES = {
    ("openai", "dragoman"): 1.0,
    ("openai", "sdk"): 0.1,
    ("openai", "litellm"): 0.03,
    ("anthropic", "dragoman"): 0.2,
    ("anthropic", "sdk"): 0.1,
    ("anthropic", "litellm"): 0.03,
}
_LINES, _MEMORY, _KILLS = 100_000, (10_000, 100_000, 1_000_000), 50
#: Requests at the same time, of each side.
_OPEN = 64


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 (a command's progress)


def requests(path: Path, vendor: str, count: int) -> Path:
    """Write a file of so many requests, no two of them alike."""
    model, chat = workload.model(vendor, "text"), workload.chat("text")
    head = f"{vendor}/" if vendor != "openai" else ""
    body = {**chat.request, "model": head + model}
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            asked = {**body, "messages": [*chat.messages[:-1], {"role": "user", "content": f"Question {number}"}]}
            line = {"custom_id": f"r{number}", "method": "POST", "url": "/v1/chat/completions", "body": asked}
            file.write(json.dumps(line) + "\n")
    return path


def plain(path: Path, target: Path) -> Path:
    """Write requests as a vendor's own SDK wants their models: without its name."""
    with path.open(encoding="utf-8") as source, target.open("w", encoding="utf-8") as file:
        for line in source:
            file.write(line.replace('"model": "anthropic/', '"model": "', 1))
    return target


def environment(port: int) -> dict[str, str]:
    """How providers are reached, by those who read it from there."""
    own = {
        "OPENAI_API_KEY": "sk-benchmark",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1",
        "ANTHROPIC_API_KEY": "sk-benchmark",
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{port}",
    }
    return {**os.environ, **own}


def measure(command: list[str], port: int) -> dict[str, float]:
    """Run a program on one processor; return its seconds of CPU and of wall clock, and its memory in MiB."""
    begun = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 (environments of ours)
        command, env=environment(port), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    loopback.pin(-1, process.pid)
    assert process.stderr is not None
    said = process.stderr.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        message = f"{command}: {said[-2000:]}"
        raise RuntimeError(message)
    wall = time.perf_counter() - begun
    return {"cpu": used.ru_utime + used.ru_stime, "wall": wall, "mib": used.ru_maxrss / 1024}


def batch(python: str, source: Path, target: Path) -> list[str]:
    """Return the command of a run."""
    most = ("--max-concurrency", str(_OPEN))
    return [python, "-m", "dragoman", "batch", str(source), "-o", str(target), "--overwrite", *most]


def rates(homes: Environments, folder: Path, port: int, lines: int) -> Iterator[list[Any]]:
    """Give vendor, side, requests, requests a second of CPU, and requests a second."""
    for (vendor, side), share in _SHARES.items():
        count = max(1, int(lines * share))
        say(f"{vendor}, {side}: {count:,} requests")
        source, target = requests(folder / "requests.jsonl", vendor, count), folder / "answers.jsonl"
        if side == "dragoman":
            command = batch(homes.python("batch"), source, target)
        else:
            asked = plain(source, folder / "plain.jsonl")
            arguments = [side, vendor, str(port), str(asked), str(target), str(_OPEN)]
            command = [homes.python(side, vendor), str(_HERE / "batch_worker.py"), *arguments]
        found = measure(command, port)
        answered = Counter(json.loads(line)["custom_id"] for line in target.open(encoding="utf-8"))
        assert len(answered) == answered.total() == count, "not each request has its answer"
        yield [vendor, side, count, round(count / found["cpu"]), round(count / found["wall"])]


def memory(homes: Environments, folder: Path, port: int, sizes: list[int]) -> Iterator[list[float]]:
    """Give lines, memory in MiB, and requests a second."""
    for count in sizes:
        say(f"memory: {count:,} lines")
        source = requests(folder / "requests.jsonl", "openai", count)
        # Answers to a device: what is measured takes no gigabytes of disk.
        command = [*batch(homes.python("batch"), source, Path(os.devnull)), "--errors", str(folder / "errors.jsonl")]
        found = measure(command, port)
        yield [count, round(found["mib"], 1), round(count / found["wall"])]


class _Counting(loopback._Link):
    """The provider in Python, which counts what it is asked."""

    asked: ClassVar[Counter[str]] = Counter()

    def _answer(self, path: str, body: bytes) -> bytes:
        found = re.search(rb"Question (\d+)", body)
        if found:
            self.asked[found[1].decode()] += 1
        return super()._answer(path, body)


def kills(homes: Environments, folder: Path, count: int) -> dict[str, int]:
    """Kill runs at random moments, one behind the other, until they have been killed so often, and end the last."""
    chance, lines = random.Random(50), 400 * count  # noqa: S311 (no secret: the same moments each time)
    source = requests(folder / "requests.jsonl", "openai", lines)
    target = folder / "answers.jsonl"
    target.unlink(missing_ok=True)
    (folder / "answers.errors.jsonl").unlink(missing_ok=True)
    command = [part for part in batch(homes.python("batch"), source, target) if part != "--overwrite"]
    done = 0
    with loopback.counting(_Counting) as port:
        while True:
            process = subprocess.Popen(command, env=environment(port), stderr=subprocess.DEVNULL)  # noqa: S603 (ours)
            if done == count:
                process.wait()
                break
            before = sum(_Counting.asked.values())
            while sum(_Counting.asked.values()) == before and process.poll() is None:
                time.sleep(0.005)
            time.sleep(chance.uniform(0, 0.2))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                done += 1
            elif not process.returncode:
                say(f"the file came to its end after {done} kills")
                break
            process.wait()
    answered = Counter(json.loads(line)["custom_id"] for line in target.open(encoding="utf-8"))
    asked = _Counting.asked
    return {
        "killed": done,
        "lines": lines,
        "lost": lines - len(answered),
        "written twice": answered.total() - len(answered),
        "asked again": asked.total() - len(asked),
        "in flight at most": _OPEN,
    }


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one hundredth of it")
    parser.add_argument("--environments", type=Path, help="folder of the environments that nox made")
    parser.add_argument("--store", metavar="NAME", help="where to keep it: results/NAME.json (a quick run: nowhere)")
    options = parser.parse_args()
    homes, less = Environments(options.environments), 100 if options.quick else 1
    result: dict[str, Any] = {
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": campaign.machine(),
        "quick": options.quick,
        "open": _OPEN,
    }
    with tempfile.TemporaryDirectory(prefix="dragoman-bench-") as temporary:
        folder = Path(temporary)
        with loopback.provider() as port:
            result["rates"] = list(rates(homes, folder, port, _LINES // less))
            result["memory"] = list(memory(homes, folder, port, [size // less for size in _MEMORY]))
        say("killed runs")
        result["kills"] = kills(homes, folder, 5 if options.quick else _KILLS)
    print(page.text_of("batch", result))  # noqa: T201 (the command's result)
    if options.store or not options.quick:
        say(f"stored in {page.store(options.store or 'batch', result)}; tests/benchmarks --write makes the page")


if __name__ == "__main__":
    main()
