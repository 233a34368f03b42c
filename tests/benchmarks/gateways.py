"""dragoman's server beside LiteLLM's proxy and Portkey's gateway: the same requests, the same provider, one run.

Each gateway is one process of its own on the last processor; the provider and the client (`load.c`) share the first.
They take turns, a fresh process in every round. dragoman runs as it is meant to: with keys, limits and metrics.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import campaign
import canned
import loopback
import workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_HERE = Path(__file__).parent
#: The clients' key; LiteLLM's begin so.
KEY = f"sk-{secrets.token_urlsafe(32)}"
#: Of which vendor's wire the provider speaks, behind the gateways.
VENDORS = ("anthropic", "openai")
#: What is measured -> connections, and whether streams are asked for.
LOADS: dict[str, tuple[int, bool]] = {
    "1": (1, False),
    "16": (16, False),
    "64": (64, False),
    "16 streams": (16, True),
}
#: Where a plugin that nobody asked for would show.
_FEW = ("16", "16 streams")
#: Seconds that a gateway may take to start, and how often it is asked meanwhile.
_STARTING, _EVERY = 120, 0.02
_GOOD = 200
#: What stands in the last event of a vendor's streams.
_LAST = {"anthropic": "message_stop", "openai": "[DONE]"}


@dataclass(frozen=True)
class Place:
    """Where things are in one run: the provider, the gateway's port, a folder for its files."""

    provider: int
    port: int
    folder: Path


@dataclass(frozen=True)
class Gateway:
    """How one is run. `headers`: what a client says besides its key, by vendor. `loads`: what is measured of it."""

    command: Callable[[Place], list[str]]
    headers: Callable[[Place, str], dict[str, str]] = lambda _, __: {}
    environment: dict[str, str] = field(default_factory=dict)
    loads: tuple[str, ...] = tuple(LOADS)


def model(vendor: str) -> str:
    """Return the model that answers with a text."""
    return workload.MODELS[vendor]["text"]


def _dragoman(python: str) -> Callable[[Place], list[str]]:
    def command(place: Place) -> list[str]:
        limits = "requests_per_minute = 100000000\ntokens_per_minute = 100000000000\nmax_concurrency = 1000"
        lines = [
            f'[providers.{vendor}]\napi_key = "upstream-key-of-no-one"\nbase_url = "http://127.0.0.1:{place.provider}{tail}"\n'
            for vendor, tail in zip(VENDORS, ("", "/v1"), strict=True)
        ]
        lines.insert(
            0, "[aliases]\n" + "".join(f'"{model(vendor)}" = "{vendor}/{model(vendor)}"\n' for vendor in VENDORS)
        )
        hashed = hashlib.sha256(KEY.encode()).hexdigest()
        lines.append(f'[[server.keys]]\nname = "load"\nhash = "sha256:{hashed}"\n{limits}\n')
        lines.append(f'[server.limits."*"]\n{limits}\n')
        place_of = place.folder / "dragoman.toml"
        place_of.write_text("\n".join(lines), "utf-8")
        return [python, "-m", "dragoman", "serve", "--port", str(place.port), "--config", str(place_of)]

    return command


def _litellm(program: str) -> Callable[[Place], list[str]]:
    def command(place: Place) -> list[str]:
        address = f"http://127.0.0.1:{place.provider}"
        listed = [
            {
                "model_name": model(vendor),
                "litellm_params": {
                    "model": f"{vendor}/{model(vendor)}",
                    "api_base": address + tail,
                    "api_key": "upstream-key-of-no-one",
                },
            }
            for vendor, tail in zip(VENDORS, ("", "/v1"), strict=True)
        ]
        config = place.folder / "litellm.yaml"
        # YAML reads JSON.
        config.write_text(json.dumps({"model_list": listed, "general_settings": {"master_key": KEY}}), "utf-8")
        return [
            program,
            "--config",
            str(config),
            "--host",
            "127.0.0.1",
            "--port",
            str(place.port),
            "--num_workers",
            "1",
        ]

    return command


def _portkey(folder: Path) -> Gateway:
    script = folder / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"

    def headers(place: Place, vendor: str) -> dict[str, str]:
        host = f"http://127.0.0.1:{place.provider}/v1"
        return {"x-portkey-provider": vendor, "x-portkey-custom-host": host}

    return Gateway(lambda place: ["node", str(script), "--headless", f"--port={place.port}"], headers)


