"""Writes docs/reference: the public names from their docstrings, and the commands from their `--help`.

python tests/reference.py --write
"""

from __future__ import annotations

import ast
import copy
import inspect
import re
import sys
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from textwrap import dedent, indent
from typing import TYPE_CHECKING, Any

import click

import dragoman.core
import dragoman.testing
from dragoman.core.cli import program
from dragoman.testing.mock import DragomanMock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
GENERATED = "This page is generated from the {} (`python tests/reference.py --write`); a test compares the two."
#: What is read beside the providers' keys and addresses.
OTHER_VARIABLES = {
    "`ANTHROPIC_AUTH_TOKEN`": "in place of the key: a token, which the anthropic SDK reads itself",
    "`DRAGOMAN_OFFLINE=1`": "any connection outside this machine is an error",
    "`DRAGOMAN_PLUGINS`": "unset: all; `a,b`: only these; empty: none; `no:x`: all but x",
    "`DRAGOMAN_RECORD`, `DRAGOMAN_REPLAY`": "a folder of tapes: [record and replay](../guides/record-replay.md)",
    "`DRAGOMAN_CACHE`, `DRAGOMAN_CACHE_MAX_BYTES`, `DRAGOMAN_CACHE_MAX_AGE`": "[the cache](../providers/cache.md)",
    "`XDG_CACHE_HOME`": "where the rehearsal model and the cache are kept (`~/.cache` unless set)",
    "`NO_COLOR`": "the command line prints without colours",
}
#: Headings of the page of core, and the modules whose public names stand under each.
PARTS = {
    "Clients": ("client", "doors"),
    "Lists of models": ("configlists",),
    "Configuration files": ("configfiles", "configtables", "dotenv"),
    "Capabilities": ("capabilities", "capabilityfiles"),
    "Errors and warnings": ("errors",),
    "Hooks and prices": ("hookspecs", "registration", "pricing", "usage"),
    "Providers": ("provider", "compatible", "modelclients"),
    "Batch APIs": ("batches", "jobs"),
    "For translators": ("codec", "chunks", "carry", "policy", "toolchoice"),
    "Record and replay": ("tapes", "readable"),
    "For servers": ("service", "asks", "dispatch", "exchange", "mixin"),
    "Senders": ("senders", "leanclients", "direct", "retries", "functions", "offline"),
}
#: How the names of a suite's checks begin: they have a table of their own.
CHECK = "test_"
_WIDTH = 100
#: `#:` lines, and the name that they are about.
_ABOUT = re.compile(r"(?m)((?:^ *#: .*\n)+) *(\w+)")
#: Attributes and functions of a class, as its source has them.
_Member = ast.AnnAssign | ast.FunctionDef | ast.AsyncFunctionDef


def comments_of(source: str) -> dict[str, str]:
    """What the `#:` lines above names say."""
    found = _ABOUT.findall(source)
    return {name: " ".join(line.strip().removeprefix("#: ") for line in text.splitlines()) for text, name in found}


def code(text: str) -> str:
    """A block of Python: a stub, which the tests parse and do not run."""
    return f'```python no-run reason="a signature"\n{text}\n```'


def unparsed(node: ast.AST) -> str:
    """Source, with the quotes of this house."""
    return ast.unparse(node).replace("'", '"')


def arguments_of(arguments: ast.arguments) -> Iterator[str]:
    """Each argument as it is written, and the marks between their kinds; `self` and private ones are left out."""
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(plain) - len(arguments.defaults)) + list(arguments.defaults)
    for number, (argument, default) in enumerate(zip(plain, defaults, strict=True), 1):
        if argument.arg not in {"self", "cls"}:
            yield _argument(argument, default)
        if number == len(arguments.posonlyargs):
            yield "/"
    if arguments.vararg:
        yield "*" + _argument(arguments.vararg, None)
    elif arguments.kwonlyargs:
        yield "*"
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if not argument.arg.startswith("_"):
            yield _argument(argument, default)
    if arguments.kwarg:
        yield "**" + _argument(arguments.kwarg, None)


def _argument(argument: ast.arg, default: ast.expr | None) -> str:
    written = unparsed(argument)
    return written if default is None else f"{written} = {unparsed(default)}"


