"""Sessions with real servers and clients: ours before them, and theirs before us."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nox
from chores.environments import CLEAN, Environment, install, once, pytest
from chores.workspace import ROOT, built, test_needs
from nox.command import CommandFailed

#: A server with the wire formats of many vendors, and with their failures on demand (npm).
AIMOCK = "@copilotkit/aimock@1.43.0"
#: OpenAI's own client for JavaScript (npm).
OPENAI_FOR_NODE = "openai@6"
#: LiteLLM's proxy; later releases ask for parts that are not on PyPI.
LITELLM_PROXY = "litellm[proxy]==1.106.2"
#: It makes requests of an OpenAPI description, right and wrong ones, and checks the answers.
SCHEMATHESIS = "schemathesis==4.32.5"


def from_npm(session: nox.Session, package: str, name: str) -> Path:
    """Return a folder with a package for node, fetched the first time; skip the session where that cannot be."""
    if missing := [program for program in ("node", "npm") if not shutil.which(program)]:
        session.skip(f"{' and '.join(missing)} not found: {name} is for node")
    quiet = ("--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
    npm = ("npm", "install", *quiet, package, "--prefix")
    try:
        return once(session, package, lambda folder: session.run(*npm, str(folder), external=True))
    except CommandFailed:
        session.skip(f"npm could not fetch {name}")


@nox.session(requires=["build"])
def aimock(session: nox.Session) -> None:
    """Run the tests at aimock, a server of three vendors' wires that fails on demand (node, npm)."""
    folder = from_npm(session, AIMOCK, "aimock")
    install(session, *test_needs())
    script = folder / "node_modules" / AIMOCK.rpartition("@")[0] / "dist" / "cli.js"
    env = {**CLEAN, "DRAGOMAN_AIMOCK": str(script)}
    session.run("python", *pytest("tests/servers/aimock", *session.posargs), env=env)


@nox.session(requires=["build"])
def server_clients(session: nox.Session) -> None:
    """Run the tests of dragoman's server with clients of other languages: the openai package for node (npm)."""
    folder = from_npm(session, OPENAI_FOR_NODE, "the openai package")
    install(session, *test_needs())
    env = {**CLEAN, "DRAGOMAN_NODE": str(folder)}
    session.run("python", *pytest("tests/servers/server_clients", *session.posargs), env=env)


@nox.session(requires=["build"])
def page(session: nox.Session) -> None:
    """Look at the server's page in a headless Chromium; screenshots are kept: nox -s page -- [FOLDER]."""
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        session.skip("Chromium not found: apt-get install chromium")
    folder = Path(*session.posargs[:1] or [session.create_tmp()]).resolve()
    install(session, *test_needs())
    env = {**CLEAN, "DRAGOMAN_SCREENSHOTS": str(folder)}
    session.run("python", *pytest("tests/servers/page"), env=env)
    session.log(f"screenshots: {', '.join(map(str, sorted(folder.glob('gateway-*.png'))))}")


@nox.session(requires=["build"])
def litellm_proxy(session: nox.Session) -> None:
    """Run the tests at LiteLLM's real proxy, which has an environment of its own (600 MB, kept)."""
    if shutil.disk_usage(ROOT).free < 2 * 2**30:
        session.skip("less than 2 GB are free, and LiteLLM's proxy takes 600 MB")
    # As users have it: not beside dragoman, for it pins openai 2 and rich 13.
    folder = once(session, LITELLM_PROXY, lambda folder: Environment(session, folder).pip("install", LITELLM_PROXY))
    install(session, *test_needs())
    env = {
        **CLEAN,
        "DRAGOMAN_LITELLM": shutil.which("litellm", path=f"{folder / 'bin'}{os.pathsep}{folder / 'Scripts'}"),
    }
    session.run("python", *pytest("tests/servers/litellm_proxy", *session.posargs), env=env)


@nox.session(requires=["build"])
def openapi(session: nox.Session) -> None:
    """Try the gateway by its own description, with schemathesis: nox -s openapi -- [options of schemathesis]."""
    install(session, SCHEMATHESIS, "aiohttp", wheels=built("core", "server", "anthropic", "openai"))
    session.run("python", str(ROOT / "tests" / "openapi"), *session.posargs, env=CLEAN)


@nox.session(requires=["build"])
def soak(session: nox.Session) -> None:
    """Send mixed traffic through the gateway and check every answer: nox -s soak -- [--minutes 10] [--store FILE]."""
    install(session, "uvloop", "httptools", wheels=built("core", "server", "anthropic", "openai"))
    session.run("python", str(ROOT / "tests" / "soak"), *session.posargs, env=CLEAN)
