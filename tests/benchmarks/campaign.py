"""A run: every side in its own process, taking turns block by block, so that all of them meet the same noise."""

from __future__ import annotations

import json
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import peers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from environments import Environments

_HERE = Path(__file__).parent
MODES = ("sync", "async")
#: Other translators take part in the first rounds: what they cost is told apart without the others.
PEER_ROUNDS = 2
#: The SDKs as senders with aiohttp, which changes nothing of synchronous calls.
ONLY_ASYNC = "dragoman aiohttp"
#: Seconds for what one process measures of memory.
_LONGEST = 900


@dataclass(frozen=True)
class Plan:
    """What is measured: `seconds` a block, `blocks` of each side in turn, `rounds` of fresh processes."""

    vendors: list[str]
    scenarios: list[str]
    sides: list[str]
    modes: list[str]
    rounds: int
    blocks: int = 3
    seconds: float = 0.08

    def sides_in(self, turn: int) -> list[str]:
        """Return who takes part in a round."""
        return [side for side in self.sides if turn < PEER_ROUNDS or side not in peers.PEERS]


class Process:
    """A worker, asked a line at a time."""

    def __init__(self, python: str, side: str, vendor: str, port: int) -> None:
        command = [python, str(_HERE / "worker.py"), side, vendor, str(port)]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, text=True, **pipes)  # noqa: S603 (an environment of ours)
        self.hello = self._read()

    def ask(self, **task: Any) -> dict[str, Any]:
        """Give a task and wait for the answer; a process that died says so."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(task) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return {"failed": "the process died"}
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found: dict[str, Any] = json.loads(line) if line else {"failed": "the process died"}
        return found

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


@dataclass
class Campaign:
    """Runs a plan; `rows` are what came, `notes` what did not work and why, `versions` what was measured."""

    plan: Plan
    environments: Environments
    port: int
    say: Callable[[str], None]

    def __post_init__(self) -> None:
        self.rows: dict[tuple[str, str, str, str], list[list[float]]] = {}
        self.notes: dict[str, str] = {}
        self.versions: dict[str, dict[str, str]] = {}

    def run(self) -> None:
        """Measure calls."""
        for turn in range(self.plan.rounds):
            for vendor in self.plan.vendors:
                self.say(f"calls: round {turn + 1} of {self.plan.rounds}, {vendor}")
                with ExitStack() as stack:
                    self._round(vendor, dict(self._started(vendor, stack, self.plan.sides_in(turn))))

    def _started(self, vendor: str, stack: ExitStack, sides: list[str]) -> Iterator[tuple[str, Process]]:
        for side in sides:
            if not self.environments.has(side, vendor):
                self._note(f"{side}, {vendor}", "it was not installed")
                continue
            process = Process(self.environments.python(side, vendor), side, vendor, self.port)
            stack.callback(process.close)
            if failed := process.hello.get("failed"):
                self._note(f"{side}, {vendor}", failed)
                continue
            self.versions[self.environments.name(side, vendor)] = process.hello["versions"]
            yield side, process

    def _round(self, vendor: str, processes: dict[str, Process]) -> None:
        for mode in self.plan.modes:
            taking_part = {side: one for side, one in processes.items() if mode == "async" or side != ONLY_ASYNC}
            for scenario in self.plan.scenarios:
                task = {"scenario": scenario, "mode": mode, "least": 2}
                ready = {}
                for side, process in taking_part.items():
                    answer = process.ask(run="prepare", seconds=self.plan.seconds / 2, **task)
                    if why := answer.get("failed") or answer.get("lacks"):
                        self._note(f"{side}, {vendor}, {scenario}, {mode}", why)
                    else:
                        ready[side] = process
                for side, found in self._blocks(ready, task).items():
                    self.rows.setdefault((vendor, scenario, mode, side), []).append(found)

    def _blocks(self, ready: dict[str, Process], task: dict[str, Any]) -> dict[str, list[float]]:
        """Return, of each side, the mean CPU per call over its blocks and the best wall time."""
        found: dict[str, list[dict[str, Any]]] = {}
        for _ in range(self.plan.blocks):
            for side, process in ready.items():
                answer = process.ask(run="measure", seconds=self.plan.seconds, **task)
                if "cpu" in answer:
                    found.setdefault(side, []).append(answer)
        return {side: _together(answers) for side, answers in found.items()}

    def _note(self, where: str, why: str) -> None:
        if where not in self.notes:
            self.say(f"{where}: {why}")
        # Where the environments lie on one machine is nobody's business.
        self.notes[where] = why.replace(f"{self.environments.folder}/", "")


def _together(answers: list[dict[str, Any]]) -> list[float]:
    calls = sum(answer["calls"] for answer in answers)
    cpu = sum(answer["cpu"] * answer["calls"] for answer in answers) / calls
    return [round(cpu, 1), round(min(answer["best"] for answer in answers), 1), calls]


def memory(
    environments: Environments, side: str, vendor: str, port: int, counts: tuple[int, int, int]
) -> dict[str, Any]:
    """Measure what stays in memory, of one side: calls, abandoned streams, streams held open."""
    command = [environments.python(side, vendor), str(_HERE / "memory.py"), side, vendor, str(port)]
    found: dict[str, Any] = {}
    # What the calls have freed would hide what the streams hold: these are held in a process of their own.
    for part in ((*counts[:2], 0), (0, 0, counts[2])):
        options: dict[str, Any] = {"capture_output": True, "text": True, "timeout": _LONGEST}
        try:
            run = subprocess.run([*command, *map(str, part)], check=False, **options)  # noqa: S603 (an environment of ours)
        except subprocess.TimeoutExpired:
            return {"failed": f"not done after {_LONGEST} seconds"}
        if run.returncode or not run.stdout:
            return {"failed": (run.stderr.strip().splitlines() or ["it printed nothing"])[-1][:300]}
        found.update(json.loads(run.stdout))
    return found


def machine() -> dict[str, Any]:
    """Return what ran it: processor, system, Python."""
    import os
    import platform

    name = platform.processor() or platform.machine()
    place = Path("/proc/cpuinfo")
    if place.exists():
        lines = [line for line in place.read_text("utf-8").splitlines() if line.startswith("model name")]
        name = lines[0].partition(":")[2].strip() if lines else name
    load = [round(one, 1) for one in os.getloadavg()] if hasattr(os, "getloadavg") else []
    return {
        "processor": name,
        "processors": os.cpu_count(),
        "system": platform.system(),
        "release": platform.release(),
        "python": platform.python_version(),
        "load": load,
    }
