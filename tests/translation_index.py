"""Writes docs/translation.md: each translation rule, in one line, and the tests that hold it.

python tests/translation_index.py --write
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "translation.md"
HEAD = """\
# What is translated, rule by rule

Each rule of the translation between OpenAI's chat completions and the providers, and the tests that hold it. This page
is generated (`python tests/translation_index.py --write`); a test compares it with the marks of the tests.

| rule | in one line | held by |
|--:|---|---|
"""


def marks_of(node: ast.AST) -> list[int]:
    """The numbers in `@pytest.mark.rule(…)` on a function or a class."""
    numbers: list[int] = []
    for decorator in getattr(node, "decorator_list", ()):
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.rule":
            numbers += [argument.value for argument in decorator.args if isinstance(argument, ast.Constant)]
    return numbers


def tests_in(path: Path) -> dict[int, list[str]]:
    """Rule -> names of the tests of one file that are marked with it."""
    found: dict[int, list[str]] = defaultdict(list)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    of_module = [
        number
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
        for call in ast.walk(node.value)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.rule"
        for number in (argument.value for argument in call.args if isinstance(argument, ast.Constant))
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            is_test = node.name.startswith(("test_", "Test"))
            for number in marks_of(node) + (of_module if is_test and not isinstance(node, ast.ClassDef) else []):
                found[number].append(node.name)
    return found


def collect() -> dict[int, list[str]]:
    """Rule -> `file::test` of every marked test in the house."""
    found: dict[int, list[str]] = defaultdict(list)
    files = [*ROOT.glob("core/tests/**/test_*.py"), *ROOT.glob("plugins/*/tests/**/test_*.py")]
    for path in sorted([*files, *ROOT.glob("tests/**/test_*.py")]):
        for number, names in tests_in(path).items():
            found[number] += [f"{path.relative_to(ROOT)}::{name}" for name in dict.fromkeys(names)]
    return found


def page() -> tuple[str, list[int]]:
    """The page's text, and the rules that nothing holds."""
    table = tomllib.loads((ROOT / "tests" / "rules.toml").read_text(encoding="utf-8"))
    reasons = table["not_applicable"]
    held = collect()
    lines: list[str] = []
    open_rules: list[int] = []
    for key, text in table["rules"].items():
        tests = held.get(int(key), [])
        if tests:
            shown = "<br>".join(f"`{test}`" for test in tests[:3])
            cell = shown if len(tests) <= len(tests[:3]) else f"{shown}<br>and {len(tests) - 3} more"
        elif key in reasons:
            cell = f"not applicable: {reasons[key]}"
        else:
            cell = "**nothing yet**"
            open_rules.append(int(key))
        lines.append(f"| {key} | {text} | {cell} |")
    return HEAD + "\n".join(lines) + "\n", open_rules


def main() -> None:
    """Write the page, or say what it lacks."""
    text, open_rules = page()
    if "--write" in sys.argv[1:]:
        PAGE.write_text(text, encoding="utf-8")
    sys.stdout.write(f"rules without a test: {open_rules or 'none'}\n")


if __name__ == "__main__":
    main()