def gateways(environments: Path) -> dict[str, Gateway]:
    """Return those that are installed below `environments`, as nox names them."""
    found: dict[str, Gateway] = {}
    for name, folder, loads in (
        ("dragoman", "gateway-dragoman", tuple(LOADS)),
        ("dragoman, all plugins", "gateway-dragoman-all", _FEW),
    ):
        python = environments / folder / "bin" / "python"
        if python.exists():
            found[name] = Gateway(_dragoman(str(python)), loads=loads)
    proxy = environments / "gateway-litellm" / "bin" / "litellm"
    if proxy.exists():
        # Else it fetches a list of models from the network while it starts.
        found["litellm"] = Gateway(_litellm(str(proxy)), environment={"LITELLM_LOCAL_MODEL_COST_MAP": "True"})
    portkey = environments / "gateway-portkey"
    if (portkey / "node_modules").exists() and shutil.which("node"):
        found["portkey"] = _portkey(portkey)
    return found


def versions(environments: Path) -> dict[str, str]:
    """Return what was measured, by name and version."""
    from importlib.metadata import distributions

    wanted = {"dragoman-server", "litellm", "uvicorn", "starlette", "uvloop", "httptools", "aiohttp"}
    found = {}
    for folder in sorted(environments.glob("gateway-*/lib/python*/site-packages")):
        named = {one.name.lower(): one.version for one in distributions(path=[str(folder)])}
        found[folder.parents[2].name] = ", ".join(f"{name} {named[name]}" for name in sorted(wanted & named.keys()))
    package = environments / "gateway-portkey" / "node_modules" / "@portkey-ai" / "gateway" / "package.json"
    if package.exists():
        node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout.strip()  # noqa: S607 (node)
        found["gateway-portkey"] = (
            f"@portkey-ai/gateway {json.loads(package.read_text('utf-8'))['version']}, node {node}"
        )
    return found


