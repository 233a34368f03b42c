"""What is wrong with a file of requests, found out without asking anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.batch.index import Index
from dragoman.batch.inputs import Lines, open_input
from dragoman.batch.lines import read_line
from dragoman.batch.records import BadLine
from dragoman.batch.sources import Sorter
from dragoman.batch.summary import Summary
from dragoman.core import DragomanError, make_ask, make_dispatcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.batch.engines import Settings
    from dragoman.batch.records import Request


def check_file(name: str, settings: Settings, model: str, tell: Callable[[str], object]) -> tuple[int, int]:
    """Read all lines, and make of each what its provider would be sent. Returns how many are right, and are not.

    `tell` is told of each that is not, in one line. Raises `DragomanError` for a file that cannot be read.
    """
    good = bad = 0

    def note(found: BadLine) -> None:
        nonlocal bad
        bad += 1
        tell(f"{name}:{found.line}: {found.reason} [{found.code}]")

    dispatcher = make_dispatcher(**{"default_provider": "openai", **settings.client})

    def problem(request: Request) -> DragomanError | None:
        ask = make_ask(dict(request.body), request.endpoint)
        try:
            exchange = dispatcher.exchange(ask, settings.options)
            exchange.provider.encode(exchange.call)
        except DragomanError as refusal:
            return refusal
        return None

    index = Index()
    opened = open_input(name)
    try:
        sorter, lines = Sorter(index, note, Summary()), Lines(opened)
        while found := lines.read():
            for number, text in found:
                request = sorter.sort(read_line(text, number, model))
                if request is None:
                    continue
                refusal = problem(request)
                good += refusal is None
                if refusal is not None:
                    code = "unsupported_parameter" if hasattr(refusal, "param") else "invalid_request"
                    note(BadLine(number, code, f"cannot be asked: {refusal}", request.custom_id))
    finally:
        index.close()
        opened.close()
    return good, bad
