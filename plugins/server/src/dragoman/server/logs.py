"""The log: one JSON object per line, or a line for people where they look on. No prompt and no key is in it.

`dragoman.server` is a logger of Python's own; a host that has set up logging decides where its lines go.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from dragoman.server.records import Record

log = logging.getLogger("dragoman.server")
_FAILED = 500
_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode


def write_record(record: Record, *, prompts: bool) -> None:
    """Write the line of a request that has ended. `prompts`: what was asked and what failed may stand in it."""
    failure = record.failure
    level = logging.ERROR if failure is not None and failure.status >= _FAILED else logging.INFO
    if not log.isEnabledFor(level):
        return
    fields: dict[str, Any] = {
        "request_id": record.request_id,
        "method": record.method,
        "endpoint": record.endpoint,
        "status": record.status,
        "outcome": record.outcome,
        "seconds": round(record.seconds, 4),
        "caller": record.caller,
        "model": record.model,
        "provider": record.provider,
        "stream": record.stream,
        "provider_request_id": record.provider_id,
    }
    if record.first_piece is not None:
        fields["first_piece_seconds"] = round(record.first_piece - record.started, 4)
    if (tokens := record.tokens()) is not None:
        fields["prompt_tokens"], fields["completion_tokens"] = tokens
    if failure is not None:
        # A provider's message may quote the prompt.
        fields["error"] = {"kind": failure.kind, "code": failure.error.get("code")}
        if prompts:
            fields["error"]["message"] = failure.error.get("message")
    if prompts and record.request is not None:
        fields["request"] = record.request
    # Not `log.log`, which would look for the caller in the stack, and that costs as much as the whole line.
    line = log.makeRecord(log.name, level, "", 0, "request", (), None)
    line.fields = {name: value for name, value in fields.items() if value != ""}
    log.handle(line)


class JsonLines(logging.Formatter):
    """One JSON object per line: `time` (UTC), `level`, `event`, and what the event has."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _encode(line)


class Lines(logging.Formatter):
    """The same for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line, and below it the traceback if there is one."""
        fields = getattr(record, "fields", {})
        said = " ".join(f"{name}={_word(value)}" for name, value in fields.items() if value not in (None, False))
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        line = f"{clock} {record.levelname.lower():7} {' '.join(record.getMessage().split())} {said}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _word(value: object) -> str:
    return str(value) if isinstance(value, int | float | str) else _encode(value)


def set_up_logging(stream: TextIO | None = None) -> None:
    """Write the server's log, dragoman's warnings and the host's complaints to stderr."""
    # Python looks these up for every line, and no line here has them.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Lines() if stream.isatty() else JsonLines())
    for name, level in {"dragoman": logging.INFO, "uvicorn": logging.WARNING}.items():
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
    # It says that an answer was not completed; where that is so, it is on purpose and the request's line says why.
    logging.getLogger("uvicorn.error").addFilter(lambda record: "without completing response" not in record.msg)

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        log.warning("warning", extra={"fields": {"message": str(message), "category": category.__name__}})

    warnings.showwarning = show
