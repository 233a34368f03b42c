"""`dragoman batch … --native`, as people type it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from vendor_lab import OpenAI

from dragoman.core.cli import program

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vendor_lab import Vendor

UNDER_WAY, SOME_FAILED = 8, 6


@pytest.fixture
def vendor(serving: Callable[[Any], Vendor], monkeypatch: pytest.MonkeyPatch) -> Vendor:
    found = serving(OpenAI)
    monkeypatch.setenv("OPENAI_BASE_URL", found.url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-012345")
    return found


@pytest.fixture
def requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "in.jsonl"
    lines = [
        {"custom_id": f"id-{number}", "body": {"messages": [{"role": "user", "content": text}]}}
        for number, text in enumerate(("one", "late", "refuse"), 1)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in [*lines, "no object"]))
    return path


def dragoman(*words: str) -> Result:
    return CliRunner().invoke(program, ["batch", *words], catch_exceptions=False)


def ids(path: Path) -> set[str]:
    return {json.loads(line)["custom_id"] for line in path.read_text().splitlines()}


def test_begun_looked_at_cancelled_and_fetched(vendor: Vendor, requests: Path) -> None:
    run = ("run", "in.jsonl", "--native", "-m", "openai/gpt-5.4-mini")
    begun = dragoman(*run, "--no-wait")
    assert begun.exit_code == UNDER_WAY
    assert "1 of 1 batches go on at the vendor's" in begun.stderr
    (batch,) = vendor.made()
    looked = dragoman("status", "in.jsonl")
    assert (looked.exit_code, f"{batch.id} (3 requests, openai/gpt-5.4-mini): finalizing" in looked.stdout) == (0, True)
    stopped = dragoman("cancel", "-o", "in.out.jsonl", "in.jsonl")
    assert (stopped.exit_code, batch.cancelled) == (0, True)
    fetched = dragoman(*run)
    assert fetched.exit_code == SOME_FAILED
    assert "1 answered, 2 failed" in fetched.stderr
    folder = requests.parent
    assert sorted(path.name for path in folder.iterdir()) == ["in.errors.jsonl", "in.jsonl", "in.out.jsonl"]
    assert ids(folder / "in.out.jsonl") == {"id-1"}
    assert ids(folder / "in.errors.jsonl") == {"id-2", "id-3", None}
    assert len(vendor.made()) == 1
    again = dragoman(*run)
    assert (again.exit_code, len(vendor.made())) == (SOME_FAILED, 1)


def test_nothing_is_under_way(vendor: Vendor, requests: Path) -> None:
    for word in ("status", "cancel"):
        found = dragoman(word, "in.jsonl")
        assert (found.exit_code, "nothing is under way" in found.stderr) == (1, True)
    assert vendor.seen == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--native", "--max-cost", "1"), "cost cap"),
        (("--no-wait",), "--no-wait is for --native"),
        (("--native", "--engine", "ray"), "--native is an engine of its own"),
    ],
)
def test_what_does_not_go_together(vendor: Vendor, requests: Path, words: tuple[str, ...], said: str) -> None:
    found = dragoman("run", "in.jsonl", *words)
    assert (found.exit_code, said in found.stderr, vendor.seen) == (2, True, [])