def signature_of(node: ast.FunctionDef | ast.AsyncFunctionDef, *, wide: bool = False) -> str:
    """A function's signature, in one line, or an argument a line where that would be too long."""
    start = "async def " if isinstance(node, ast.AsyncFunctionDef) else "def "
    arguments = [*(["self"] if node.name == "__init__" else []), *arguments_of(node.args)]
    end = f" -> {unparsed(node.returns)}" if node.returns else ""
    line = f"{start}{node.name}({', '.join(arguments)}){end}"
    if wide or len(line) <= _WIDTH:
        return line
    return "\n".join([f"{start}{node.name}(", *(f"    {argument}," for argument in arguments), f"){end}"])


def source_of(value: Any) -> ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef:
    """The parsed source of a class or a function."""
    node = ast.parse(dedent(inspect.getsource(value))).body[0]
    if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        message = f"{value!r} is neither a class nor a function"
        raise TypeError(message)
    return node


def members_of(value: type, public: Iterable[type]) -> dict[str, tuple[_Member, str]]:
    """Name -> source and `#:` line of each member; of bases too, but for those that have a section themselves."""
    found: dict[str, tuple[_Member, str]] = {}
    ours = [base for base in value.__mro__ if base.__module__.startswith("dragoman.")]
    for base in ours:
        if base is value or not any(base in shown.__mro__ for shown in value.__mro__[1:] if shown in public):
            about = comments_of(inspect.getsource(base))
            for node in _flat(source_of(base).body):
                name = unparsed(node.target) if isinstance(node, ast.AnnAssign) else node.name
                if not name.startswith("_") or name == "__init__":
                    found.setdefault(name, (node, about.get(name, "")))
    return found


def _flat(body: Iterable[ast.stmt]) -> Iterator[_Member]:
    """What type checkers see of a class's body."""
    for node in body:
        if isinstance(node, _Member):
            yield node
        elif isinstance(node, ast.If) and unparsed(node.test) == "TYPE_CHECKING":
            yield from _flat(node.body)


def describe_class(name: str, value: type, public: Iterable[type]) -> Iterator[str]:
    """A class: its docstring, how it is made, attributes, methods."""
    others = [base for base in value.__bases__ if base in public or not base.__module__.startswith("dragoman.")]
    bases = ", ".join(base.__name__ for base in others if base is not object)
    members = members_of(value, public)
    made, _ = members.pop("__init__", (None, ""))
    body = f"\n{indent(signature_of(made), '    ')}: ..." if isinstance(made, ast.FunctionDef) else " ..."
    yield code((f"class {name}({bases}):" if bases else f"class {name}:") + body)
    yield inspect.getdoc(value) or ""
    attributes, methods = [], []
    for node, about in members.values():
        if isinstance(node, ast.AnnAssign):
            attributes.append(_attribute(node, about))
        elif any(unparsed(each) in {"property", "cached_property"} for each in node.decorator_list):
            attributes.append(f"- `{node.name}: {unparsed(node.returns or node)}`: {ast.get_docstring(node)}")
        elif not (node.name.startswith(CHECK) or unparsed(node).startswith("@pytest.fixture")):
            methods.append(f"- `{signature_of(node, wide=True)}`\n\n" + indent(ast.get_docstring(node) or "", "    "))
    if attributes:
        yield "Attributes:\n\n" + "\n".join(attributes)
    if methods:
        yield "Methods:\n\n" + "\n\n".join(methods)
    if inherited := [base for base in value.__mro__[1:] if base in public]:
        yield f"Also has what [`{inherited[0].__name__}`](#{inherited[0].__name__}) has."


def _attribute(node: ast.AnnAssign, about: str) -> str:
    default = f" = {unparsed(node.value)}" if node.value is not None else ""
    default = "" if "field(" in default else default
    return f"- `{unparsed(node.target)}: {unparsed(node.annotation)}{default}`" + (f": {about}" if about else "")


def describe(name: str, value: Any, module: Any, public: Iterable[type]) -> Iterator[str]:
    """The section about one public name."""
    yield f"### `{name}` {{ #{name} }}"
    if inspect.isclass(value) and value.__module__.startswith("dragoman."):
        yield from describe_class(name, value, public)
    elif inspect.isfunction(value):
        node = source_of(value)
        decorators = "".join(f"@{unparsed(each)}\n" for each in node.decorator_list)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield code(f"{decorators}{signature_of(node)}: ...")
        yield inspect.getdoc(value) or ""
    else:
        yield comments_of(inspect.getsource(module))[name]


