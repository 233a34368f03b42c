"""The lines of a TOML file's keys: found again after `tomllib` has forgotten them."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.tomllines import find_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT = '''\
# a comment with [brackets] = "x"
title = "one"  # [not a table]
dotted.inner = 1
"quoted key" = 'a "b" c'
"a.b".'c d' = 2
poem = """
[not.a.table]
x = 1
\\""" still in it"""
raw = \'\'\'
[nor.this]
\'\'\'

[tables]
list = [
    1,  # one, with a ] and a "
    [2, 3],
    { a = 1, "b" = [
        5] },
    "]",
]
when = 1979-05-27T07:32:00Z

[tables.nested."deep.er"]
key = -1.5e3

[[many]]
name = "first"
[many.inside]
x = 1
[[many.more]]
y = 1
[[many.more]]
y = 2
[[many]]
name = "second"
[[many.more]]
y = 3

[ spaced . out ]
last = true'''


def walk(value: Any, keys: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*keys, key)
        yield from walk(inner, (*keys, key))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_key_is_on_the_line_where_it_stands(newline: str) -> None:
    lines = find_lines(TEXT.replace("\n", newline))
    shown = TEXT.split("\n")

    def line(*keys: Any) -> str:
        return shown[lines[keys] - 1]

    assert line("title").startswith("title")
    assert line("dotted", "inner").startswith("dotted")
    assert line("quoted key").startswith('"quoted')
    assert line("a.b", "c d").startswith('"a.b"')
    assert (line("poem"), line("raw")) == ('poem = """', "raw = '''")
    assert line("tables") == "[tables]"
    assert [line("tables", "list", number).strip()[:2] for number in range(4)] == ["1,", "[2", "{ ", '"]']
    assert line("tables", "list", 2, "b", 0).strip() == "5] },"
    assert line("tables", "when").startswith("when")
    assert line("tables", "nested", "deep.er", "key").startswith("key")
    assert (line("many", 0), lines["many", 1] - lines["many", 0]) == ("[[many]]", 8)
    assert line("many", 0, "inside", "x") == "x = 1"
    assert [line(*keys) for keys in (("many", 0, "more", 0, "y"), ("many", 0, "more", 1, "y"))] == ["y = 1", "y = 2"]
    assert line("many", 1, "more", 0, "y") == "y = 3"
    assert line("spaced", "out", "last") == "last = true"
    assert set(walk(tomllib.loads(TEXT))) == set(lines)


NAMES = st.text(st.sampled_from("ab.\"'# é\\[]="), max_size=4)
WORDS = st.sampled_from(["a", "]", "}", '"', "#", "'''", "a\nb", "=", "\\"])
SCALARS = st.one_of(st.integers(-5, 5), st.booleans(), WORDS)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\x7f", "\\u007F")
    return f'"{escaped}"'


def written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)} = {written(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[ # ]\n" + ",\n".join(map(written, value)) + "\n]"
    return quoted(value) if isinstance(value, str) else str(value)


@given(st.dictionaries(NAMES, VALUES, max_size=4), st.lists(st.dictionaries(NAMES, VALUES, max_size=2), max_size=3))
def test_whatever_tomllib_reads_has_its_lines(root: dict[str, Any], tables: list[dict[str, Any]]) -> None:
    root.pop("many", None)
    pairs = [f"{quoted(key)} = {written(value)}" for key, value in root.items()]
    for table in tables:
        pairs += ["[[many]]", *(f"{quoted(key)} = {written(value)}" for key, value in table.items())]
    text = "\n".join(pairs)
    found = find_lines(text)
    assert set(walk(tomllib.loads(text))) == set(found)
    shown = text.split("\n")
    for key in root:
        assert shown[found[key,] - 1].startswith(quoted(key))
