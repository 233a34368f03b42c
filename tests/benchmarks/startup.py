"""What a program pays before its first answer: imports, and the first call, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import workload
from campaign import ONLY_ASYNC, PEER_ROUNDS
from environments import Environments, footprint
from sides import KEY, address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: The vendor's SDK is asked, and openai imported then: no `Client`, which is an openai.OpenAI, can do with less.
BOTH = "sdk and openai"
#: Vendors whose SDK ours send through, and which is not openai's.
OTHER_SDKS = ("anthropic", "mistral", "together")
#: What somebody writes for one call; `url`, `key` and `asked` are given.
_FIRST = {
    "anthropic": "from anthropic import Anthropic; Anthropic(api_key=key, base_url=url).messages.create(**asked)",
    "openai": "from openai import OpenAI; OpenAI(api_key=key, base_url=url).chat.completions.create(**asked)",
    "mistral": "from mistralai.client import Mistral; Mistral(api_key=key, server_url=url).chat.complete(**asked)",
    "together": "from together import Together; Together(api_key=key, base_url=url).chat.completions.create(**asked)",
    "ollama": "from ollama import Client; Client(host=url).chat(**asked)",
}
_OURS = (
    "from dragoman.core import Client; "
    "Client(default_provider=name, api_key=key, base_url=url{more}).chat.completions.create(**asked)"
)
IMPORTS = {
    "aisuite": "import aisuite",
    "any-llm": "import any_llm",
    "langchain": "import langchain_openai",
    "litellm": "import litellm",
    "pydantic-ai": "import pydantic_ai",
    "tensorzero": "import tensorzero",
}


def run(python: str, code: str) -> tuple[float, float] | None:
    """Run code in a fresh interpreter; return its CPU and wall time in milliseconds, or None if it failed."""
    env = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONDONTWRITEBYTECODE": "1"}
    began = time.perf_counter()
    process = subprocess.Popen([python, "-W", "ignore", "-c", code], stderr=subprocess.DEVNULL, env=env)  # noqa: S603 (code of this file)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        return None
    return round((usage.ru_utime + usage.ru_stime) * 1e3, 1), round(wall * 1e3, 1)


def first_call(side: str, vendor: str, port: int) -> str:
    """Return a program that makes one call."""
    chat, model = workload.chat("text"), workload.model(vendor, "text")
    if side in {"sdk", BOTH}:
        url, code, asked = address(vendor, port), _FIRST[vendor], {"model": model, **workload.native(vendor, chat)}
        code += "\nimport openai" if side == BOTH else ""
    else:
        more = ", sender='direct'" if side == "dragoman direct" else ""
        url, code = address(vendor, port, dragoman=True), _OURS.format(more=more)
        asked = {"model": model, **chat.request}
    name = {"mistral": "mistralai"}.get(vendor, vendor)
    return f"name, url, key, asked = {name!r}, {url!r}, {KEY!r}, {asked!r}\n{code}\n"


def programs(
    environments: Environments, sides: Iterable[str], vendors: Iterable[str], port: int
) -> dict[str, tuple[str, str]]:
    """Return what to run: a label, the interpreter, the code."""
    sides, vendors = list(sides), list(vendors)
    first = environments.python("dragoman", vendors[0])
    found = {"bare interpreter": (first, "pass"), "import dragoman.core": (first, "import dragoman.core")}
    for side in sides:
        if side in IMPORTS and environments.has(side):
            found[f"import {side}"] = (environments.python(side), IMPORTS[side])
        elif side not in IMPORTS and side != ONLY_ASYNC:
            for vendor in vendors:
                # A first call that is synchronous needs no aiohttp, which openai would import if it were there.
                python = environments.python(side.partition(" ")[0], vendor)
                found[f"first call: {vendor}, {side}"] = python, first_call(side, vendor, port)
    for vendor in vendors:
        if "dragoman" in sides and vendor in OTHER_SDKS:
            python = environments.python("dragoman", vendor)
            found[f"first call: {vendor}, {BOTH}"] = python, first_call(BOTH, vendor, port)
    return found


def measure(
    found: dict[str, tuple[str, str]], rounds: int, say: Callable[[str], None]
) -> dict[str, list[tuple[float, float]]]:
    """Run all programs in turn, `rounds` times, after one that fills the caches; those that fail are left out."""
    results: dict[str, list[tuple[float, float]]] = {}
    for turn in range(rounds + 1):
        for label, (python, code) in found.items():
            if turn > PEER_ROUNDS and label.removeprefix("import ") in IMPORTS:
                continue
            result = run(python, code)
            if result is None and turn == 0:
                say(f"{label}: does not run")
            elif result is not None and turn:
                results.setdefault(label, []).append(result)
        say(f"start-up: round {turn} of {rounds}")
    return results


def footprints(environments: Environments, sides: Iterable[str], vendors: Iterable[str]) -> dict[str, dict[str, float]]:
    """Return the size of every environment that was made for a side; none without such environments."""
    if environments.folder is None:
        return {}
    pairs = [
        (side, vendor) for side in sides for vendor in vendors if " " not in side and environments.has(side, vendor)
    ]
    return {environments.name(*pair): footprint(environments.python(*pair)) for pair in pairs}
