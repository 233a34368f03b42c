"""Sessions that measure: calls, gateways, batches, memory, instructions."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import nox
from chores.environments import CLEAN, Environment, install, once
from chores.servers import LITELLM_PROXY
from chores.workspace import PINS, PLUGINS, ROOT, built, entry_points
from nox.command import CommandFailed
from nox.project import load_toml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BENCHMARKS = ROOT / "tests" / "benchmarks"
#: The plugins that are measured beside their vendors' SDKs.
MEASURED = ("anthropic", "mistralai", "ollama", "openai", "together")
#: Portkey's gateway (npm). With the newest hono, which it asks for, it answers every call with status 500.
PORTKEY = {
    "private": True,
    "dependencies": {"@portkey-ai/gateway": "1.15.2"},
    "overrides": {"hono": "4.9.7", "@hono/node-server": "1.13.8"},
}


def measured(session: nox.Session, wanted: Callable[[str, bool], bool]) -> tuple[str, ...]:
    """Make the environments that are wanted, by name and whether it is a peer's, and return where they are."""
    homes = session.cache_dir.resolve()
    for name, holds in load_toml(BENCHMARKS / "environments.toml").items():
        peer = holds.get("peer", False)
        if not wanted(name, peer):
            continue
        try:
            furnish(session, homes / f"bench-{name}", holds)
        except CommandFailed:
            if not peer:
                raise
            shutil.rmtree(homes / f"bench-{name}", ignore_errors=True)
            session.warn(f"{name} cannot be installed, and is left out")
    return ("--environments", str(homes))


def furnish(session: nox.Session, folder: Path, holds: dict[str, list[str]]) -> None:
    """Make an environment that is measured, compiled as pip leaves it.

    Ours hold what was built just now. The others are kept: peers as new as on the day they were fetched.
    """
    needs, wheels = holds.get("needs", []), built(*holds["wheels"]) if "wheels" in holds else []
    pins = [] if holds.get("peer") else ["-c", str(PINS)]

    def make(folder: Path) -> None:
        environment = Environment(session, folder)
        compiled = ["--compile-bytecode"] if environment.uv else []
        environment.pip("install", *compiled, *pins, *needs, *wheels)

    if wheels:
        make(folder)
    else:
        once(session, folder.name, make)


@nox.session(python=False, requires=["build"])
def bench(session: nox.Session) -> None:
    """Measure calls beside the vendors' SDKs: nox -s bench -- [--peers] [--quick] [--prepare] [--only text,stream]."""
    homes = measured(session, lambda name, peer: name != "batch" and (not peer or "--peers" in session.posargs))
    if "--prepare" not in session.posargs:
        session.run(sys.executable, str(BENCHMARKS), *homes, *session.posargs, env=CLEAN, external=True)


@nox.session(python=False, requires=["build"])
def gateways(session: nox.Session) -> None:
    """Measure the server beside LiteLLM's proxy and Portkey's gateway: nox -s gateways -- [--quick] [--rounds N]."""
    if missing := [name for name in ("gcc", "node", "npm") if not shutil.which(name)]:
        session.skip(f"{' and '.join(missing)} not found: the client is in C, and Portkey's gateway is for node")
    extras = [f"{wheel}[fast]" if "dragoman_server" in wheel else wheel for wheel in built()]
    few = [wheel for wheel in extras if re.search(r"dragoman_(core|server|anthropic|openai)-", wheel)]
    home = session.cache_dir.resolve()
    for name, wheels in (("gateway-dragoman", few), ("gateway-dragoman-all", extras)):
        Environment(session, home / name).pip("install", "-c", str(PINS), *wheels)
    proxy = once(session, LITELLM_PROXY, lambda folder: Environment(session, folder).pip("install", LITELLM_PROXY))
    (home / "gateway-litellm").unlink(missing_ok=True)
    (home / "gateway-litellm").symlink_to(proxy)

    def portkey(folder: Path) -> None:
        (folder / "package.json").write_text(json.dumps(PORTKEY), "utf-8")
        quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
        session.run("npm", "install", *quiet, "--prefix", str(folder), external=True)

    once(session, "gateway-portkey", portkey)
    own = ("--gateways", "--environments", str(home))
    session.run(sys.executable, str(BENCHMARKS), *own, *session.posargs, env=CLEAN, external=True)


@nox.session(python=False, requires=["build"])
def batch_bench(session: nox.Session) -> None:
    """Measure batches beside loops written by hand, their memory, and killed runs: nox -s batch_bench -- [--quick]."""
    homes = measured(session, lambda name, _: name in {"batch", "litellm", "sdk-anthropic", "sdk-openai"})
    session.run(sys.executable, str(BENCHMARKS / "batch.py"), *homes, *session.posargs, env=CLEAN, external=True)


@nox.session(requires=["build"])
def growth(session: nox.Session) -> None:
    """Measure how the cost of a call grows with what may become large: nox -s growth -- [--quick]."""
    install(session, "aiohttp", wheels=built("core", *MEASURED))
    session.run("python", str(BENCHMARKS), "--growth", *session.posargs, env=CLEAN)


@nox.session(requires=["build"])
def instructions(session: nox.Session) -> None:
    """Count instructions of the translators, against those that were stored: nox -s instructions -- [--accept]."""
    if missing := [name for name in ("valgrind", "gcc") if not shutil.which(name)]:
        session.skip(f"{' and '.join(missing)} not found: instructions cannot be counted here")
    offered = [name for name in PLUGINS if "dragoman.providers" in entry_points(name)]
    install(session, wheels=built("core", *offered))
    session.run("python", str(BENCHMARKS / "instructions.py"), *session.posargs, env=CLEAN)
