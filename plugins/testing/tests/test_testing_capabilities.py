"""The capability file: written from a green suite only, held against the tapes ever after, and read from a wheel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from importlib import import_module, invalidate_caches
from typing import TYPE_CHECKING, Any

import pytest

import dragoman.core.client  # noqa: F401 (what an inner run of pytest imports first, each of them would import anew)
from dragoman.testing.playing import complete
from dragoman.testing.tapes import read_tapes

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["pytester"]

PROVIDER = """
from dragoman.core import CompatibleProvider


class Acme(CompatibleProvider):
    name = "acme"
    base_url = "https://acme.example/v1"
    absent = {"seed": "acme rolls its own dice"}
"""
SUITE = """
from MODULE import Acme
from dragoman.testing import ProviderSuite


class TestAcme(ProviderSuite):
    provider = Acme
    known_failures = {}
"""
#: Takes the parameter without a word.
BROKEN = """
    def encode_chat(self, call):
        return {key: value for key, value in super().encode_chat(call).items() if key != "stop"}
"""
ANSWER = {
    "choices": [{"message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
ASKED = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
TAPES: dict[str, Any] = {
    "text": {"request": {**ASKED, "stop": ["END"]}, "vendor_response": ANSWER},
    "unsupported": {
        "request": {**ASKED, "seed": 1},
        "response": {"error": {"class": "UnsupportedParameter", "param": "seed"}},
    },
}
TOLD = {
    "chat": {"value": "yes"},
    "stop": {"value": "yes"},
    "seed": {"value": "no", "note": "acme rolls its own dice"},
}


class Desk:
    """A project: a provider's module, its tapes and its suite."""

    def __init__(self, pytester: pytest.Pytester, module: str) -> None:
        self.pytester = pytester
        self.root = pytester.path
        self.module = module
        for name, tape in TAPES.items():
            self.put(f"tapes/{name}.json", json.dumps(tape))
        self.put("test_acme.py", SUITE.replace("MODULE", module))
        pytester.syspathinsert()

    def put(self, path: str, text: str) -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")
        invalidate_caches()

    def run(self, *args: str) -> tuple[dict[str, int], str]:
        """How many passed, failed, …, and what was printed."""
        quiet = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-rs")
        result = self.pytester.runpytest_inprocess(*quiet, *args)
        return result.parseoutcomes(), result.stdout.str() + result.stderr.str()


@pytest.fixture
def desk(pytester: pytest.Pytester) -> Desk:
    found = Desk(pytester, "acme_alone")
    found.put("acme_alone.py", PROVIDER)
    return found


def file_of(desk: Desk) -> Path:
    return desk.root / "acme_alone.capabilities.json"


CHECK = "test_acme.py::TestAcme::test_capabilities"


@pytest.fixture
def written(desk: Desk) -> Desk:
    """A desk with whole tapes and a capability file, as `test_a_green_suite_writes_what_the_tapes_show` makes them."""
    provider: Any = import_module("acme_alone").Acme
    for tape in read_tapes(desk.root / "tapes"):
        complete(provider(base_url="http://127.0.0.1:9", api_key="k"), tape)
    desk.put(file_of(desk).name, json.dumps({"Acme": TOLD}))
    del sys.modules["acme_alone"]
    return desk


def test_a_green_suite_writes_what_the_tapes_show(desk: Desk) -> None:
    outcomes, said = desk.run("--tapes=write", "--capabilities=write")
    assert set(outcomes) == {"passed", "skipped"}, said
    assert "acme_alone.capabilities.json: Acme: 2 yes, 0 adapted, 1 no, 19 not shown" in said
    assert json.loads(file_of(desk).read_text("utf-8")) == {"Acme": TOLD}
    outcomes, said = desk.run(CHECK)
    assert outcomes == {"passed": 1}, said


def test_a_file_tells_of_others_too(written: Desk) -> None:
    file_of(written).write_text(json.dumps({"Other": {"n": {"value": "yes"}}, "Acme": {}}), "utf-8")
    written.run("--capabilities=write")
    assert json.loads(file_of(written).read_text("utf-8")) == {"Other": {"n": {"value": "yes"}}, "Acme": TOLD}


WRONG = {
    "it claims what no tape shows": ({"n": {"value": "yes"}}, '-n.value = "yes"'),
    "it claims what is refused": ({"seed": {"value": "yes"}}, '-seed.value = "yes"'),
    "it denies what works": ({"stop": {"value": "no", "note": "why"}}, '+stop.value = "yes"'),
    "it lacks something": ({"stop": None}, '+stop.value = "yes"'),
    "it has another note": ({"seed": {"value": "no", "note": "?"}}, '-seed.note = "?"'),
}


@pytest.mark.parametrize(("change", "line"), WRONG.values(), ids=WRONG)
def test_a_wrong_file_fails(written: Desk, change: Any, line: str) -> None:
    wrong = {name: one for name, one in {**TOLD, **change}.items() if one is not None}
    file_of(written).write_text(json.dumps({"Acme": wrong}), "utf-8")
    outcomes, said = written.run(CHECK)
    assert outcomes == {"failed": 1}
    assert line in said
    assert "The capability file says what the tapes show" in said
    assert json.loads(file_of(written).read_text("utf-8"))["Acme"] == wrong


