"""Tapes: one exchange each, as a JSON file that a person can write and review."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dragoman.core import lay_out

if TYPE_CHECKING:
    from pathlib import Path

    from dragoman.core import Json

#: The keys of a tape, in the order in which they are written.
KEYS = (
    "about",
    "endpoint",
    "on_unsupported",
    "request",
    "vendor_request",
    "status",
    "headers",
    "vendor_response",
    "vendor_events",
    "response",
    "chunks",
)
#: What the provider derives from the rest.
DERIVED = frozenset({"vendor_request", "response", "chunks"})
#: What every provider should show; a missing one is a skip that the report names.
REQUIRED = {
    "text": "an answer of plain text",
    "text_stream": "the same answer as a stream",
    "tools": "an answer that calls a tool",
    "tools_stream": "the same call as a stream",
    "error": "a failure in the vendor's words",
    "unsupported": "a parameter that the vendor does not have (only `request` and the error in `response`)",
}
#: The id and the time (Unix seconds) of every call of a tape, for vendors that send neither.
CALL_ID = "chatcmpl-tape"
CREATED = 1_700_000_000
#: Endpoints, as paths below OpenAI's `/v1`.
CHAT = "chat/completions"
MODELS = "models"
#: HTTP statuses -> the openai package's exceptions.
CLASSES = {
    400: "BadRequestError",
    401: "AuthenticationError",
    402: "APIStatusError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    408: "APIStatusError",
    409: "ConflictError",
    413: "APIStatusError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
    500: "InternalServerError",
    503: "InternalServerError",
    504: "InternalServerError",
    529: "InternalServerError",
}
_FAILURE = 400
_STREAM = "_stream"


class TapeError(ValueError):
    """A tape cannot be meant as it stands; the message names the file."""


@dataclass(slots=True)
class Tape:
    """One exchange. `request` is OpenAI's, its `model` without the provider's name.

    Of the vendor's side there is `vendor_response` (JSON, or a text that is sent as it is), or `vendor_events`:
    objects are events' data, `["name", {…}]` gives the event's name too, texts are sent as they are. Without
    either, nothing is sent: the request is refused. A failure is `{"error": {"class": …, "message": …}}` in
    `response`, with the name of the `openai` exception. `endpoint` is that of chats unless it says something else.
    """

    path: Path
    data: Json

    @property
    def name(self) -> str:
        """The file's name, without its ending."""
        return self.path.stem

    @property
    def endpoint(self) -> str:
        """The path below OpenAI's `/v1` that is asked."""
        return str(self.data.get("endpoint") or CHAT)

    @property
    def method(self) -> str:
        """GET for lists of models, POST for all else."""
        return "GET" if self.endpoint == MODELS else "POST"

    @property
    def place(self) -> Json:
        """Endpoint and method, as arguments of a `Call`."""
        return {"endpoint": self.endpoint, "method": self.method}

    @property
    def status(self) -> int:
        """HTTP status of the vendor's answer."""
        return int(self.data.get("status") or 200)

    @property
    def sent(self) -> bool:
        """Whether the vendor is asked at all."""
        return "vendor_response" in self.data or self.streams

    @property
    def streams(self) -> bool:
        """Whether the vendor answers in events."""
        return "vendor_events" in self.data

    @property
    def error(self) -> Json | None:
        """The failure that the caller shall see, if any."""
        response = self.data.get("response")
        found = response.get("error") if isinstance(response, dict) else None
        return found if isinstance(found, dict) else None

    @property
    def kinds(self) -> set[str]:
        """For which checks the tape is good."""
        chat = self.endpoint == CHAT
        # An endpoint that the provider does not have is refused before its translators see it.
        kinds = {"any", "encoded"} if chat or self.sent else {"any"}
        if not self.sent:
            unsupported = (self.error or {}).get("class") == "UnsupportedParameter"
            return {*kinds, "refused", "unsupported"} if unsupported else {*kinds, "refused"}
        kinds.add("sent")
        if self.status >= _FAILURE:
            return {*kinds, "failed", "wrong"} if chat else kinds
        if self.streams:
            kinds.add("events")
        if self.error is not None:
            # A failure that comes with status 200.
            return kinds if self.streams else {*kinds, "wrong"}
        kinds |= {"decoded"} if self.streams else {"decoded", "whole"}
        if not chat:
            return kinds
        kinds |= {"twin"} if self.name.endswith(_STREAM) else set()
        return {*kinds, "spoken", "streamed" if self.streams else "answered"}

    @property
    def twin(self) -> Path:
        """The tape with the same answer, whole: `x.json` for `x_stream.json`."""
        return self.path.with_name(self.name.removesuffix(_STREAM) + ".json")

    def missing(self) -> list[str]:
        """Sides that the provider derives, and that are not there yet."""
        wanted = {"vendor_request"} if self.sent else set()
        whole = not self.streams or self.error is not None
        wanted |= {"response"} if whole else set()
        wanted |= {"chunks"} if self.streams else set()
        lacking = {key for key in wanted if key not in self.data}
        if self.error is not None and "message" not in self.error:
            # The author says which failure it is; its words are the provider's.
            lacking.add("response")
        return [key for key in KEYS if key in lacking]

    def write(self) -> None:
        """Write the file."""
        ordered = {key: self.data[key] for key in KEYS if key in self.data}
        self.path.write_text(lay_out(ordered) + "\n", "utf-8")


