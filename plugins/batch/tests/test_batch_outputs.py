from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman.batch.compression import make_codec, suffix_of, zstd
from dragoman.batch.outputs import Output, OutputError, Reserve
from dragoman.batch.recovery import read_lines, repair
from dragoman.core import DragomanError

NAMES = ("a.jsonl", "a.jsonl.gz", "a.jsonl.zst")
LINES = st.lists(st.integers(0, 3000).map(lambda size: b'{"n":"%b"}' % (b"%d" % size * (size // 4))), max_size=12)
quick = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def whole(path: Path) -> bytes:
    """Read as anybody would."""
    kind = suffix_of(path)
    if kind == "gzip":
        return gzip.decompress(path.read_bytes())
    if kind == "zstd":
        with zstd().open(str(path)) as file:
            return file.read()
    return path.read_bytes()


def fill(path: Path, lines: list[bytes], *, end: bool) -> list[int]:
    """Write lines as a run does; return the file's size after each."""
    codec = make_codec(suffix_of(path))
    sizes = []
    with path.open("ab") as file:
        for line in lines:
            file.write(codec.line(line + b"\n"))
            sizes.append(file.tell())
        if end and (lines or not file.tell()):
            file.write(codec.end())
    return sizes


@pytest.mark.parametrize("name", NAMES)
@quick
@given(LINES, LINES, st.data())
def test_a_file_that_was_cut_anywhere_is_mended(
    tmp_path_factory: pytest.TempPathFactory, name: str, earlier: list[bytes], lines: list[bytes], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("cut") / name
    fill(path, earlier, end=True)
    before = path.stat().st_size
    sizes = fill(path, lines, end=data.draw(st.booleans()))
    cut = data.draw(st.integers(before, path.stat().st_size))
    with path.open("r+b") as file:
        file.truncate(cut)
    repair(path)
    kept = list(read_lines(path))
    finished = sum(size <= cut for size in sizes)
    assert kept[: len(earlier) + finished] == earlier + lines[:finished]
    # A line that lacks nothing but its end may be there too.
    assert kept == (earlier + lines)[: len(kept)]
    if path.stat().st_size:
        assert whole(path) == b"".join(line + b"\n" for line in kept)
    assert repair(path) == 0
    fill(path, [b'{"more":1}'], end=True)
    assert list(read_lines(path)) == [*kept, b'{"more":1}']
    assert whole(path).endswith(b'\n{"more":1}\n') or not kept


@pytest.mark.parametrize("name", NAMES[1:])
def test_long_lines_have_many_blocks(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    lines = [bytes(range(48, 123)) * 10_000, b"short", bytes(range(48, 123)) * 8_000]
    sizes = fill(path, lines, end=False)
    with path.open("r+b") as file:
        file.truncate(sizes[-1] - 1)
    assert repair(path) > 0
    assert list(read_lines(path)) == lines[:2]


@pytest.mark.parametrize("name", NAMES[1:])
def test_a_file_that_is_broken_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"this was never compressed, and is longer than a head")
    with pytest.raises(DragomanError, match="--overwrite begins anew"):
        repair(path)


def test_a_last_line_without_its_newline_is_no_torn_one(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a":1}\n{"b":2}')
    assert repair(path) == 0
    assert path.read_bytes() == b'{"a":1}\n{"b":2}\n'


def test_a_second_run_is_kept_away(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    first = Output(path)
    with pytest.raises(OutputError, match="another run"):
        Output(path)
    first.write(b"{}\n")
    first.close()
    Output(path).close()
    assert path.read_bytes() == b"{}\n"


def test_a_device_may_be_two_runs() -> None:
    first, second = Output(Path("/dev/null")), Output(Path("/dev/null"))
    for output in (first, second):
        output.write(b"{}\n")
        output.close()
    assert first.size > 0


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"nowhere.*cannot be written: No such file"):
        Output(tmp_path / "nowhere" / "a.jsonl")


def test_a_full_device_says_so() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    output = Output(Path("/dev/full"))
    with pytest.raises(OutputError, match="No space left"):
        output.write(b"{}\n")
    with pytest.raises(OutputError, match="any more"):
        output.write(b"{}\n")


FULL = """
import resource, sys
from pathlib import Path
from dragoman.batch.outputs import Output, OutputError, Reserve
resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, 5_000_000))
folder = Path(sys.argv[1])
reserve = Reserve(folder / "reserve")
reserve.take()
output = Output(folder / sys.argv[2], reserve)
written = 0
import random
chance = random.Random(1)
try:
    while True:
        output.write(chance.randbytes(20_000).hex().encode() + b"\\n")
        written += 1
except OutputError as error:
    print(written, reserve.given_up, error)
output.close()
"""


@pytest.mark.parametrize("name", NAMES)
def test_a_line_that_does_not_fit_leaves_no_part(tmp_path: Path, name: str) -> None:
    pytest.importorskip("resource", reason="this system has no limit on the size of files")
    found = subprocess.run(  # noqa: S603 (ours)
        [sys.executable, "-c", FULL, str(tmp_path), name], capture_output=True, text=True, check=True
    )
    written, given_up, said = found.stdout.split(maxsplit=2)
    assert given_up == "True"
    assert "File too large" in said
    lines = list(read_lines(tmp_path / name))
    assert len(lines) == int(written) > 50
    assert all(len(line) == 40_000 for line in lines)
    assert whole(tmp_path / name).count(b"\n") == len(lines)


def test_no_room_for_the_reserve(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot be written.*a run wants 4 MiB"):
        Reserve(tmp_path / "nowhere" / "reserve").take()
