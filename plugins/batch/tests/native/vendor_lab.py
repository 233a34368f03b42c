"""Vendors' batch APIs on loopback: their states go on with each look, and they answer as the requests say.

A request's last words decide: "refuse" is refused with 400, "late" has no answer when the batch expires or is
cancelled, and everything else is said back. Results come in the opposite order.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

JSON = "application/json"
USAGE = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}


@dataclass
class Fault:
    """What goes wrong once: an answer with `status`, or, if it is 0, none at all after the request was carried out."""

    method: str
    path: str
    status: int = 0
    body: Any = None

    def fits(self, method: str, path: str) -> bool:
        return method == self.method and re.search(self.path, path) is not None


@dataclass
class Batch:
    id: str
    created: int
    requests: list[dict[str, Any]]
    file_id: str = ""
    endpoint: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    looks: int = 0
    cancelled: bool = False
    #: What the vendor's object says besides.
    more: dict[str, Any] = field(default_factory=dict)


class Vendor(ThreadingHTTPServer):
    """What all vendors share. `ends` is how batches end: "completed", "expired" or "failed"."""

    name: ClassVar[str]
    model: ClassVar[str]
    states: ClassVar[tuple[str, ...]]
    suffix: ClassVar[str] = "/v1"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, Batch] = {}
        self.faults: list[Fault] = []
        self.seen: list[tuple[str, str]] = []
        self.keys: set[str] = set()
        self.ends = "completed"
        #: Called when a batch was made, before anybody is told.
        self.on_batch: Callable[[], object] = lambda: None
        self.clock = 1_790_000_000
        self._numbers = itertools.count(1)
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}{self.suffix}"

    def made(self) -> list[Batch]:
        return list(self.batches.values())

    def number(self) -> int:
        return next(self._numbers)

    def add_file(self, content: bytes) -> str:
        name = f"file-{self.number()}"
        self.files[name] = content
        return name

    def add_batch(self, requests: list[dict[str, Any]], **facts: Any) -> Batch:
        batch = Batch(f"batch-{self.number()}", self.clock, requests, **facts)
        self.batches[batch.id] = batch
        self.on_batch()
        return batch

    def status(self, batch: Batch) -> str:
        """The vendor's word for how it stands now."""
        if batch.looks < len(self.states):
            return self.states[batch.looks]
        return "cancelled" if batch.cancelled else self.ends

    def ended(self, batch: Batch) -> bool:
        return batch.looks >= len(self.states)

    def outcome(self, batch: Batch, words: str) -> str:
        unanswered = (batch.cancelled or self.ends == "expired") and "late" in words
        return "none" if unanswered else "refused" if "refuse" in words else "answered"

    def look(self, batch_id: str) -> Batch:
        batch = self.batches[batch_id]
        batch.looks += 1
        return batch

    def serve(self, method: str, path: str, query: dict[str, str], headers: Any, content: bytes) -> Any:
        raise NotImplementedError


def words_of(body: dict[str, Any]) -> str:
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def form_of(headers: Any, content: bytes) -> dict[str, bytes]:
    head = f"content-type: {headers['content-type']}\r\n\r\n".encode()
    parts: Any = BytesParser().parsebytes(head + content).get_payload()
    names = [part.get_param("name", header="content-disposition") for part in parts]
    return {name: part.get_payload(decode=True) for name, part in zip(names, parts, strict=True)}


def completion(body: dict[str, Any]) -> dict[str, Any]:
    message = {"role": "assistant", "content": f"You said: {words_of(body)}"}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": USAGE,
    }