def core_page() -> str:
    """Everything that `dragoman.core` exports."""
    # The names' own table says which module each is from: not every value knows it.
    home = dragoman.core._HOME
    if lost := sorted(home.keys() - {module for modules in PARTS.values() for module in modules}):
        message = f"say in PARTS under which heading the public names of {', '.join(lost)} stand"
        raise LookupError(message)
    values = {name: getattr(dragoman.core, name) for name in dragoman.core.__all__}
    public = [value for value in values.values() if inspect.isclass(value)]
    about = "What programs and plugins import. Other modules of core may change from one version to the next."
    parts = ["# dragoman.core", about, GENERATED.format("docstrings")]
    for heading, modules in PARTS.items():
        parts.append(f"## {heading}")
        for module in modules:
            for name in home.get(module, ()):
                parts += describe(name, values[name], import_module(f"dragoman.core.{module}"), public)
    return joined(parts)


def testing_page() -> str:
    """What `dragoman.testing` exports, the checks of the suite, and the fixture."""
    about = (
        "A pytest plugin: what it exports, and its fixture. How to use it: [for plugins](../providers/testing.md), "
        "[for programs](../guides/testing.md)."
    )
    parts = ["# dragoman.testing", about, GENERATED.format("docstrings")]
    for name in sorted(dragoman.testing.__all__):
        value = getattr(dragoman.testing, name)
        parts += describe(name, value, dragoman.testing, ())
        checks = [check for check in members_of(value, ()) if check.startswith(CHECK)]
        if checks:
            rows = [
                f"| `{check}` | {' '.join(str(inspect.getdoc(getattr(value, check))).split())} |" for check in checks
            ]
            parts += ["Its checks, and the rules that they hold:", "\n".join(["| check | rule |", "|---|---|", *rows])]
    parts.append("## The fixture `dragoman_mock`")
    return joined([*parts, *describe("DragomanMock", DragomanMock, dragoman.testing, ())])


def commands_of(command: click.Command, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Each command's words and help, those of groups' commands too."""
    command = copy.copy(command)
    # click makes the option once, for the first context that asks, whatever that calls it.
    command._help_option = None
    context = click.Context(
        command,
        info_name=" ".join(names),
        terminal_width=80,
        max_content_width=80,
        help_option_names=["-h", "--help"],
    )
    yield " ".join(names), command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            if (found := command.get_command(context, name)) is not None and not found.hidden:
                yield from commands_of(found, (*names, name))


def cli_page() -> str:
    """The help of every command."""
    about = "`dragoman`, or `python -m dragoman`, comes with `dragoman-core`. Plugins add commands."
    codes = (inspect.getdoc(import_module("dragoman.core.cli")) or "").partition("Exit codes: ")[2]
    parts = [
        "# Command line",
        about,
        GENERATED.format("help of the commands"),
        f"Exit codes: {' '.join(codes.split())}",
    ]
    for words, text in commands_of(program, ("dragoman",)):
        parts += [f"## `{words}`", f"```text\n{text}\n```"]
    return joined(parts)


def environment_page() -> str:
    """Every variable that is read, the providers' own from their classes."""
    about = (
        "What dragoman and its packages read. An empty variable counts as unset, and what a program says itself comes "
        "first. Of several keys the first one that is set is taken. The command line also reads a file `.env` in the "
        "current folder."
    )
    rows = ["| provider | key | address |", "|---|---|---|"]
    for offer in sorted(entry_points(group="dragoman.providers"), key=lambda offer: offer.name):
        provider = offer.load()
        cells = [", ".join(f"`{name}`" for name in names) for names in (provider.key_env, provider.base_url_env)]
        rows.append(f"| {offer.name} | {' | '.join(cells)} |")
    others = [
        "| variable | meaning |",
        "|---|---|",
        *(f"| {name} | {what} |" for name, what in OTHER_VARIABLES.items()),
    ]
    return joined(["# Environment", about, GENERATED.format("providers"), "\n".join(rows), "\n".join(others)])


def joined(parts: Iterable[str]) -> str:
    """Put a page together."""
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


PAGES = {"cli.md": cli_page, "core.md": core_page, "environment.md": environment_page, "testing.md": testing_page}


def main() -> None:
    """Write the pages."""
    for name, page in PAGES.items():
        text = page()
        if "--write" in sys.argv[1:]:
            (FOLDER / name).write_text(text, "utf-8")
        sys.stdout.write(f"{name}: {len(text.splitlines())} lines\n")


if __name__ == "__main__":
    main()
