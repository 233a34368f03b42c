"""The gateway of the soak: `dragoman serve` in a process of its own, watched from outside."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from traffic import KEYS, LIMITED

#: The command itself, in a process that writes on SIGUSR1 how many tasks its loop has.
_WATCHED = """
import asyncio, os, signal, sys
def tell(*_):
    with open(os.environ["SOAK_TASKS"], "w") as file:
        file.write(str(len(asyncio.all_tasks())))
signal.signal(signal.SIGUSR1, tell)
from dragoman.core.cli import main
sys.argv[0] = "dragoman"
main()
"""
_READY = 120


class Gateway:
    """`tasks`, `files` and `resident` (MiB) say what it holds."""

    def __init__(self, folder: Path, upstream_port: int, stall: float) -> None:
        self._folder, self._upstream, self._stall = folder, upstream_port, stall
        self._told = folder / "tasks"
        self.reloads = 0
        self.failures: list[str] = []
        self.log: list[dict[str, Any]] = []

    def configure(self, remark: str = "") -> None:
        """Write the configuration; `remark` makes it another one."""
        keys = "\n".join(
            f'[[server.keys]]\nname = "{name}"\nhash = "sha256:{hashlib.sha256(key.encode()).hexdigest()}"\n{more}\n'
            for (name, key), more in zip(
                KEYS.items(),
                (
                    "requests_per_minute = 10000000\ntokens_per_minute = 1000000000\nmax_concurrency = 500",
                    f"requests_per_minute = {LIMITED}",
                    'models = ["openai/another"]',
                    "expires = 2020-01-01T00:00:00Z",
                ),
                strict=True,
            )
        )
        text = f"""
max_retries = 0
[aliases]
"remark{remark}" = "openai/one"
[providers.openai]
base_url = "http://127.0.0.1:{self._upstream}/v1"
api_key = "upstream-key-0123456789"
[providers.anthropic]
base_url = "http://127.0.0.1:{self._upstream}"
api_key = "upstream-key-0123456789"
[server]
request_timeout = {self._stall}
max_body_bytes = 1000000
[server.limits."*"]
max_concurrency = 900
{keys}
"""
        (self._folder / "dragoman.toml").write_text(text, "utf-8")

    async def start(self) -> str:
        """Start it; return its address."""
        self.configure()
        env = {**os.environ, "SOAK_TASKS": str(self._told), "DRAGOMAN_PLUGINS": "server,openai,anthropic"}
        arguments = ["serve", "--port", "0", "--config", str(self._folder / "dragoman.toml")]
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _WATCHED, *arguments, env=env, stderr=asyncio.subprocess.PIPE, limit=1 << 24
        )
        assert self.process.stderr is not None
        line = await asyncio.wait_for(self.process.stderr.readline(), _READY)
        url = str(json.loads(line)["url"]).removesuffix("/v1")
        self._reading = asyncio.ensure_future(self._read())
        return url

    async def _read(self) -> None:
        """Read the log: what failed inside, and what was reloaded."""
        assert self.process.stderr is not None
        while line := await self.process.stderr.readline():
            try:
                event = json.loads(line)
            except ValueError:
                self.failures.append(line.decode("utf-8", "replace").rstrip()[:300])
                continue
            if event["event"] == "reloaded":
                self.reloads += 1
            elif event["event"] != "request" or event.get("traceback"):
                self.failures.append(line.decode()[:2000])

    async def reload(self, remark: str) -> None:
        """Have it read a changed configuration."""
        self.configure(remark)
        self.process.send_signal(signal.SIGHUP)

    @property
    def resident(self) -> float:
        """MiB."""
        found = re.search(r"(?m)^VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text("utf-8"))
        return int(found[1]) / 1024 if found else 0.0

    @property
    def files(self) -> int:
        """Open file descriptors."""
        return len([*Path(f"/proc/{self.process.pid}/fd").iterdir()])

    async def tasks(self) -> int:
        """Tasks of its event loop."""
        self._told.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR1)
        while True:
            with suppress(OSError, ValueError):
                return int(self._told.read_text("utf-8"))
            await asyncio.sleep(0.02)

    async def stop(self) -> int:
        """End it as a supervisor would; return its exit status."""
        with suppress(ProcessLookupError):
            self.process.terminate()
        code = await self.process.wait()
        await self._reading
        return code
