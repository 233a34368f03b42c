"""Where the CPU of a call goes: `python shares.py SIDE VENDOR SCENARIO [MODE] [SECONDS]`, as a flame graph's summary.

SIDE is one that is measured (sdk, dragoman, "dragoman direct"), SCENARIO one of `workload` or "first", a first call
with its imports. Prints the shares of the layers, and the functions that take most themselves. A timer that counts CPU
looks some hundred times a second at which function runs; what C code takes counts for the function that called it.

Another commit's code is looked at by its folders on PYTHONPATH: core/src, plugins/openai/src, and so on.
"""

from __future__ import annotations

import re
import signal
import sys
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Self

import loopback
import report
import startup
import worker
import workload

if TYPE_CHECKING:
    from types import FrameType

_INTERVAL = 0.001
_MOST = 12
#: The first of these that a function's file begins with, below the folder of packages, names its layer.
_LAYERS = {
    "dragoman/core/arguments": "core: what is no JSON is sought",
    "dragoman/core/codec": "core: JSON",
    "dragoman/core/framing": "core: events",
    "dragoman/core/connections": "network",
    "dragoman/core/stdlibhttp": "network",
    "dragoman/core/sessions": "network",
    "dragoman/core/": "core: the rest",
    "dragoman/": "translation",
    "httpx": "HTTP library",
    "httpcore": "HTTP library",
    "h11/": "HTTP library",
    "anyio/": "HTTP library",
    "aiohttp/": "HTTP library",
    "http/client": "network",
    "socket.py": "network",
    "ssl.py": "network",
    "asyncio/": "event loop",
    "selectors.py": "event loop",
    "pydantic": "pydantic",
    "openai/": "openai SDK",
    "anthropic/": "anthropic SDK",
    "mistralai/": "mistralai SDK",
    "together/": "together SDK",
    "ollama/": "ollama package",
    "<frozen importlib": "imports: files are found and read",
}
_ROOT = re.compile(r".*/(?:site-packages|src|python3\.\d+)/")


class Shares:
    """Counts samples by layer and by function while it is entered."""

    def __init__(self) -> None:
        self.layers: Counter[str] = Counter()
        self.functions: Counter[str] = Counter()

    def __enter__(self) -> Self:
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, _INTERVAL, _INTERVAL)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _look(self, _: int, frame: FrameType | None) -> None:
        if frame is None:
            return
        code = frame.f_code
        self.functions[f"{'/'.join(Path(code.co_filename).parts[-2:])}: {code.co_qualname}"] += 1
        # Python's own functions count for the layer that called them.
        while frame is not None and (layer := layer_of(frame.f_code.co_filename)) is None:
            frame = frame.f_back
        self.layers[layer if frame is not None and layer else "Python"] += 1

    def tables(self) -> str:
        """Return both as tables."""
        total = max(1, self.layers.total())

        def rows(counts: Counter[str]) -> list[list[str]]:
            return [[name, f"{count / total:.1%}"] for name, count in counts.most_common(_MOST)]

        parts = [report.table(["layer", "share of CPU"], rows(self.layers))]
        return "\n\n".join([*parts, report.table(["function", "by itself"], rows(self.functions))])


def layer_of(file: str) -> str | None:
    """Return the layer of a function's file; None: Python's own."""
    place = _ROOT.sub("", file.replace("\\", "/"))
    return next((layer for part, layer in _LAYERS.items() if place.startswith(part)), None)


def of_calls(side: str, vendor: str, scenario: str, mode: str, seconds: float, port: int) -> Shares:
    """Look at calls, after some that are not looked at."""
    made = worker.Worker(side, vendor, port)
    made.calls(scenario, mode, seconds / 5, 3)
    with Shares() as shares:
        found = made.calls(scenario, mode, seconds, 3)
    print(f"{found['calls']} calls, {found['cpu']:,.0f} µs of CPU each\n")  # noqa: T201 (a command's result)
    return shares


def of_first_call(side: str, vendor: str, port: int) -> Shares:
    """Look at a program that makes one call."""
    code = startup.first_call(side, vendor, port)
    with Shares() as shares:
        exec(compile(code, "first call", "exec"), {})  # noqa: S102 (code of `startup`)
    return shares


def main(side: str, vendor: str, scenario: str, mode: str = "sync", seconds: str = "10") -> None:
    """Look, and print what was seen."""
    warnings.simplefilter("ignore")
    if scenario not in {"first", *workload.SCENARIOS}:
        sys.exit(f"{scenario}: neither first nor one of {', '.join(workload.SCENARIOS)}")
    with loopback.provider() as port:
        loopback.pin(-1)
        if scenario == "first":
            shares = of_first_call(side, vendor, port)
        else:
            shares = of_calls(side, vendor, scenario, mode, float(seconds), port)
    print(shares.tables())  # noqa: T201 (a command's result)


if __name__ == "__main__":
    main(*sys.argv[1:])
