"""A run that is killed between a batch's making and the note of it does not have the batch made twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from vendor_lab import Anthropic, OpenAI

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine_lab import Run

#: What is killed: a run of the engine on requests of its own.
PROGRAM = """
import asyncio, sys
from engine_lab import Line
from dragoman.batch import Request, Settings
from dragoman.batch.native import NativeEngine
from dragoman.core.plugins import plugins
from pathlib import Path

name, model, url, state, clock = sys.argv[1:]
provider = plugins().make(name, {"base_url": url, "api_key": "k"})
body = {"model": f"{name}/{model}", "messages": [{"role": "user", "content": "one"}], "max_tokens": 64}
settings = Settings({"providers": [provider]}, state=Path(state))
asyncio.run(NativeEngine(clock=lambda: int(clock)).run(Line([Request("id-1", body, line=1)]), settings))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no kill -9 here")
@pytest.mark.parametrize("kind", [Anthropic, OpenAI], ids=lambda kind: kind.name)
def test_killed_before_it_knew_of_its_batch(run_at: Callable[[type], Run], kind: type, request: Any) -> None:
    run = run_at(kind)
    vendor = run.vendor
    folder: Path = request.path.parent
    arguments = [vendor.name, vendor.model, vendor.url, str(run.state), str(vendor.clock)]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    with subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], env=environment) as process:  # noqa: S603 (ours)
        vendor.on_batch = process.kill
        assert process.wait(60) == -signal.SIGKILL
    assert len(vendor.made()) == 1
    vendor.on_batch = lambda: None
    run.ask("one")
    run.go()
    assert run.said() == {"id-1": "You said: one"}
    assert len(vendor.made()) == 1
