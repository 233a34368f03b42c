r"""The file `.env` of the current folder: keys, without exporting them everywhere.

One `NAME=value` per line, an `export` before it or not. In single quotes a value is taken as it is, in double
quotes `\n`, `\t`, `\"` and `\\` mean what they mean in C; a bare value ends at a `#` that follows a space.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_LINE = re.compile(
    r"""\s*(?:export\s+)?(?P<name>[A-Za-z_]\w*)\s*=\s*
        (?:'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<bare>(?!['"]).*?))
        (?:(?<=\s)\#.*|\s+\#.*)?\s*""",
    re.VERBOSE,
)
#: Names of variables that come from a file, and the file: `A,B=/folder/.env`. Workers inherit both.
_OURS = "DRAGOMAN_DOTENV"
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def parse_dotenv(text: str) -> tuple[dict[str, str], list[int]]:
    """Return the names with their values, and the numbers of the lines that cannot be read."""
    values: dict[str, str] = {}
    unreadable: list[int] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            unreadable.append(number)
        elif match["double"] is not None:
            values[match["name"]] = re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), match["double"])
        else:
            values[match["name"]] = match["single"] if match["single"] is not None else match["bare"]
    return values, unreadable


def read_dotenv(path: Path) -> tuple[dict[str, str], list[str]]:
    """Read a file; return the names with their values, and what could not be read, in words."""
    try:
        values, unreadable = parse_dotenv(path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        return {}, [f"{path} cannot be read: {type(error).__name__}"]
    # The line itself may hold a key.
    return values, [f"line {number} of {path} is not NAME=value; it is left out" for number in unreadable]


def load_dotenv() -> list[str]:
    """Set what `.env` names and the environment does not; return what could not be read, in words.

    Called again, it replaces what came from the file before, here or in the process that started this one.
    """
    path = Path(".env")
    values, problems = read_dotenv(path) if path.is_file() else ({}, [])
    if problems and not values:
        return problems
    told, _, file = os.environ.get(_OURS, "").partition("=")
    ours = set(told.split(",")) - {""} if file == str(path.absolute()) else set()
    for name in ours - values.keys():
        os.environ.pop(name, None)
    found = [name for name, value in values.items() if "\0" not in value and (name in ours or name not in os.environ)]
    os.environ.update({name: values[name] for name in found})
    if found or ours:
        os.environ[_OURS] = f"{','.join(found)}={path.absolute()}"
    return problems
