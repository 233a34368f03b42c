"""A wire tape: one exchange with a provider, as a JSON file that people can read, review and edit."""

from __future__ import annotations

import base64
import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dragoman.core.errors import TapeError
from dragoman.core.readable import lay_out

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from dragoman.core.provider import Json

#: The key by which a file is known for a tape, and the version of what it holds.
VERSION_KEY, VERSION = "dragoman_tape", 1
#: `reply.end` of a stream that its caller closed before it was over.
CLOSED = "closed"
#: What stands in the place of a secret.
PLACEHOLDER = re.compile(r"\[scrubbed: [^\]\n]*\]")
#: One event of a stream, as readers of a tape want to see it.
_EVENTS = re.compile(r"(?s).*?(?:\n\n|$)")
_PARTS = ("body", "text", "base64")


@dataclass(slots=True)
class Tape:
    """One file. `data` has `wire` (what was sent), and `reply`, `failure` or both (what came of it)."""

    path: Path
    data: Json

    @property
    def wire(self) -> Json:
        """`method`, `path`, `query`, `headers`, and one of `body` (JSON), `text` and `base64`."""
        found: Json = self.data["wire"]
        return found

    @property
    def reply(self) -> Json | None:
        """`status`, `headers`, `ms` since the request, and `pieces`, or one of `body`, `text` and `base64`."""
        found: Json | None = self.data.get("reply")
        return found

    @property
    def recorded(self) -> str:
        """When the request was sent, in UTC."""
        return str(self.data.get("recorded") or "")


def asked(provider: str, wire: Json) -> Json:
    """Return what a request is found by: all but its headers."""
    return {"provider": provider, **{name: value for name, value in wire.items() if name != "headers" and value != {}}}


def canonical(value: Any) -> str:
    """Write JSON in the one way in which equal values look the same."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def write_content(content: bytes) -> Json:
    """Say bytes as `body` (JSON), `text` or `base64`; empty for no bytes."""
    if not content:
        return {}
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {"text": text}
    return {"body": value} if isinstance(value, dict | list) else {"text": text}


def read_content(said: Json) -> bytes:
    """Give the bytes that `write_content` said."""
    if "body" in said:
        return encoded(said["body"])
    if "base64" in said:
        return base64.b64decode(said["base64"], validate=True)
    return str(said.get("text", "")).encode("utf-8", "surrogatepass")


def encoded(value: Any) -> bytes:
    """Write JSON as people read it; half a surrogate pair, which UTF-8 cannot say, is escaped."""
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(value).encode()


def write_pieces(pieces: Iterable[tuple[int, bytes]]) -> list[Any]:
    """Say a stream's pieces: `[ms, event, …]`, or `[ms, {"base64": …}]` where they are no text.

    A character that two pieces share goes to the second one.
    """
    said: list[Any] = []
    rest = b""
    for ms, piece in pieces:
        data, rest = _whole_characters(rest + piece)
        if data:
            said.append([ms, *_parts(data)])
    if rest:
        said.append([said[-1][0] if said else 0, *_parts(rest)])
    return said


def read_piece(said: list[Any]) -> tuple[float, bytes]:
    """Give the milliseconds since the request, and the bytes, of a piece."""
    ms, *parts = said
    return float(ms), b"".join(part.encode() if isinstance(part, str) else read_content(part) for part in parts)


def _whole_characters(data: bytes) -> tuple[bytes, bytes]:
    """Cut off a character's first bytes at the end."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte >= 0xC0:  # noqa: PLR2004 (the first byte of several)
            length = 2 + (byte >= 0xE0) + (byte >= 0xF0)  # noqa: PLR2004 (as UTF-8 has it)
            return (data, b"") if back >= length else (data[:-back], data[-back:])
        if byte < 0x80:  # noqa: PLR2004 (a character of its own)
            break
    return data, b""