class OpenAI(Vendor):
    name, model = "openai", "gpt-5.4-mini"
    states = ("validating", "in_progress", "finalizing")

    def serve(self, method: str, path: str, query: dict[str, str], headers: Any, content: bytes) -> Any:
        match (method, *path.removeprefix("/v1").strip("/").split("/")):
            case ("POST", "files"):
                form = form_of(headers, content)
                assert form["purpose"] == b"batch"
                return {"id": self.add_file(form["file"]), "object": "file", "purpose": "batch"}
            case ("GET", "files", name, "content"):
                return self.files[name]
            case ("POST", "batches"):
                return self.make(json.loads(content), headers)
            case ("GET", "batches"):
                return self.page(query)
            case ("GET", "batches", name):
                return self.shown(self.look(name))
            case ("POST", "batches", name, "cancel"):
                self.batches[name].cancelled = True
                return self.shown(self.batches[name])
        raise KeyError(path)

    def make(self, asked: dict[str, Any], headers: Any) -> Any:
        assert asked["completion_window"] == "24h"
        file_id = asked["input_file_id"]
        requests = [json.loads(line) for line in self.files[file_id].splitlines()]
        assert {one["url"] for one in requests} == {asked["endpoint"]}
        assert len({one["body"]["model"] for one in requests}) == 1
        return self.shown(self.add_batch(requests, file_id=file_id, endpoint=asked["endpoint"], headers=dict(headers)))

    def page(self, query: dict[str, str]) -> Any:
        found = sorted(self.made(), key=lambda one: (one.created, one.id), reverse=True)
        ids = [one.id for one in found]
        start = ids.index(query["after"]) + 1 if "after" in query else 0
        # Small pages, so that there is more than one.
        return {"data": [self.shown(one) for one in found[start : start + 2]], "has_more": len(ids) > start + 2}

    def shown(self, batch: Batch) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "id": batch.id,
            "object": "batch",
            "status": self.status(batch),
            "created_at": batch.created,
            "input_file_id": batch.file_id,
            "request_counts": {"total": len(batch.requests), "completed": 0, "failed": 0},
            "output_file_id": None,
            "error_file_id": None,
            "errors": None,
        }
        if self.ended(batch) and self.ends != "failed":
            facts["output_file_id"], facts["error_file_id"] = self.results(batch)
        return {**facts, **batch.more}

    def results(self, batch: Batch) -> tuple[str | None, str | None]:
        good, bad = [], []
        for one in reversed(batch.requests):
            line: dict[str, Any] = {"id": "batch_req_1", "custom_id": one["custom_id"], "error": None}
            kind = self.outcome(batch, words_of(one["body"]))
            if kind == "answered":
                response = {"status_code": 200, "request_id": "req-1", "body": completion(one["body"])}
                good.append({**line, "response": response})
            elif kind == "refused":
                error = {"message": "no", "type": "invalid_request_error", "param": "messages", "code": None}
                response = {"status_code": 400, "request_id": "req-2", "body": {"error": error}}
                bad.append({**line, "response": response})
            else:
                why = "batch_cancelled" if batch.cancelled else "batch_expired"
                bad.append({**line, "response": None, "error": {"code": why, "message": "There was no time."}})
        return tuple(self.add_file(jsonl(lines)) if lines else None for lines in (good, bad))