@pytest.mark.parametrize("broken", ["half", "[1]"])
def test_a_broken_file_is_no_file(written: Desk, broken: str) -> None:
    file_of(written).write_text(broken, "utf-8")
    outcomes, said = written.run(CHECK)
    assert outcomes == {"failed": 1}
    assert "acme_alone.capabilities.json: this is no" in said


def test_without_a_file_that_is_said(desk: Desk) -> None:
    outcomes, said = desk.run("--tapes=write")
    assert set(outcomes) == {"passed", "skipped"}
    assert "Acme has no capability file: `pytest --capabilities=write` writes it" in said
    assert "no tape of Acme shows: stream, system, tools," in said
    assert not file_of(desk).exists()


def test_a_failing_suite_writes_nothing(written: Desk) -> None:
    before = file_of(written).read_text("utf-8")
    written.put("acme_alone.py", PROVIDER + BROKEN)
    outcomes, said = written.run("--capabilities=write")
    assert outcomes["failed"]
    assert "capabilities not written: Acme: " in said
    assert " checks failed" in said
    assert file_of(written).read_text("utf-8") == before
    # Nor does it help to run the one check alone, or to let the broken provider write the tapes.
    assert written.run(CHECK)[0] == {"failed": 1}
    for name, tape in TAPES.items():
        written.put(f"tapes/{name}.json", json.dumps(tape))
    _, said = written.run("--tapes=write", "--capabilities=write")
    assert "stop (text: the vendor is not sent 'END')" in said
    assert "stop" not in json.loads(file_of(written).read_text("utf-8"))["Acme"]


@pytest.mark.parametrize("part", [("-k", "test_capabilities or test_text"), (CHECK,), ("-k", "not async")])
def test_a_part_of_the_suite_writes_nothing(written: Desk, part: tuple[str, ...]) -> None:
    file_of(written).unlink()
    outcomes, said = written.run("--capabilities=write", *part)
    assert "failed" not in outcomes
    assert "capabilities not written: Acme: not all of its checks were run" in said
    assert not file_of(written).exists()


def test_a_known_failure_is_no_obstacle(written: Desk) -> None:
    file_of(written).unlink()
    suite = SUITE.replace("known_failures = {}", "known_failures = {'test_odd_error_body[None]': 'why'}")
    written.put("test_acme.py", suite.replace("MODULE", written.module))
    bad = """
    def decode_error(self, status, body):
        return super().decode_error(status, body) if body is not None else {"message": ""}
"""
    written.put("acme_alone.py", PROVIDER + bad)
    outcomes, said = written.run("--capabilities=write")
    assert outcomes["xfailed"] == 1, said
    assert file_of(written).exists()


def test_several_processes_write_nothing(desk: Desk) -> None:
    result = desk.pytester.runpytest_inprocess("-p", "no:cacheprovider", "--capabilities=write", "-n", "2")
    result.stderr.fnmatch_lines(["*--capabilities=write wants the whole suite in one process: leave out -n"])


def test_of_two_suites_one_tells(written: Desk) -> None:
    before = file_of(written).read_text("utf-8")
    one = SUITE.replace("MODULE", written.module)
    other = one.replace("TestAcme", "TestOther").replace("known_failures = {}", "tells_capabilities = TELLS")
    written.put("test_other.py", other.replace("TELLS", "True"))
    _, said = written.run("--capabilities=write")
    assert said.count("not written: Acme: 2 suites tell, and one shall") == 2
    assert file_of(written).read_text("utf-8") == before
    written.put("test_other.py", other.replace("TELLS", "False"))
    _, said = written.run("test_other.py", "--capabilities=write")
    assert "another suite tells what Acme has" in said
    assert "written: " not in said


PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "acme-llm"
version = "1.0"

[project.entry-points."dragoman.providers"]
acme = "MODULE:Acme"

[tool.hatch.build.targets.wheel]
INCLUDE
"""
#: Module of the class -> its files, what the wheel holds, and where the capabilities are.
LAYOUTS = {
    "acme_alone": (
        ("acme_alone.py",),
        'only-include = ["acme_alone.py", "acme_alone.capabilities.json"]',
        "acme_alone.capabilities.json",
    ),
    "acme_package.provider": (
        ("acme_package/__init__.py", "acme_package/provider.py"),
        'packages = ["acme_package"]',
        "acme_package/capabilities.json",
    ),
    "dragoman.acme_near": (
        ("dragoman/acme_near/__init__.py",),
        'packages = ["dragoman"]',
        "dragoman/acme_near/capabilities.json",
    ),
}


@pytest.mark.parametrize("module", LAYOUTS)
def test_a_file_is_written_and_read_from_a_wheel(
    pytester: pytest.Pytester, module: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from hatchling.build import build_wheel

    files, include, file = LAYOUTS[module]
    desk = Desk(pytester, module)
    for path in files:
        desk.put(path, "")
    desk.put(files[-1], PROVIDER)
    _, said = desk.run("--tapes=write", "--capabilities=write")
    assert f"{file}: Acme: 2 yes" in said
    desk.put("pyproject.toml", PROJECT.replace("MODULE", module).replace("INCLUDE", include))
    wheel = tmp_path / build_wheel(str(tmp_path))
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    usual = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(tmp_path / "site"), usual])))
    monkeypatch.chdir(tmp_path)
    code = "from dragoman.core import Client; c = Client().capabilities('acme/m'); print(c['stop'], c['seed'], c['n'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 (ours)
    assert done.stdout.strip() == "yes no (acme rolls its own dice) unknown"