def _parts(data: bytes) -> list[Any]:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return [{"base64": base64.b64encode(data).decode()}]
    return [event for event in _EVENTS.findall(text) if event]


def save(folder: Path, stem: str, data: Json, first: int = 1) -> tuple[Path, int]:
    """Write a tape under the first free name: `stem.json`, `stem-2.json`, …; return it and its number.

    The name is taken first, and the file put there whole: other processes write here too.
    """
    number = first
    while True:
        path = folder / (f"{stem}.json" if number == 1 else f"{stem}-{number}.json")
        try:
            path.open("x").close()
        except FileExistsError:
            number += 1
            continue
        break
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        draft.write_bytes(_encoded(data))
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise
    return path, number


def _encoded(data: Json) -> bytes:
    try:
        return (lay_out(data) + "\n").encode()
    except UnicodeEncodeError:
        # Half a surrogate pair, which JSON can say and UTF-8 cannot.
        return json.dumps(data, indent=2).encode()


def read_tape(path: Path) -> Tape:
    """Read and check one file. Raises `TapeError`, which names it."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as exception:
        message = f"{path} is no tape: {type(exception).__name__}: {exception}; record it again, or remove it"
        raise TapeError(message) from exception
    if fault := _fault(data):
        message = f"{path} is no tape that can be replayed: {fault}; record it again, or remove it"
        raise TapeError(message)
    return Tape(path, data)


def read_folder(folder: Path) -> list[Tape]:
    """Read all tapes of a folder in the order in which their requests were sent. Raises `TapeError`."""
    if not folder.is_dir():
        message = f"there is no folder {folder} with tapes; {how_to_record(folder)}"
        raise TapeError(message)
    tapes = [read_tape(path) for path in sorted(folder.glob("*.json"), key=_in_order)]
    return sorted(tapes, key=lambda tape: tape.recorded)


def _in_order(path: Path) -> tuple[str, int]:
    stem, _, number = path.stem.rpartition("-")
    return (stem, int(number)) if number.isdigit() and stem else (path.stem, 0)


def how_to_record(folder: Path) -> str:
    """Say what to do for a tape that is not there."""
    return f"to record: dragoman record --into {folder} -- YOUR PROGRAM"


def _fault(data: Any) -> str:  # noqa: PLR0911 (one return for each fault)
    if not isinstance(data, dict) or VERSION_KEY not in data:
        return f"it has no {VERSION_KEY!r}, which `dragoman record` writes"
    if data[VERSION_KEY] != VERSION:
        return f"it is of version {data[VERSION_KEY]!r}, and this dragoman-core reads version {VERSION}"
    wire, reply, failure = data.get("wire"), data.get("reply"), data.get("failure")
    if not isinstance(data.get("provider"), str) or not isinstance(data.get("call", {}), dict):
        return "`provider` is not a name, or `call` is no object"
    if not (isinstance(wire, dict) and isinstance(wire.get("path"), str) and isinstance(wire.get("method"), str)):
        return "`wire` lacks `method` or `path`"
    if reply is None and failure is None:
        return "it has neither a `reply` nor a `failure`"
    if failure is not None and not (isinstance(failure, dict) and isinstance(failure.get("kind"), str)):
        return "`failure` has no `kind`"
    return "" if reply is None else _reply_fault(reply)


def _reply_fault(reply: Any) -> str:
    if not isinstance(reply, dict) or not isinstance(reply.get("status"), int):
        return "`reply` has no `status`"
    if not isinstance(reply.get("headers", {}), dict):
        return "`reply.headers` is no object"
    if len({"pieces", *_PARTS} & reply.keys()) > 1:
        return "`reply` has more than one of `pieces`, `body`, `text` and `base64`"
    try:
        read_content(reply)
        for piece in reply.get("pieces", ()):
            read_piece(piece)
    except (AttributeError, TypeError, ValueError) as exception:
        return f"`reply` cannot be read ({exception})"
    return ""
