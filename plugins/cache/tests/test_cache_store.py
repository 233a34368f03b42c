"""Answers in a file: shared, bounded, and never in the way."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.cache import Store
from dragoman.core import DragomanWarning

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "answers.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    made = Store(path)
    yield made
    made.close()


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_what_is_put_is_got(store: Store) -> None:
    assert store.get(key(1)) is None
    store.put(key(1), {"a": "ü", "n": None})
    store.put(key(1), {"a": "ö"})
    assert store.get(key(1)) == {"a": "ö"}
    assert len(store) == 1
    store.clear()
    assert store.get(key(1)) is None


@pytest.mark.timeout(10)
def test_an_answer_that_is_put_while_another_one_is_looked_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python may collect a stream that was left at any time; its answer is kept in the thread that looks."""
    late = [key(2)]

    def now() -> float:
        while late:
            store.put(late.pop(), {"a": 2})
        return 0.0

    store.put(key(1), {"a": 1})
    monkeypatch.setattr("dragoman.cache.store.time.time", now)
    assert store.get(key(1)) == {"a": 1}
    assert store.get(key(2)) == {"a": 2}


def test_it_stays_and_only_its_owner_reads_it(store: Store, path: Path) -> None:
    store.put(key(1), {"a": 1})
    store.close()
    other = Store(path)
    assert other.get(key(1)) == {"a": 1}
    other.close()
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_an_old_answer_is_not_given(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.time", lambda: now)
    store = Store(path, max_age=10)
    store.put(key(1), {"a": 1})
    now = 1010.0
    assert store.get(key(1)) == {"a": 1}
    now = 1011.0
    assert store.get(key(1)) is None
    store.close()


def test_what_was_used_longest_ago_goes_first(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.time", lambda: now)
    store = Store(path, max_bytes=10_000)
    for number in range(200):
        now += 100
        store.put(key(number), {"text": "x" * 100})
        store.get(key(0))
    with sqlite3.connect(path) as database:
        size = database.execute("SELECT total(length(answer)) FROM answers").fetchone()[0]
    database.close()
    # The size is looked at once in 64 writes.
    assert size <= 10_000 + 64 * 113
    assert store.get(key(0)) is not None
    assert store.get(key(1)) is None
    assert store.get(key(199)) is not None
    store.put(key(500), {"text": "x" * 20_000})
    assert store.get(key(500)) is None
    store.close()


@pytest.mark.parametrize("damage", ["text", "middle"])
def test_a_broken_file_is_set_aside(store: Store, path: Path, damage: str) -> None:
    for number in range(300):
        store.put(key(number), {"text": "x" * 200})
    store.close()
    content = bytearray(path.read_bytes())
    content[:] = b"this is no database" * 100 if damage == "text" else content
    content[4096 : len(content) - 1] = b"\xff" * (len(content) - 4097) if damage == "middle" else content[4096:-1]
    path.write_bytes(bytes(content))
    with pytest.warns(DragomanWarning, match="is broken; it is now answers.sqlite.broken-"):
        [store.get(key(number)) for number in range(300)]
    store.put(key(1), {"a": 1})
    assert store.get(key(1)) == {"a": 1}
    (aside,) = path.parent.glob("*.broken-*")
    assert aside.read_bytes() == bytes(content)


def test_a_place_that_cannot_be_written_is_told_and_breaks_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "answers.sqlite")
    with pytest.warns(DragomanWarning, match="cannot be used"):
        store.put(key(1), {"a": 1})
    with pytest.warns(DragomanWarning, match="cannot be used"):
        assert store.get(key(1)) is None


def test_somebody_elses_long_write_is_not_waited_for(store: Store, path: Path) -> None:
    store.put(key(1), {"a": 1})
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        store.put(key(2), {"a": 2})
        assert store.get(key(1)) == {"a": 1}
        other.execute("ROLLBACK")
    other.close()
    assert store.get(key(2)) is None


def test_threads_share_a_store(store: Store) -> None:
    def work(start: int) -> None:
        for number in range(start, start + 50):
            store.put(key(number), {"n": number})

    threads = [threading.Thread(target=work, args=(start,)) for start in range(0, 200, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [store.get(key(number)) for number in range(200)] == [{"n": number} for number in range(200)]


def test_processes_share_a_file(path: Path) -> None:
    code = """
import sys
from dragoman.cache import Store
store = Store(sys.argv[1])
for number in range(int(sys.argv[2]), int(sys.argv[2]) + 40):
    store.put(number.to_bytes(32, "big"), {"n": number})
store.close()
"""
    arguments = [[sys.executable, "-W", "error", "-c", code, str(path), str(start)] for start in (0, 40, 80)]
    processes = [subprocess.Popen(argument) for argument in arguments]  # noqa: S603 (our own code)
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    store = Store(path)
    found: list[Any] = [store.get(key(number)) for number in range(120)]
    store.close()
    # Nobody waits long for somebody else's write, so one may be missing; what is there is right.
    assert all(answer in (None, {"n": number}) for number, answer in enumerate(found))
    assert sum(answer is not None for answer in found) > 100


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_opens_the_file_anew(store: Store) -> None:
    store.put(key(1), {"a": 1})
    child = os.fork()
    if child == 0:
        found = store.get(key(1))
        store.put(key(2), {"a": 2})
        os._exit(0 if found == {"a": 1} else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.get(key(2)) == {"a": 2}
