"""A vendor's batch API: a file of requests, answered within a day and mostly at half the price.

As `Batches` stands it speaks OpenAI's batch API; a subclass overrides what its vendor does otherwise. What the lines
ask and what comes back is translated by the provider's own `encode` and `decode`, and is sent by its own sender.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from dragoman.core.codec import decode_json, encode_json, encode_lenient
from dragoman.core.errors import DragomanError, InvalidRequest
from dragoman.core.failures import failure_of
from dragoman.core.framing import NDJSON
from dragoman.core.jobs import BatchJob, BatchResult, BatchState
from dragoman.core.kinds import own_sender
from dragoman.core.plugins import plugins
from dragoman.core.provider import Call, Json, Provider, Reply, StreamCutError, Wire
from dragoman.core.replies import accept

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
    from pathlib import Path

    from dragoman.core.failures import Phase

_T = TypeVar("_T")
#: Seconds per phase. A file is read and written in pieces, and each has this long.
_TIMEOUT = {"connect": 30.0, "read": 600.0, "write": 600.0, "pool": 30.0}
_PIECE = 1024 * 1024
#: Of a list of batches: id, when it was made (Unix seconds) and what it is known by; and whether there is more.
Page = tuple[list[tuple[str, float, Any]], bool]
_RUNNING = frozenset({"validating", "in_progress", "finalizing", "cancelling"})


class Batches:
    """The batch API of a provider; `Provider.batches` makes one. Whatever it raises is an `openai.OpenAIError`.

    https://developers.openai.com/api/docs/guides/batch
    """

    #: Limits of one batch. A `custom_id` that the pattern does not fit is never given to `line`.
    max_requests: ClassVar[int] = 50_000
    max_bytes: ClassVar[int] = 200_000_000
    custom_id: ClassVar[re.Pattern[str]] = re.compile(r".{1,64}", re.DOTALL)
    #: What batches take, in the vendor's words.
    endpoints: ClassVar[frozenset[str]] = frozenset(
        {"/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/moderations", "/v1/responses"}
    )

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.sender: Any = own_sender(provider)
        #: A call whose key, headers and query go with everything that is sent.
        self.like: Call | None = None

    def close(self) -> None:
        """Give back connections."""
        self.sender.close()

    # What the file holds.

    def endpoint(self, wire: Wire) -> str:
        """Return what the vendor calls the endpoint of a request. Raises `InvalidRequest` for one that batches lack."""
        path = wire.path if wire.path.startswith("/v1/") else f"/v1{wire.path}"
        if path not in self.endpoints or wire.method != "POST":
            offered = ", ".join(sorted(self.endpoints))
            message = f"{self.provider.name} has no batches of {wire.method} {path} (it has: {offered})"
            raise InvalidRequest(message)
        return path

    def line(self, custom_id: str, wire: Wire) -> bytes:
        """Write one request, without the line's end; `wire.content` is its body."""
        place = {"custom_id": custom_id, "method": wire.method, "url": self.endpoint(wire)}
        return self.json_line(place, "body", wire)

    # Making a batch.

    def upload(self, path: Path) -> str:
        """Upload the file of a batch; return its id, or nothing where requests go with the batch itself."""
        return self.ask(self.form_wire("/files", path, {"purpose": "batch"}), lambda body: str(body["id"]))

    def create(self, job: BatchJob) -> str:
        """Make the batch of an uploaded file; return its id. After a failure `find` tells what came of it."""
        body = {"input_file_id": job.file_id, "endpoint": job.endpoint, "completion_window": "24h"}
        wire = Wire("/batches", body, headers=dict(job.headers))
        return self.ask(wire, lambda body: str(body["id"]))

    def find(self, job: BatchJob) -> str | None:
        """Return the id of the batch if `create` has made it after all; None: it has not."""
        return self.find_newest(job, "/batches?limit=100", "after", _read_page, job.file_id)

    # A batch that was made.

    def state(self, batch_id: str) -> BatchState:
        """Ask how a batch stands."""
        return self.ask(Wire(f"/batches/{batch_id}", method="GET"), self.read_state)

    def cancel(self, batch_id: str) -> None:
        """Ask for a batch to be cancelled; what was done until then is paid for, and stays in its results."""
        self.ask(Wire(f"/batches/{batch_id}/cancel", {}), self.read_state)

    def read_state(self, body: Json) -> BatchState:
        """Read the vendor's object of a batch."""
        status, counts = str(body["status"]), body.get("request_counts") or {}
        files = tuple(body[key] for key in ("output_file_id", "error_file_id") if body.get(key))
        told = (body.get("errors") or {}).get("data") or [{}]
        return BatchState(
            status,
            status not in _RUNNING,
            tuple(f"/files/{name}/content" for name in files),
            self.unanswered(status, told[0].get("code"), told[0].get("message")),
            counts.get("total") or 0,
            counts.get("completed") or 0,
            counts.get("failed") or 0,
        )

    def results(self, state: BatchState) -> Generator[BatchResult, None, None]:
        """Download the results of a batch that has ended, in the vendor's order."""
        for path in state.files:
            yield from self.lines(path, self.read_result)

    def read_result(self, line: Json) -> BatchResult:
        """Read one line of the vendor's results."""
        custom_id, response = str(line.get("custom_id")), line.get("response")
        if isinstance(response, dict) and response.get("body") is not None:
            status = int(response.get("status_code") or 200)
            return BatchResult(custom_id, self.reply(status, response["body"], response.get("request_id")))
        return BatchResult(custom_id, error=self.provider.decode_error(0, line.get("error") or "it has no result"))

    # What subclasses make use of.

    def find_newest(self, job: BatchJob, path: str, after: str, read: Callable[[Any], Page], mark: Any) -> str | None:
        """Look for a batch in a list with the newest first; None: none that is no older than the job has this mark.

        `path` has a query, to which `after` adds the id that the page before ended with.
        """
        cursor = ""
        while True:
            entries, more = self.ask(Wire(path + cursor, method="GET"), read)
            for batch_id, created, found in entries:
                if created < job.since:
                    return None
                if found == mark and batch_id not in job.others:
                    return batch_id
            cursor, before = f"&{after}={entries[-1][0]}" if more and entries else "", cursor
            if cursor in {"", before}:
                return None

    @staticmethod
    def json_line(head: Json, key: str, wire: Wire) -> bytes:
        """Write `head` as one line of JSON, to which the body of a wire is added as it is, under `key`."""
        # In JSON a bare line end is white space.
        content = (wire.content or b"{}").replace(b"\n", b" ").replace(b"\r", b" ")
        return b"".join((encode_json(head)[:-1], b',"', key.encode(), b'":', content, b"}"))

    @staticmethod
    def reply(status: int, body: Any, request_id: str | None = None) -> Reply:
        """Make the reply that a call of its own would have had."""
        headers = {"content-type": "application/json", **({"x-request-id": request_id} if request_id else {})}
        return Reply(status, headers, encode_lenient(body))

    @staticmethod
    def file_wire(  # noqa: PLR0913 (each is one part of the body)
        path: str,
        file: Path,
        *,
        head: bytes,
        tail: bytes,
        joint: bytes = b"\n",
        headers: Mapping[str, str] | None = None,
    ) -> Wire:
        """Make the wire of a body that is not held in memory: a file between `head` and `tail`.

        `joint`, one byte, stands in place of the file's line ends.
        """
        body = _FileBody(file, head, tail, joint)
        # The SDKs' HTTP libraries take whatever gives pieces.
        return Wire(path, headers={**(headers or {}), "content-length": str(len(body))}, content=cast("bytes", body))

    def form_wire(self, path: str, file: Path, fields: Mapping[str, str]) -> Wire:
        """Make the wire of a form with a file of JSON Lines."""
        boundary = secrets.token_hex(16)
        field = f'--{boundary}\r\nContent-Disposition: form-data; name="'
        head = "".join(f'{field}{name}"\r\n\r\n{value}\r\n' for name, value in fields.items())
        head += f'{field}file"; filename="{file.name}"\r\nContent-Type: application/jsonl\r\n\r\n'
        tail = f"\r\n--{boundary}--\r\n"
        headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
        return self.file_wire(path, file, head=head.encode(), tail=tail.encode(), headers=headers)

    @staticmethod
    def unanswered(status: str, code: Any = None, message: Any = None) -> Json:
        """Make the error object of requests without a result; `status` says how the batch ended."""
        word = status.lower()
        kind = next((kind for part, kind in _ENDS.items() if part in word), "failed")
        text = message or f"the batch ended ({status}) without a result for this request"
        return {"message": str(text), "type": None, "param": None, "code": str(code or f"batch_{kind}")}

    # Input and output.

    def ask(self, wire: Wire, read: Callable[[Any], _T]) -> _T:
        """Send a request, and `read` the JSON of its answer; what `read` stumbles over is an answer of a wrong form."""
        if wire.content is None and wire.body is not None:
            wire.content = encode_json(wire.body)
        call = self.call_of(wire)
        return self.deliver(call, lambda: self.sender.send(call, wire), lambda reply: read(decode_json(reply.content)))

    def lines(self, path: str, read: Callable[[Any], _T]) -> Iterator[_T]:
        """Download a file of JSON values, one a line, and `read` each as it comes."""
        wire = Wire(path, method="GET", headers={"accept": "application/octet-stream"})
        call = self.call_of(wire)
        call.request["stream"] = True
        reply = self.deliver(call, lambda: self.sender.send(call, wire), lambda reply: reply)
        try:
            for value in _values(reply.pieces if reply.pieces is not None else (reply.content,)):
                yield read(value)
        except Exception as exception:  # noqa: BLE001 (raised again, as what it means)
            failure = failure_of(exception, call, "decoding", reply.response)
            raise failure from failure.__cause__
        finally:
            reply.close()

    def deliver(self, call: Call, send: Callable[[], Reply], read: Callable[[Reply], _T]) -> _T:
        """Have something sent, and `read` the reply; failures of all kinds are raised in OpenAI's words."""
        phase: Phase = "sending"
        response = None
        try:
            reply = send()
            phase, response = "decoding", reply.response
            accept(self.provider, call, reply)
            return read(reply)
        except Exception as exception:  # noqa: BLE001 (raised again, as what it means)
            failure = failure_of(exception, call, phase, response)
            raise failure from failure.__cause__

    def call_of(self, wire: Wire) -> Call:
        """Make the call that a request is sent for: once, since whoever waits for a day tries again."""
        endpoint = wire.path.partition("?")[0].removeprefix("/v1").lstrip("/")
        call = Call(self.provider.name, "", {}, endpoint, wire.method, timeout=_TIMEOUT, max_retries=0)
        if self.like is not None:
            call.api_key, call.extra_headers = self.like.api_key, self.like.extra_headers
            call.extra_query = self.like.extra_query
        return call


