"""Ask a fake of the vendor through a plugin that is installed elsewhere: chat.py PYTHON TAPE. See `nox -s new`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from dragoman.testing import FakeVendor, Scripted
from dragoman.testing.tapes import events_of, read_tape


def main(python: str, tape: str) -> None:
    """Run `dragoman chat` with that Python, let the tape's stream answer it, and say what was asked."""
    events = events_of(read_tape(Path(tape)), "sse")
    with FakeVendor(Scripted(b"".join(events), headers={"content-type": "text/event-stream"})) as vendor:
        told = {"ACME_BASE_URL": f"{vendor.url}/v1", "ACME_API_KEY": "the-key-of-nobody", "DRAGOMAN_OFFLINE": "1"}
        command = [python, "-m", "dragoman", "chat", "-m", "acme/big", "Is anybody there?"]
        said = subprocess.run(command, env={**os.environ, **told}, capture_output=True, text=True, check=False)  # noqa: S603 (ours)
    sys.stdout.write(f"$ dragoman chat -m acme/big 'Is anybody there?'\n{said.stdout}{said.stderr}")
    sys.stdout.write(f"the vendor was asked: {vendor.seen[0].method} {vendor.seen[0].path}\n" if vendor.seen else "")
    if said.returncode or said.stdout.strip() != "Only me, and an echo.":
        sys.exit(f"exit code {said.returncode}: that is not the tape's answer")


if __name__ == "__main__":
    main(*sys.argv[1:])
