"""`--tapes=record`: asks the vendor for the answers that tapes lack, and takes the secrets out of them."""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.testing.playing import alone, ask, options_of
from dragoman.testing.tapes import Tape

if TYPE_CHECKING:
    from dragoman.core import Json, Provider
    from dragoman.testing.base import Base

#: What `--tapes=record` has recorded in this run, for the report.
RECORDED = pytest.StashKey[list[str]]()
#: Headers of a failure that its exception shows, or that decide about a retry.
_KEPT = re.compile(r"retry-after(-ms)?|x-should-retry|(.*-)?request-id|mistral-correlation-id|x-litellm-call-id")
_ANSWERS = frozenset({"vendor_response", "vendor_events", "response", "chunks"})
_FAILURE = 400
_RETRIES = 2
_BLANK_LINE = re.compile(r"\r\n\r\n|\n\n|\r\r")


def record_folder(suite: type[Base], folder: Path, config: pytest.Config) -> list[str]:
    """Make the live call of every tape in a folder that has only its request; return what to tell of each.

    The provider's key and address are the environment's. Raises `pytest.UsageError` where there is no key, or no
    answer to keep.
    """
    tapes = [Tape(path, data) for path in sorted(folder.glob("*.json")) if _lacks_answer(data := _read(path))]
    if not tapes:
        return []
    if hasattr(config, "workerinput"):
        msg = "--tapes=record asks the vendor once: run it without pytest-xdist (-n 0)"
        raise pytest.UsageError(msg)
    provider = suite().make(base_url=None, api_key=None)
    if provider.key_env and not provider.api_key and not any(map(os.environ.get, provider.key_env)):
        names = ", ".join(tape.path.name for tape in tapes)
        msg = f"--tapes=record asks the vendor for {names}: set {' or '.join(provider.key_env)}"
        raise pytest.UsageError(msg)
    return [_record(provider, tape) for tape in tapes]


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError:
        # The reader of all tapes says what is wrong with it.
        return None


def _lacks_answer(data: Any) -> bool:
    return isinstance(data, dict) and isinstance(data.get("request"), dict) and not _ANSWERS & data.keys()


def _record(provider: Provider, tape: Tape) -> str:
    exchange, failure = _ask(provider, tape)
    if exchange is None:
        msg = f"{tape.path}: nothing was sent ({failure}); a refusal is named in `response`, by its author"
        raise pytest.UsageError(msg)
    if "failure" in exchange or exchange["reply"].get("end"):
        told = exchange.get("failure", {}).get("message") or failure or "the stream was not read to its end"
        msg = f"{tape.path}: no whole answer came: {told}"
        raise pytest.UsageError(msg)
    reply = exchange["reply"]
    sides = _sides(reply, provider.framing)
    tape.data.update(sides)
    tape.write()
    scrubbed = [f"{', '.join(names)} in {place}" for place, names in sorted(exchange.get("scrubbed", {}).items())]
    told = f"scrubbed {'; '.join(scrubbed)}" if scrubbed else "nothing had to be scrubbed"
    return f"{tape.path}: HTTP {reply['status']}, {_size(sides)}; {told}"


def _ask(provider: Provider, tape: Tape) -> tuple[Json | None, Exception | None]:
    """Make the call with the synchronous client, recorded; return the wire tape, and what was raised."""
    from dragoman.core import Client, Recorder

    failure = None
    with tempfile.TemporaryDirectory() as place:
        options = options_of(provider, tape, _RETRIES)
        with alone(provider, tape), Client(**options, record=Recorder(place)) as client:
            try:
                found = ask(client, provider, tape)
                if tape.data["request"].get("stream"):
                    for _ in found:
                        pass
            except Exception as exception:  # noqa: BLE001 (failures are answers too; others are told)
                failure = exception
        exchanges = [_read(path) for path in Path(place).glob("*.json")]
    return (exchanges[0] if exchanges else None), failure


def _sides(reply: Json, framing: str) -> Json:
    """Write a wire tape's reply as the vendor's side of a provider's tape."""
    sides: Json = {}
    if reply["status"] != 200:  # noqa: PLR2004 (what goes without saying)
        sides["status"] = reply["status"]
    kept = {name: value for name, value in reply["headers"].items() if _KEPT.fullmatch(name)}
    if kept and reply["status"] >= _FAILURE:
        sides["headers"] = kept
    if "pieces" not in reply:
        sides["vendor_response"] = reply.get("body", reply.get("text", ""))
        return sides
    text = "".join(part for _, *parts in reply["pieces"] for part in parts if isinstance(part, str))
    blocks = text.splitlines() if framing == "ndjson" else _BLANK_LINE.split(text)
    read = _json_of if framing == "ndjson" else _event_of
    sides["vendor_events"] = [read(block) for block in blocks if block.strip()]
    return sides


def _event_of(block: str) -> Any:
    """Read an SSE event: its data, with its name if it has one; what is neither stays as it was sent."""
    fields = [line.partition(":")[::2] for line in block.splitlines()]
    data = "\n".join(value.removeprefix(" ") for name, value in fields if name == "data")
    names = [value.strip() for name, value in fields if name == "event"]
    value = _json_of(data)
    if not isinstance(value, dict) or {name for name, _ in fields} - {"data", "event"}:
        return block
    return [names[0], value] if names else value


def _json_of(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _size(sides: Json) -> str:
    events = sides.get("vendor_events")
    return f"{len(events)} events" if events is not None else "a whole answer"