def _values(pieces: Iterable[bytes]) -> Iterator[Any]:
    """Give JSON values, one a line. Raises `StreamCutError` if all ends inside a line, as when a file was cut."""
    frames = NDJSON()
    inside = False
    for piece in pieces:
        for event in frames.feed(piece):
            yield decode_json(event.data)
        begun = piece.rfind(b"\n") + 1
        inside = (inside and not begun) or not (begun == len(piece) or piece[begun:].isspace())
    last = frames.finish()
    for event in last:
        yield decode_json(event.data)
    if inside and not last:
        message = "the results ended inside a line"
        raise StreamCutError(message)


def _read_page(page: Json) -> Page:
    entries = [(str(one["id"]), one["created_at"], one["input_file_id"]) for one in page["data"]]
    return entries, bool(page.get("has_more"))


def batches_of(provider: Provider, like: Call | None = None) -> Batches:
    """Make the provider's batch API. Raises `DragomanError` if it has none, and names those that have one.

    What it sends carries the key, the headers and the query of the call `like`.
    """
    found = provider.batches()
    if found is None:
        have = ", ".join(sorted(_providers_with_batches()))
        advice = f"of the providers that are installed, {have} have one" if have else "no provider here has one"
        message = f"{provider.name} has no batch API that dragoman knows; {advice}"
        raise DragomanError(message)
    found.like = like
    return found


def _providers_with_batches() -> Iterator[str]:
    installed = plugins()
    for name in installed.providers():
        try:
            if installed.provider(name).batches is not Provider.batches:
                yield name
        except DragomanError:
            continue


#: What vendors' words for the end of a batch have in them, and OpenAI's codes for requests that were not made.
_ENDS = {"cancel": "cancelled", "expired": "expired", "timeout": "expired", "exceeded": "expired"}


class _FileBody:
    """A request's body that is read from a file while it is sent, each time anew, between `head` and `tail`.

    `joint`, one byte, stands in place of the file's line ends.
    """

    def __init__(self, path: Path, head: bytes, tail: bytes, joint: bytes = b"\n") -> None:
        self.path, self.head, self.tail, self.joint = path, head, tail, joint

    def __len__(self) -> int:
        """The length in bytes."""
        return len(self.head) + self.path.stat().st_size + len(self.tail)

    def __iter__(self) -> Iterator[bytes]:
        """The body in pieces."""
        yield self.head
        with self.path.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece.replace(b"\n", self.joint)
        yield self.tail
