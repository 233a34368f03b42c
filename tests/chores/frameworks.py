"""Sessions with the frameworks themselves: AutoGen's lines, ag2, and Ray."""

from __future__ import annotations

import sys
from pathlib import Path

import nox
from chores.environments import CLEAN, install, pytest
from chores.workspace import PINS, name_of, test_needs

#: AutoGen's lines and what their users install; no two of them fit into one environment.
AUTOGEN = {
    "0.2": ("autogen-agentchat==0.2.40",),
    "classic": ("autogen[openai]==0.14.1", "openai>=2.44,<3"),
    "0.7": ("autogen-agentchat==0.7.5", "autogen-ext[openai]==0.7.5"),
}
#: The oldest Ray that the extras `ray` allow (its Serve needs an older protobuf, and does not say so), and the newest.
RAYS = {"oldest": ("ray[data,serve]==2.55.1", "protobuf<7"), "newest": ("ray[data,serve]==2.60.0",)}


@nox.session(tags=["autogen"], requires=["build"])
@nox.parametrize("line", list(AUTOGEN), ids=list(AUTOGEN))
def autogen(session: nox.Session, line: str) -> None:
    """Run the scenarios of one of AutoGen's lines, with the framework itself."""
    if line == "0.2" and sys.version_info >= (3, 13):
        session.skip("AutoGen 0.2 is for Pythons before 3.13")
    named = {name_of(need) for need in AUTOGEN[line]}
    pins = Path(session.create_tmp()).resolve() / "constraints.txt"
    lines = PINS.read_text("utf-8").splitlines()
    pins.write_text("\n".join(one for one in lines if name_of(one) not in named), "utf-8")
    install(session, *AUTOGEN[line], *test_needs(), pins=pins)
    session.run("python", *pytest("tests/autogen", *session.posargs), env=CLEAN)


@nox.session(tags=["autogen"], requires=["build"])
def ag2(session: nox.Session) -> None:
    """Run the scenarios of ag2 1.x, with the framework itself."""
    install(session, "ag2[openai]==1.2.1", *test_needs())
    session.run("python", *pytest("tests/autogen", *session.posargs), env=CLEAN)


@nox.session(requires=["build"])
@nox.parametrize("version", list(RAYS), ids=list(RAYS))
def ray(session: nox.Session, version: str) -> None:
    """Run the gateway on Ray Serve, and batches on a Ray cluster of this machine, a node of which is killed (Linux)."""
    if sys.platform != "linux":
        session.skip("the tests look at processes as Linux shows them")
    install(session, *RAYS[version], *test_needs())
    session.run("python", *pytest("-s", "tests/ray_cluster", *session.posargs), env={**CLEAN, "RAY_ADDRESS": None})