class Load:
    """The client: compiled once, run for each measurement."""

    def __init__(self, folder: Path) -> None:
        self._program = folder / "load"
        self._request = folder / "request"
        subprocess.run(["gcc", "-O2", "-o", str(self._program), str(_HERE / "load.c")], check=True)  # noqa: S603, S607 (our source)

    def run(
        self, port: int, path: str, headers: dict[str, str], body: bytes, mark: str, connections: int, seconds: float
    ) -> dict[str, Any]:
        """Ask again and again; what came. Raises `RuntimeError` if it was not what was asked for."""
        fields = {
            "host": f"127.0.0.1:{port}",
            "content-type": "application/json",
            "content-length": len(body),
            **headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._request.write_bytes(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        command = [str(self._program), str(port), str(connections), str(seconds), str(self._request), mark]
        run = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 (ours)
        found: dict[str, Any] = json.loads(run.stdout)
        if found["wrong"] or not found["answers"]:
            total = found["wrong"] + found["answers"]
            message = f"{found['wrong']} answers of {total} were not right: {found['first_wrong']}"
            raise RuntimeError(message)
        return found


def asked(vendor: str, *, stream: bool) -> bytes:
    """Return the request's body, as clients of OpenAI's API write it."""
    return json.dumps({"model": model(vendor), "stream": stream, **workload.chat("text").request}).encode()


def _tree(process: int) -> list[int]:
    """Return a process and its children."""
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True, check=False)  # noqa: S603, S607 (procps)
    return [process, *(one for child in listed.stdout.split() for one in _tree(int(child)))]


def resident(process: int) -> float:
    """Return the MiB that a process and its children hold."""
    total = 0
    for one in _tree(process):
        with suppress(OSError):
            found = re.search(r"(?m)^VmRSS:\s+(\d+)", Path(f"/proc/{one}/status").read_text("utf-8"))
            total += int(found[1]) if found else 0
    return round(total / 1024, 1)


def burnt(process: int) -> float:
    """Return the seconds of CPU that a process and its children took."""
    ticks = 0
    for one in _tree(process):
        with suppress(OSError):
            values = Path(f"/proc/{one}/stat").read_text("utf-8").rpartition(")")[2].split()
            ticks += int(values[11]) + int(values[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(gateway: Gateway, place: Place) -> Iterator[tuple[int, float]]:
    """Run a gateway; gives its process, and the seconds until it had answered once."""
    command = gateway.command(place)
    began = time.perf_counter()
    with (place.folder / "log").open("wb") as log:
        env = {**os.environ, **gateway.environment}
        process = subprocess.Popen(command, stdout=log, stderr=log, env=env, start_new_session=True)  # noqa: S603 (gateways)
        loopback.pin(-1, process.pid)
        try:
            while not _answers(gateway, place):
                if process.poll() is not None or time.perf_counter() - began > _STARTING:
                    said = (place.folder / "log").read_text("utf-8", "replace")[-400:]
                    message = f"{Path(command[0]).name} does not answer: {said}"
                    raise RuntimeError(message)
                time.sleep(_EVERY)
            yield process.pid, time.perf_counter() - began
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _answers(gateway: Gateway, place: Place) -> bool:
    """Whether a real request is answered: some say that they are ready, and are not."""
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    headers |= gateway.headers(place, VENDORS[0])
    url = f"http://127.0.0.1:{place.port}/v1/chat/completions"
    request = urllib.request.Request(url, asked(VENDORS[0], stream=False), headers)
    try:
        with urllib.request.urlopen(request, timeout=_STARTING) as reply:  # noqa: S310 (loopback)
            return bool(reply.status == _GOOD)
    except urllib.error.HTTPError as error:
        message = f"the first answer has status {error.code}: {error.read()[:300]!r}"
        raise RuntimeError(message) from error
    except OSError:
        return False


@dataclass
class Run:
    """Rows are `[gateway, vendor, load, round, {…}]`; starts are `[gateway, round, {…}]`."""

    load: Load
    provider: int
    folder: Path
    seconds: float
    say: Callable[[str], None]
    rows: list[list[Any]] = field(default_factory=list)
    starts: list[list[Any]] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)

    def round(self, turn: int, found: dict[str, Gateway]) -> None:
        """Measure each once."""
        self._direct(turn)
        for name, gateway in found.items():
            self.say(f"gateways: round {turn + 1}, {name}")
            place = Place(self.provider, _free_port(), self.folder)
            try:
                with running(gateway, place) as (process, started):
                    self._measure(turn, name, gateway, place, process, started)
            except RuntimeError as failure:
                self.say(f"{name}: {failure}")
                self.notes[name] = str(failure)

    def _measure(self, turn: int, name: str, gateway: Gateway, place: Place, process: int, started: float) -> None:
        time.sleep(0.5)
        idle = resident(process)
        key = {"authorization": f"Bearer {KEY}"}
        for vendor in VENDORS:
            headers = {**key, **gateway.headers(place, vendor)}
            for what in gateway.loads:
                connections, stream = LOADS[what]
                args = (place.port, "/v1/chat/completions", headers, asked(vendor, stream=stream), _mark(stream=stream))
                # What was never asked is slower the first time.
                self.load.run(*args, min(connections, 4), self.seconds / 5)
                before = burnt(process)
                one = self.load.run(*args, connections, self.seconds)
                self._note(turn, name, vendor, what, one, burnt(process) - before)
        self.starts.append([name, turn, {"seconds": round(started, 2), "idle": idle, "after": resident(process)}])

    def _direct(self, turn: int) -> None:
        """The provider without anything in between: what the client itself can ask."""
        for vendor in VENDORS:
            for what, (connections, stream) in LOADS.items():
                path = canned.WIRES[vendor].tail
                path = path if path.startswith("/v1") else f"/v1{path}"
                body = asked(vendor, stream=stream)
                mark = _LAST[vendor] if stream else _mark(stream=False)
                one = self.load.run(self.provider, path, {}, body, mark, connections, self.seconds / 5)
                self._note(turn, "the provider itself", vendor, what, one, 0.0)

    def _note(self, turn: int, name: str, vendor: str, what: str, one: dict[str, Any], cpu: float) -> None:
        found = {
            "rate": round(one["answers"] / one["seconds"], 1),
            "p50": round(one["p50"], 3),
            "p99": round(one["p99"], 3),
            "answers": one["answers"],
            "cpu": round(1e3 * cpu / one["answers"], 3),
        }
        self.rows.append([name, vendor, what, turn, found])


def _mark(*, stream: bool) -> str:
    """What only a whole answer has: a stream's last event, a text's last words."""
    return _LAST["openai"] if stream else canned.TEXT[-2].strip() + canned.TEXT[-1]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def measure(environments: Path, say: Callable[[str], None], *, quick: bool, rounds: int = 0) -> dict[str, Any]:
    """Measure all that are installed, `rounds` times."""
    found = gateways(environments)
    rounds = rounds or (1 if quick else 3)
    with tempfile.TemporaryDirectory(prefix="dragoman-gateways-") as temporary, loopback.provider() as port:
        # The client shares the provider's processor.
        loopback.pin(0)
        machine = campaign.machine()
        run = Run(Load(Path(temporary)), port, Path(temporary), 0.6 if quick else 2.5, say)
        for turn in range(rounds):
            run.round(turn, found)
    return {
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": machine,
        "rounds": rounds,
        "quick": quick,
        "versions": versions(environments),
        "notes": run.notes,
        "starts": run.starts,
        "rows": run.rows,
    }