def read_tape(path: Path) -> Tape:
    """Read and check one file; raises `TapeError`."""
    try:
        data = json.loads(path.read_text("utf-8"))
    except ValueError as exception:
        msg = f"{path}: this is not JSON: {exception}"
        raise TapeError(msg) from exception
    if fault := _fault(data):
        msg = f"{path}: {fault}"
        raise TapeError(msg)
    return Tape(path, data)


def _fault(data: Any) -> str:
    if not isinstance(data, dict) or not isinstance(data.get("request"), dict):
        return "a tape is an object with a `request`"
    if strange := sorted(set(data) - set(KEYS)):
        return f"no side of a tape is called {', '.join(strange)} (they are: {', '.join(KEYS)})"
    if "vendor_response" in data and "vendor_events" in data:
        return "a vendor answers with `vendor_response` or with `vendor_events`, not with both"
    if "vendor_events" in data and data["request"].get("stream") is not True:
        return '`vendor_events` answer a request with `"stream": true`'
    if "vendor_response" not in data and "vendor_events" not in data and "response" not in data:
        return "neither the vendor's answer nor the refusal is there"
    return ""


def read_tapes(folder: Path) -> list[Tape]:
    """Read all tapes of a folder, in the order of their names."""
    return [read_tape(path) for path in sorted(folder.glob("*.json"))]


def body_of(tape: Tape) -> bytes:
    """The vendor's answer as bytes, where it is no stream."""
    sent = tape.data["vendor_response"]
    return sent.encode() if isinstance(sent, str) else json.dumps(sent).encode()


def events_of(tape: Tape, framing: str) -> list[bytes]:
    """The vendor's stream, event by event, as bytes."""
    return [_event(sent, framing) for sent in tape.data["vendor_events"]]


def _event(sent: Any, framing: str) -> bytes:
    if framing == "ndjson":
        return (sent if isinstance(sent, str) else json.dumps(sent)).encode() + b"\n"
    if isinstance(sent, str):
        return sent.encode() + b"\n\n"
    if isinstance(sent, list):
        name, data = sent
        return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
    return b"data: " + json.dumps(sent).encode() + b"\n\n"


def content_type_of(tape: Tape, framing: str) -> str:
    """What a server would call such an answer."""
    if tape.streams:
        return "application/x-ndjson" if framing == "ndjson" else "text/event-stream"
    return "text/plain" if isinstance(tape.data["vendor_response"], str) else "application/json"