def jsonl(lines: list[Any]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


class Mistral(OpenAI):
    name, model = "mistralai", "mistral-small-2603"
    states = ("QUEUED", "RUNNING")
    suffix = ""
    words: ClassVar = {"completed": "SUCCESS", "expired": "TIMEOUT_EXCEEDED", "failed": "FAILED"}

    def serve(self, method: str, path: str, query: dict[str, str], headers: Any, content: bytes) -> Any:
        assert path.startswith("/v1/")
        match (method, *path.removeprefix("/v1/").split("/")):
            case ("POST", "batch", "jobs"):
                return self.make(json.loads(content), headers)
            case ("GET", "batch", "jobs"):
                return self.page(query)
            case ("GET", "batch", "jobs", name):
                return self.shown(self.look(name))
            case ("POST", "batch", "jobs", name, "cancel"):
                self.batches[name].cancelled = True
                return self.shown(self.batches[name])
        return super().serve(method, path, query, headers, content)

    def make(self, asked: dict[str, Any], headers: Any) -> Any:
        assert asked.keys() == {"input_files", "endpoint", "model"}
        (file_id,) = asked["input_files"]
        requests = [json.loads(line) for line in self.files[file_id].splitlines()]
        assert {frozenset(one) for one in requests} == {frozenset({"custom_id", "body"})}
        assert {one["body"]["model"] for one in requests} == {asked["model"]}
        return self.shown(self.add_batch(requests, file_id=file_id, endpoint=asked["endpoint"], headers=dict(headers)))

    def page(self, query: dict[str, str]) -> Any:
        assert query["created_after"].startswith("20")
        return {"data": [self.shown(one) for one in self.made()] if query["page"] == "0" else []}

    def status(self, batch: Batch) -> str:
        said = super().status(batch)
        if batch.cancelled:
            return "CANCELLED" if self.ended(batch) else "CANCELLATION_REQUESTED"
        return self.words.get(said, said)

    def shown(self, batch: Batch) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "id": batch.id,
            "object": "batch",
            "status": self.status(batch),
            "created_at": batch.created,
            "input_files": [batch.file_id],
            "endpoint": batch.endpoint,
            "errors": [{"message": "the file is bad", "count": 1}] if self.ends == "failed" else [],
            "total_requests": len(batch.requests),
            "succeeded_requests": 0,
            "failed_requests": 0,
        }
        if self.ended(batch) and self.ends != "failed":
            # Mistral says nothing of what it did not come to.
            done = [one for one in batch.requests if self.outcome(batch, words_of(one["body"])) != "none"]
            output, error = self.results(Batch(batch.id, 0, done, cancelled=batch.cancelled))
            facts |= {"output_file": output, "error_file": error}
        return facts


class Together(OpenAI):
    name, model = "together", "meta-llama/Llama-3.3-70B-Instruct-Turbo"
    states = ("VALIDATING", "IN_PROGRESS")
    words: ClassVar = {"completed": "COMPLETED", "expired": "EXPIRED", "failed": "FAILED", "cancelled": "CANCELLED"}

    def serve(self, method: str, path: str, query: dict[str, str], headers: Any, content: bytes) -> Any:
        match (method, *path.strip("/").split("/")):
            case ("POST", "v1", "files"):
                form = form_of(headers, content)
                assert form["purpose"] == b"batch-api"
                name = self.add_file(b"")
                return Raw(302, b"", {"location": f"{self.url}/store/{name}", "x-together-file-id": name})
            case ("PUT", "v1", "store", name):
                # The store is not Together's: it must not learn the key.
                assert headers["authorization"] is None
                self.files[name] = content
                return {}
            case ("POST", "v1", "files", name, "preprocess"):
                return {
                    "id": name,
                    "bytes": len(self.files[name]),
                    "created_at": 1,
                    "filename": "batch.jsonl",
                    "FileType": "jsonl",
                    "object": "file",
                    "purpose": "batch-api",
                    "LineCount": 0,
                    "Processed": True,
                }
        return super().serve(method, path, query, headers, content)

    def make(self, asked: dict[str, Any], headers: Any) -> Any:
        assert asked.keys() == {"input_file_id", "endpoint"}
        file_id = asked["input_file_id"]
        requests = [json.loads(line) for line in self.files[file_id].splitlines()]
        batch = self.add_batch(requests, file_id=file_id, endpoint=asked["endpoint"], headers=dict(headers))
        return {"job": self.shown(batch), "warning": ""}

    def page(self, query: dict[str, str]) -> Any:
        del query
        return [self.shown(one) for one in self.made()]

    def status(self, batch: Batch) -> str:
        said = super().status(batch)
        return self.words.get(said, said)

    def shown(self, batch: Batch) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "id": batch.id,
            "status": self.status(batch),
            "created_at": "2026-09-21T14:13:20Z",
            "input_file_id": batch.file_id,
            "progress": 50.0,
            "error": "the file is bad" if self.ends == "failed" else None,
        }
        if self.ended(batch) and self.ends != "failed":
            done = [one for one in batch.requests if self.outcome(batch, words_of(one["body"])) != "none"]
            facts["output_file_id"], facts["error_file_id"] = self.results(Batch(batch.id, 0, done))
        return facts


