"""A run from a file to a file: nothing is lost, and what was answered before is not asked again."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from dragoman.batch.index import Index
from dragoman.batch.inputs import Background, Lines, open_input
from dragoman.batch.lines import bad_line, output_line
from dragoman.batch.outputs import Output, OutputError, Reserve, Stdout
from dragoman.batch.progress import LOOK, Progress
from dragoman.batch.recovery import read_lines
from dragoman.batch.runs import Run
from dragoman.batch.signals import listening
from dragoman.batch.sources import FileSource, Sorter, id_of_bad
from dragoman.batch.summary import Summary
from dragoman.core import DragomanError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dragoman.batch.engines import Engine, Settings
    from dragoman.batch.inputs import Input
    from dragoman.batch.options import Options
    from dragoman.batch.records import BadLine, Result

#: Seconds after which what was written is on the disk, and not only with the system.
_SYNC = 5.0


@dataclass(frozen=True, slots=True)
class Places:
    """Where a run reads and writes; "-" is stdin and stdout."""

    source: str
    output: str
    errors: str
    #: Begin anew where there are answers already.
    overwrite: bool = False
    #: Ask failed requests of earlier runs again.
    retry_failed: bool = False

    @property
    def beside(self) -> Path:
        """The file beside which a run keeps others: the output, unless that is a stream or a device."""
        output = Path(self.output)
        streams = self.output == "-" or (output.exists() and not output.is_file())
        return Path(self.errors) if streams else output

    def check(self) -> None:
        """Raise `DragomanError` for files that are one and the same."""
        files = [_file_of(name) for name in (self.source, self.output, self.errors) if name != "-"]
        if len(set(files)) < len(files) or self.errors == "-":
            message = "requests, answers and errors must be three different files"
            raise DragomanError(message)


def _file_of(name: str) -> object:
    """Return what two names of one file have in common, be it by a link of either kind."""
    try:
        found = Path(name).stat()
    except OSError:
        return os.path.realpath(name)
    return found.st_dev, found.st_ino


def run_file(  # noqa: PLR0913 (what runs, and how it tells of it)
    places: Places,
    engine: Engine,
    settings: Settings,
    options: Options,
    *,
    quiet: bool = False,
    say: Callable[[str], object] = lambda _: None,
) -> Summary:
    """Run, and return what was done. What is wrong with the files is raised before a request is sent.

    Raises `DragomanError` for that, and what the engine raises. `say` is told what is found of earlier runs.
    """
    places.check()
    settings = replace(settings, state=places.beside.with_name(f"{places.beside.name}.state"))
    with ExitStack() as stack:
        opened = open_input(places.source)
        stack.callback(opened.close)
        files = _Files(places)
        stack.callback(files.close)
        if files.cut:
            say(f"{files.cut} bytes of a line that was torn were cut off")
        if files.before:
            say(f"going on after {files.before:,} results in {places.output} and {places.errors}")
        run = Run(engine, settings, options, files.keep, files.summary)
        asyncio.run(_Driver(run, opened, files, options.model, quiet=quiet).go())
        if not run.summary.stopped:
            run.summary.strangers = files.index.strangers()
            run.summary.failed_before -= files.index.mended()
    return files.summary


class _Driver:
    """Runs on an event loop, and looks after what goes on beside: progress, the disk, signals."""

    def __init__(self, run: Run, opened: Input, files: _Files, model: str, *, quiet: bool) -> None:
        self._run = run
        self._opened = opened
        self._files = files
        self._model = model
        self._progress = Progress(run.summary, self._extent, quiet=quiet)
        self._synced = time.monotonic()
        self._syncing: asyncio.Task[None] | None = None

    async def go(self) -> None:
        loop = asyncio.get_running_loop()
        reader = Background(Lines(self._opened), loop)
        source = FileSource(reader, self._files.sorter, self._model)
        with listening(loop, self._interrupt):
            try:
                await self._run.go(source, self._look, LOOK)
            finally:
                reader.close()
                self._progress.clear()
                if self._syncing is not None:
                    await asyncio.gather(self._syncing, return_exceptions=True)

    def _extent(self) -> tuple[float, float] | None:
        """Return how many lines are finished, and of how many, as far as the bytes that were read tell.

        Of a run that is stopping, nobody knows: what waited for its turn was given up.
        """
        share, lines, desk = self._opened.share(), self._files.sorter.lines, self._run.desk
        if not share or desk is None or desk.stopping:
            return None
        return lines - desk.unfinished, lines / share

    def _look(self) -> None:
        desk = self._run.desk
        self._progress.pause = desk.pause if desk is not None else 0.0
        self._progress.show()
        if self._files.is_low and desk is not None and not desk.stopping:
            desk.stop("output", OutputError("the disk is full: what is free was kept for the last answers"))
        idle = self._syncing is None or self._syncing.done()
        if idle and time.monotonic() - self._synced >= _SYNC:
            self._synced = time.monotonic()
            self._syncing = asyncio.get_running_loop().create_task(self._files.sync())

    def _interrupt(self) -> None:
        waiting = self._run.desk.open if self._run.desk is not None else 0
        if not self._run.interrupt() and self._run.paced:
            self._progress.say(f"stopping: {waiting:,} requests are being answered; Ctrl-C again gives them up")


class _Line(msgspec.Struct):
    """What is looked at of a line of an earlier run."""

    id: Any = None
    custom_id: Any = None
    error: Any = None


class _Files:
    """What a run writes: answers, errors, and, as long as it runs, the ids of both."""

    def __init__(self, places: Places) -> None:
        self.summary = Summary()
        self._stack = ExitStack()
        try:
            self._open(places)
        except BaseException:
            self._stack.close()
            raise

    def _open(self, places: Places) -> None:
        beside = places.beside
        self._reserve = Reserve(beside.with_name(f"{beside.name}.reserve"))
        self._output = self._stdout() if places.output == "-" else self._file(places.output, anew=places.overwrite)
        self._errors = self._file(places.errors, anew=places.overwrite or places.retry_failed)
        # Not before the locks: another run may be at it.
        self._reserve.take()
        self._stack.callback(self._reserve.free)
        self.index = Index(beside.with_name(f"{beside.name}.index"))
        self._stack.callback(self.index.close)
        self.sorter = Sorter(self.index, self._keep_bad, self.summary)
        self.cut = self._output.cut + self._errors.cut
        answered, failed = (
            self.index.remember(_ids(file.path)) if file.size else 0 for file in (self._output, self._errors)
        )
        #: Results of earlier runs.
        self.before, self.summary.failed_before = answered + failed, failed

    def _file(self, name: str, *, anew: bool) -> Output:
        output = Output(Path(name), self._reserve, overwrite=anew)
        self._stack.callback(output.close)
        return output

    def _stdout(self) -> Stdout:
        stdout = Stdout()
        self._stack.callback(stdout.close)
        return stdout

    @property
    def is_low(self) -> bool:
        """Whether a disk was full, and the reserve was given up."""
        return self._reserve.given_up

    def keep(self, result: Result) -> None:
        """Write a result."""
        (self._output if result.ok else self._errors).write(output_line(result))

    def _keep_bad(self, bad: BadLine) -> None:
        self._errors.write(bad_line(bad))
        self.summary.bad += 1

    async def sync(self) -> None:
        """Have the disk hold what was written."""
        await self._output.sync()
        await self._errors.sync()

    def close(self) -> None:
        """End the files. Raises `OutputError` if the end of one cannot be written."""
        self._stack.close()


def _ids(path: Path) -> Iterator[str]:
    """Give the ids of what an earlier run wrote; a line that cannot be read is nobody's."""
    read = msgspec.json.Decoder(_Line).decode
    for text in read_lines(path):
        try:
            line = read(text)
        except msgspec.DecodeError:
            continue
        if isinstance(line.custom_id, str) and line.id is not None:
            yield line.custom_id
        elif isinstance(line.error, dict) and isinstance(number := line.error.get("line"), int):
            yield id_of_bad(number)
