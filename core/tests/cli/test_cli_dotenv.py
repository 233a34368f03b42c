from __future__ import annotations

import os
from pathlib import Path

import pytest

from dragoman.core.cli.dotenv import load_dotenv, parse_dotenv


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
    for name in ("DOTENV_NEW", "DOTENV_OLD", "DOTENV_EMPTY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOTENV_OLD", "old")
    monkeypatch.setenv("DOTENV_EMPTY", "")
    Path(".env").write_bytes(b"\xef\xbb\xbfDOTENV_NEW=1\nDOTENV_OLD=new\nDOTENV_EMPTY=2\n")
    load_dotenv()
    assert [os.environ[f"DOTENV_{name}"] for name in ("NEW", "OLD", "EMPTY")] == ["1", "old", ""]


def test_a_file_that_is_no_text(capsys: pytest.CaptureFixture[str]) -> None:
    Path(".env").write_bytes(b"A=\xff\xfe")
    load_dotenv()
    assert capsys.readouterr().err == "dragoman: warning: .env cannot be read: UnicodeDecodeError\n"


def test_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    load_dotenv()
    Path(".env").mkdir()
    load_dotenv()
    assert capsys.readouterr() == ("", "")
