"""The project as a tree of files: made from code that is alive, by putting one vendor's names in another's place.

The code stands in the folder `project`, for a vendor called Acme that does not exist: what both kinds of API share,
`openai-compatible`, `own-wire`, and the texts of `licences`. `render` writes it for another vendor; `template` writes
it with variables in the places of the names, for copier.
"""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from dragoman.template.answers import LICENCES, WIRES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from dragoman.template.answers import Answers

#: What stands in the living code -> the variable whose value takes its place.
PLACES = {
    "https://api.acme.example/v1": "base_url",
    "The Acme authors": "author",
    "ACME_API_KEY": "key_env",
    "dragoman_acme": "module",
    'license = "MIT"': "license",
    "ACME": "prefix",
    "Acme": "class_name",
    "acme": "name",
}
#: What stands around a variable.
_AROUND = {"license": 'license = "{}"'}
# The longest first: regular expressions take the first that fits.
_PLACE = re.compile("|".join(map(re.escape, sorted(PLACES, key=len, reverse=True))))
_LICENCES = "licences"
#: With it, copier can bring later versions of the template into the project.
_ANSWERS = "# Written by copier, and read by `copier update`.\n@{ _copier_answers|to_nice_yaml }@"


def render(answers: Answers) -> dict[str, str]:
    """Return the project's files: paths with `/`, and their texts."""
    values = answers.values
    tree = {**_common(), **_read(answers.wire), **_read(_LICENCES, answers.license)}
    return {_put(path, values.get): _put(text, values.get) for path, text in sorted(tree.items())}


def template() -> dict[str, str]:
    """Return the same as a template for copier: its settings, and one folder for each kind of API."""

    def variable(name: str) -> str:
        return f"@{{ {name} }}@"

    found = {"copier.yml": _home().joinpath("copier.yml").read_text("utf-8")}
    for wire in WIRES:
        tree = {**_common(), **_read(wire)}
        for licence in LICENCES:
            for path, text in _read(_LICENCES, licence).items():
                tree[f"@% if license == '{licence}' %@{path}@% endif %@"] = text
        for path, text in tree.items():
            found[f"{wire}/{_put(path, variable)}"] = _put(text, variable)
        found[f"{wire}/@{{ _copier_conf.answers_file }}@"] = _ANSWERS
    return found


def write(tree: dict[str, str], folder: Path) -> None:
    """Write a tree into a new folder. Raises OSError, FileExistsError among them."""
    folder.mkdir(parents=True)
    for path, text in tree.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8", newline="\n")


def _put(text: str, value_of: Callable[[str], str | None]) -> str:
    """Put values in the places of names, all at once, so that a value is not taken for a name."""

    def value(found: re.Match[str]) -> str:
        variable = PLACES[found[0]]
        return _AROUND.get(variable, "{}").format(value_of(variable))

    return _PLACE.sub(value, text)


def _home() -> Traversable:
    return files("dragoman.template")


def _common() -> dict[str, str]:
    return _read(leave_out={*WIRES, _LICENCES})


def _read(*folders: str, leave_out: set[str] | frozenset[str] = frozenset()) -> dict[str, str]:
    """Return the files below a folder of the project by their paths there; what tools left behind is none of them."""

    def walk(place: Traversable, path: PurePosixPath) -> Iterator[tuple[str, str]]:
        for entry in place.iterdir():
            inner = path / entry.name
            if str(inner) in leave_out or re.fullmatch(r"__pycache__|\..+_cache", entry.name):
                continue
            if entry.is_dir():
                yield from walk(entry, inner)
            else:
                yield str(inner), entry.read_text("utf-8")

    return dict(walk(_home().joinpath("project", *folders), PurePosixPath()))