class Anthropic(Vendor):
    name, model = "anthropic", "claude-sonnet-4-5"
    states = ("in_progress", "in_progress")
    suffix = ""

    def serve(self, method: str, path: str, query: dict[str, str], headers: Any, content: bytes) -> Any:
        assert path.startswith("/v1/messages/batches")
        match (method, *path.removeprefix("/v1/messages/batches").strip("/").split("/")):
            case ("POST", ""):
                requests = json.loads(content)["requests"]
                assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", one["custom_id"]) for one in requests)
                return self.shown(self.add_batch(requests, headers=dict(headers)))
            case ("GET", ""):
                found = sorted(self.made(), key=lambda one: (one.created, one.id), reverse=True)
                return {"data": [self.shown(one) for one in found], "has_more": False}
            case ("GET", name):
                return self.shown(self.look(name))
            case ("POST", name, "cancel"):
                self.batches[name].cancelled = True
                return self.shown(self.batches[name])
            case ("GET", name, "results"):
                batch = self.batches[name]
                return jsonl([self.result(batch, one) for one in reversed(batch.requests)])
        raise KeyError(path)

    def shown(self, batch: Batch) -> dict[str, Any]:
        ended = self.ended(batch)
        counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
        counts["succeeded" if ended else "processing"] = len(batch.requests)
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": "ended" if ended else "canceling" if batch.cancelled else "in_progress",
            "created_at": "2026-09-21T14:13:20Z",
            "request_counts": counts,
        }

    def result(self, batch: Batch, one: dict[str, Any]) -> dict[str, Any]:
        words = words_of(one["params"])
        result: dict[str, Any]
        match self.outcome(batch, words):
            case "answered":
                message = {
                    "id": "msg_1",
                    "type": "message",
                    "role": "assistant",
                    "model": one["params"]["model"],
                    "content": [{"type": "text", "text": f"You said: {words}"}],
                    "stop_reason": "end_turn",
                    "stop_sequence": None,
                    "usage": {"input_tokens": 5, "output_tokens": 3},
                }
                result = {"type": "succeeded", "message": message}
            case "refused":
                error = {"type": "invalid_request_error", "message": "no"}
                result = {"type": "errored", "error": {"type": "error", "error": error, "request_id": "req-2"}}
            case _:
                result = {"type": "canceled" if batch.cancelled else "expired"}
        return {"custom_id": one["custom_id"], "result": result}


@dataclass
class Raw:
    """An answer that is not JSON."""

    status: int
    content: bytes
    headers: dict[str, str] = field(default_factory=dict)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    server: Vendor

    def do_POST(self) -> None:
        vendor = self.server
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        assert "transfer-encoding" not in self.headers
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        with vendor.lock:
            vendor.seen.append((self.command, parts.path))
            vendor.keys |= {value for name in ("authorization", "x-api-key") if (value := self.headers.get(name))}
            fault = next((one for one in vendor.faults if one.fits(self.command, parts.path)), None)
            if fault is not None:
                vendor.faults.remove(fault)
            if fault is None or not fault.status:
                answer = self._answer(parts.path, query, content)
            else:
                answer = Raw(fault.status, json.dumps(fault.body or {"error": {"message": "broken"}}).encode())
        if fault is not None and not fault.status:
            self.close_connection = True
            return
        self._write(answer)

    do_GET = do_PUT = do_POST  # noqa: N815 (http.server's own spelling)

    def _answer(self, path: str, query: dict[str, str], content: bytes) -> Raw:
        found = self.server.serve(self.command, path, query, self.headers, content)
        if isinstance(found, Raw):
            return found
        if isinstance(found, bytes):
            return Raw(200, found, {"content-type": "application/octet-stream"})
        return Raw(200, json.dumps(found).encode(), {"content-type": JSON})

    def _write(self, answer: Raw) -> None:
        self.send_response(answer.status)
        for name, value in {"content-length": str(len(answer.content)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *args: Any) -> None:
        """Tests are quiet."""


VENDORS: tuple[type[Vendor], ...] = (Anthropic, Mistral, OpenAI, Together)
