"""A Ray cluster on this machine, by Ray's own programs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

#: Seconds that a node, or a program on the cluster, may take on a busy machine.
WAIT = 240
#: Bytes of a node's object store: what travels here is small.
STORE = 80_000_000
PROGRAMS = Path(sys.executable).parent
_ADDRESS = re.compile(r"--address='([^']+)'")


def environment(**more: str) -> dict[str, str]:
    """For Ray's programs: nothing of whoever runs the tests, nothing told to anybody, no colour."""
    env = {name: os.environ[name] for name in ("HOME", "LANG", "PATH", "TMPDIR", "VIRTUAL_ENV") if name in os.environ}
    # A token in somebody's home would be wanted by some of these programs, and not be known to others.
    env["RAY_AUTH_MODE"] = "disabled"
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_COLOR_PREFIX": "0", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
    return {**env, **quiet, "DRAGOMAN_OFFLINE": "1", **more}


def tell(text: str) -> None:
    """For whoever runs the session, which shows it."""
    sys.stdout.write(f"\n{text}\n")


class Program:
    """A program of Ray's in a session of its own, and what it has said."""

    def __init__(self, *command: str, **env: str) -> None:
        self.said = ""
        self._again = (command, env)
        self._more = threading.Condition()
        self._process = subprocess.Popen(  # noqa: S603 (programs of this environment)
            command,
            env=environment(**env),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                with self._more:
                    self.said += line
                    self._more.notify_all()
        with self._more:
            self.said += "[end]"
            self._more.notify_all()

    def again(self) -> Program:
        """Run the same once more, beside it."""
        command, env = self._again
        return Program(*command, **env)

    def until(self, sign: str) -> str:
        """Wait for it to say something; return all that it has said."""
        with self._more:
            assert self._more.wait_for(lambda: sign in self.said or "[end]" in self.said, WAIT), self.said
        assert sign in self.said, self.said
        return self.said

    def send(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for its end, and for that of whoever still holds its output."""
        code = self._process.wait(WAIT)
        self._reader.join(WAIT)
        return code

    def kill(self) -> None:
        """End it and all that it has started, at once."""
        for process in self.processes():
            os.kill(process, signal.SIGKILL)
        self.wait()

    def processes(self) -> list[int]:
        """The living processes of its session: Ray's workers have groups of their own."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/stat"):
            try:
                state, _, _, session = entry.read_text("utf-8").rpartition(")")[2].split()[:4]
            except OSError:
                continue
            if int(session) == self._process.pid and state not in {"Z", "X"}:
                found.append(int(entry.parent.name))
        return found


class Cluster:
    """Nodes that are started by `ray start`; the first one is the head."""

    def __init__(self, folder: Path, *, cpus: int = 2, **env: str) -> None:
        self._folder, self._env = folder, env
        self.nodes: list[Program] = []
        head = self.add("--head", "--port=0", "--include-dashboard=false", cpus=cpus)
        self.address = _ADDRESS.findall(head.said)[0]

    def add(self, *arguments: str, cpus: int = 2, **env: str) -> Program:
        """Start a node, which has these variables too."""
        place = arguments or (f"--address={self.address}",)
        # The head's folder is the session's; each process of a node has sockets there, whose paths must be short.
        temporary = [f"--temp-dir={self._folder}"] if arguments else []
        sizes = [f"--num-cpus={cpus}", f"--object-store-memory={STORE}"]
        node = Program(str(PROGRAMS / "ray"), "start", "--block", *place, *sizes, *temporary, **{**self._env, **env})
        self.nodes.append(node)
        node.until("To terminate the Ray runtime")
        return node

    def close(self) -> list[int]:
        """End all nodes, the head last; return what is left of them."""
        for node in reversed(self.nodes):
            if node.processes():
                node.send(signal.SIGTERM)
                node.wait()
        left = [process for node in self.nodes for process in node.processes()]
        for node in self.nodes:
            node.kill()
        return left
