"""Counts instructions of encode, decode and stream feed of each provider, and compares them with what was stored.

    nox -s instructions                  fails if a figure moved by more than 10 %
    nox -s instructions -- --accept      stores the figures of this Python

Counts do not depend on how busy a machine is, which times do. Builds of one Python differ a little, so figures are
compared as multiples of a yardstick: work that is none of ours, counted in the same process.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import counted
from report import table

STORED = Path(__file__).with_name("results") / "instructions.json"
TOLERANCE = 0.10
_YARDSTICK = "yardstick"
_PYTHON = "{}.{}".format(*sys.version_info[:2])

Figures = dict[str, int]


def lacking() -> str:
    """Return what this machine lacks to count, or nothing."""
    if missing := [name for name in ("valgrind", "gcc") if not shutil.which(name)]:
        return f"{' and '.join(missing)} not found"
    return ""


def count() -> Figures:
    """Run the cases under callgrind; return instructions per run."""
    with tempfile.TemporaryDirectory(prefix="dragoman-count-") as temporary:
        library, out = f"{temporary}/counter.so", f"{temporary}/out"
        source = str(Path(__file__).with_name("counter.c"))
        subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, source], check=True)  # noqa: S603, S607 (the compiler on PATH)
        tool = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}"]
        program = [sys.executable, "-W", "ignore", counted.__file__, library]
        # Names and values of the environment lie on the stack, and the seed decides the order of sets.
        env = {"PATH": os.environ["PATH"], "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        run = subprocess.run([*tool, *program], env=env, capture_output=True, text=True, check=False)  # noqa: S603 (ours)
        if run.returncode:
            sys.exit(f"counting failed:\n{run.stderr[-3000:]}")
        found = [read(path.read_text("utf-8", "replace")) for path in Path(temporary).glob("out.*")]
    totals = dict(one for one in found if one is not None)
    names = {name for name, _ in totals}
    times = counted.RUNS
    return {name: (totals[name, 2 * times] - totals[name, times]) // times for name in sorted(names)}


def read(text: str) -> tuple[tuple[str, int], int] | None:
    """Read one dump: whose it is, and the total; None for what lies between the cases."""
    name = re.search(r"(?m)^desc: Trigger: Client Request: (\S+) (\d+)$", text)
    total = re.search(r"(?m)^totals: (\d+)$", text)
    return ((name[1], int(name[2])), int(total[1])) if name and total else None


def compare(now: Figures, before: Figures) -> tuple[str, list[str]]:
    """Return a table of all figures, and a line for each that moved too far, is new, or is gone."""
    scale = now[_YARDSTICK] / before[_YARDSTICK]
    rows, moved = [], []
    for name in sorted({*now, *before} - {_YARDSTICK}):
        if name not in now or name not in before:
            moved.append(f"{name} is {'gone' if name in before else 'new'}")
            continue
        change = now[name] / (before[name] * scale) - 1
        rows.append([name, f"{before[name] * scale:,.0f}", f"{now[name]:,}", f"{change:+.1%}"])
        if abs(change) > TOLERANCE:
            moved.append(f"{name}: {change:+.1%}")
    return table(["instructions a run", "stored", "now", "change"], rows), moved


def main(arguments: list[str]) -> None:
    """Count, tell, and store if that is asked for."""
    if why := lacking():
        sys.exit(f"{why}: instructions cannot be counted here")
    stored = json.loads(STORED.read_text("utf-8")) if STORED.exists() else {}
    now = count()
    if "--accept" in arguments:
        stored[_PYTHON] = {"python": platform.python_version(), "figures": now}
        STORED.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n", "utf-8")
        print(f"stored {len(now)} figures of Python {_PYTHON}")  # noqa: T201 (a command's result)
        return
    if _PYTHON not in stored:
        print(table(["instructions a run", "now"], [[name, f"{one:,}"] for name, one in now.items()]))  # noqa: T201 (as above)
        print(f"nothing is stored of Python {_PYTHON}: nox -s instructions -- --accept")  # noqa: T201 (as above)
        return
    text, moved = compare(now, stored[_PYTHON]["figures"])
    print(text)  # noqa: T201 (as above)
    if moved:
        lines = "\n".join(f"  {line}" for line in moved)
        sys.exit(
            f"These moved by more than {TOLERANCE:.0%} (Python {_PYTHON}):\n{lines}\n"
            "If that is meant, say why in the commit and store them: nox -s instructions -- --accept"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
