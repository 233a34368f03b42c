"""Plugins of every backend, in the namespace and outside it, as wheels and editable, beside a core that is either."""

from __future__ import annotations

import json
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

USER = """
from typing import assert_type

from dragoman.core import Client
from {module} import Acme

client = Client(providers=[Acme()])
answer = client.chat.completions.create(model="m", messages=[])
assert_type(Acme().shelf(), int)
assert_type(answer.choices[0].message.content, str | None)
wrong: str = Acme().shelf()
reveal_type(Acme())
"""
#: The line of the deliberate error, and what each type checker says about it and about the class.
WRONG = USER.splitlines().index("wrong: str = Acme().shelf()") + 1
SAID = {
    "mypy": (r"error: Incompatible types in assignment", r'note: Revealed type is "{module}\.Acme"'),
    "pyright": (
        r'error: Type "int" is not assignable to declared type "str"',
        r'information: Type of "Acme\(\)" is "Acme"',
    ),
}
HIDDEN = "setuptools makes an import hook of a flat folder, which type checkers do not run; see docs/packaging.md"


class Used:
    """One environment with all the plugins, and what was found in it."""

    def __init__(self, site: Any, install: str, checkers: dict[str, list[str | Path]], vendor: str) -> None:
        self.site = site
        self.install = install
        self._checkers = checkers
        self._vendor = vendor
        self._checked: dict[str, str] = {}

    @cached_property
    def probed(self) -> Any:
        key = {"ACME_BASE_URL": self._vendor, "DRAGOMAN_OFFLINE": "1"}
        done = self.site.run(self.site.python, "-W", "error", Path(__file__).with_name("probe.py"), **key)
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)

    def checked(self, checker: str, project: Any) -> list[str]:
        """What a type checker says about the user's file for one plugin."""
        name = f"uses_{project.module.replace('.', '_')}.py"
        if checker not in self._checked:
            files = sorted(path.name for path in self.site.user.glob("uses_*.py"))
            cache = [] if checker == "pyright" else ["--cache-dir", self.site.folder.parent / "cache"]
            command, flag = self._checkers[checker][:-1], self._checkers[checker][-1]
            self._checked[checker] = self.site.run(*command, *cache, flag, self.site.python, *files).stdout
        return [line for line in self._checked[checker].splitlines() if re.search(rf"{name}:\d", line)]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((core, install), id=f"core-{core}-plugins-{install}")
        for core in ("wheel", "editable")
        for install in ("wheel", "editable")
    ],
)
def used(
    request: pytest.FixtureRequest,
    make_site: Callable[[], Any],
    core: dict[str, Any],
    projects: list[Any],
    type_checkers: dict[str, Any],
    vendor: str,
) -> Used:
    how, install = request.param
    site = make_site()
    edit = ["-e"] if install == "editable" else []
    folders = {project: project.write(site.folder / "projects") for project in projects}
    plain = [part for project, folder in folders.items() if not (edit and project.config) for part in (*edit, folder)]
    site.install(*core[how], *plain)
    for project, folder in folders.items():
        if edit and project.config:
            site.install("-e", folder, "--config-settings", project.config)
        name = f"uses_{project.module.replace('.', '_')}.py"
        (site.user / name).write_text(USER.format(module=project.module), "utf-8")
    return Used(site, install, type_checkers, vendor)


def test_a_plugin_is_found_and_used_through_the_client(used: Used, project: Any) -> None:
    one = used.probed["used"][project.name]
    assert one["origin"] == f"{project.distribution} 0.1.0"
    assert one["module"] == project.module
    assert (one["shelf"], one["said"]) == (7, "Hello there")
    assert f"x-{project.name}" in one["seen"], "its hooks were not called"
    in_environment = Path(one["file"]).is_relative_to(used.site.env)
    assert in_environment == (used.install == "wheel"), one["file"]


def test_the_namespace_stays_open(used: Used) -> None:
    assert used.probed["namespace"] is None
    assert len(used.probed["used"]) >= 8


def test_the_program_lists_them_all_either_way_it_is_started(used: Used, projects: list[Any]) -> None:
    module = used.site.run(used.site.python, "-m", "dragoman", "plugins")
    script = used.site.dragoman("plugins")
    assert (module.returncode, module.stderr, script.returncode, script.stderr) == (0, "", 0, "")
    assert module.stdout == script.stdout
    rows = [re.split(r"  +", line)[:4] for line in module.stdout.splitlines()[1:]]
    expected = {
        (kind, project.name, f"{project.distribution} 0.1.0", "ok")
        for project in projects
        for kind in ("provider", "hooks")
    }
    assert {tuple(row) for row in rows} == expected


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_a_type_checker_sees_the_class_of_the_plugin(
    used: Used, project: Any, checker: str, request: pytest.FixtureRequest
) -> None:
    if used.install == "editable" and not project.src and not project.config:
        request.applymarker(pytest.mark.xfail(strict=True, reason=HIDDEN))
    lines = used.checked(checker, project)
    error, reveal = SAID[checker]
    errors = [line for line in lines if "error:" in line or "error " in line]
    assert len(errors) == 1, lines
    assert re.search(rf":{WRONG}:.*{error}", errors[0].replace(" - ", " ")), errors
    assert any(re.search(reveal.format(module=re.escape(project.module)), line) for line in lines), lines


def test_an_init_file_in_the_namespace_hides_core(
    make_site: Callable[[], Any], core: dict[str, Any], projects: list[Any]
) -> None:
    site = make_site()
    project = next(project for project in projects if project.name == "hatchling-inside")
    folder = project.write(site.folder)
    (folder / "src/dragoman/__init__.py").touch()
    site.install(*core["wheel"], "-e", folder)
    done = site.run(site.python, "-c", "import dragoman.core")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        1,
        "ModuleNotFoundError: No module named 'dragoman.core'",
    ), "docs/packaging.md says so"
