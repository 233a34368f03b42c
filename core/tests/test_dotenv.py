from __future__ import annotations

import os
from pathlib import Path

import pytest

from dragoman.core.dotenv import load_dotenv, parse_dotenv


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("A=b", {"A": "b"}),
        ("  export A = b c  ", {"A": "b c"}),
        ("A=", {"A": ""}),
        ("A=''", {"A": ""}),
        ("A='x # y' # z", {"A": "x # y"}),
        (r"A='x\n'", {"A": r"x\n"}),
        (r'A="x\n\"y\" \\ \$"', {"A": 'x\n"y" \\ $'}),
        ("A=b # comment", {"A": "b"}),
        ("A= # comment", {"A": ""}),
        ("A=b#c", {"A": "b#c"}),
        ("A=b=c", {"A": "b=c"}),
        ("A=it's", {"A": "it's"}),
        ("exporter=1", {"exporter": "1"}),
        ("# A=b", {}),
        ("", {}),
    ],
)
def test_a_line(line: str, values: dict[str, str]) -> None:
    assert parse_dotenv(line) == (values, [])


@pytest.mark.parametrize("line", ["A", "=b", "1A=b", "A-B=c", "A='b", 'A="b', "A='b' c", "export"])
def test_a_line_that_is_none(line: str) -> None:
    assert parse_dotenv(f"A=1\n{line}\nB=2") == ({"A": "1", "B": "2"}, [2])


def test_the_last_one_counts() -> None:
    assert parse_dotenv("A=1\r\nA=2\r\n") == ({"A": "2"}, [])


def test_what_is_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DOTENV_NEW", "DOTENV_OLD", "DOTENV_EMPTY", "DRAGOMAN_DOTENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOTENV_OLD", "old")
    monkeypatch.setenv("DOTENV_EMPTY", "")
    Path(".env").write_bytes(b"\xef\xbb\xbfDOTENV_NEW=1\nDOTENV_OLD=new\nDOTENV_EMPTY=2\n")
    load_dotenv()
    assert [os.environ[f"DOTENV_{name}"] for name in ("NEW", "OLD", "EMPTY")] == ["1", "old", ""]


def test_read_again_it_says_what_it_says_now(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DOTENV_KEPT", "DOTENV_CHANGED", "DOTENV_GONE", "DOTENV_OWN", "DRAGOMAN_DOTENV"):
        # So that they are as they were, afterwards.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("DOTENV_OWN", "own")
    Path(".env").write_text("DOTENV_KEPT=1\nDOTENV_CHANGED=1\nDOTENV_GONE=1\nDOTENV_OWN=1\n", "utf-8")
    load_dotenv()
    Path(".env").write_text("DOTENV_KEPT=1\nDOTENV_CHANGED=2\nDOTENV_OWN=2\n", "utf-8")
    load_dotenv()
    assert [os.environ.get(f"DOTENV_{name}") for name in ("KEPT", "CHANGED", "GONE", "OWN")] == ["1", "2", None, "own"]
    Path(".env").write_bytes(b"A=\xff\xfe")
    load_dotenv()
    assert os.environ["DOTENV_KEPT"] == "1"
    Path(".env").unlink()
    load_dotenv()
    assert [os.environ.get(f"DOTENV_{name}") for name in ("KEPT", "CHANGED", "GONE", "OWN")] == [
        None,
        None,
        None,
        "own",
    ]


def test_a_file_that_is_no_text() -> None:
    Path(".env").write_bytes(b"A=\xff\xfe")
    assert load_dotenv() == [".env cannot be read: UnicodeDecodeError"]


def test_a_line_that_says_nothing_is_named_by_its_number() -> None:
    Path(".env").write_text("A=1\nsk-secret\n", "utf-8")
    assert load_dotenv() == ["line 2 of .env is not NAME=value; it is left out"]


def test_no_file() -> None:
    assert load_dotenv() == []
    Path(".env").mkdir()
    assert load_dotenv() == []
