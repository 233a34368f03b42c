"""A real server on loopback that answers as scripted, and sees when its client hangs up."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from dragoman.core import Json

#: Seconds after which a test that waits for the other side has failed.
PATIENCE = 10


@dataclass(slots=True)
class Scripted:
    """An answer, and what comes after its `body`.

    `end`: the answer is whole. `cut`: the connection breaks. `hold`: nothing more, until the client hangs up.
    `silence`: not even the head. `gone`: not even the head, and the connection breaks.
    """

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    then: Literal["end", "cut", "hold", "silence", "gone"] = "end"

    @classmethod
    def json(cls, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Self:
        """Answer with JSON."""
        return cls(json.dumps(value).encode(), status, {"content-type": "application/json", **(headers or {})})


@dataclass(slots=True)
class Seen:
    """A request that arrived."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    content: bytes

    @property
    def json(self) -> Json:
        """The body."""
        found: Json = json.loads(self.content)
        return found

    @property
    def fields(self) -> dict[str, str]:
        """The headers by their names in lower case."""
        return {name.lower(): value for name, value in self.headers}


class FakeVendor:
    """Answers from `script` one by one, the last one again and again; `seen` are the requests.

    `hung_up` is set when a client closed a connection on which more was to come.
    """

    def __init__(self, *script: Scripted) -> None:
        self.script = list(script)
        self.seen: list[Seen] = []
        self.hung_up = threading.Event()
        self._server = _Server(self)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE)

    def next_answer(self) -> Scripted:
        """Take the next answer of the script."""
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]


class _Server(ThreadingHTTPServer):
    def __init__(self, vendor: FakeVendor) -> None:
        self.vendor = vendor
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE
    server: _Server

    def do_POST(self) -> None:
        vendor = self.server.vendor
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        # A proxy is told the whole address.
        path = urlsplit(self.path)._replace(scheme="", netloc="").geturl()
        vendor.seen.append(Seen(self.command, path, list(self.headers.items()), content))
        answer = vendor.next_answer()
        if answer.then not in {"silence", "gone"}:
            self._answer(answer)
        if answer.then in {"hold", "silence"}:
            self._wait(vendor)
        if answer.then != "end":
            self.close_connection = True

    do_GET = do_PUT = do_POST  # noqa: N815 (http.server's own spelling)

    def _wait(self, vendor: FakeVendor) -> None:
        """The client has nothing more to say: what is read is its hanging up, be it by a reset."""
        with suppress(ConnectionError):
            try:
                self.connection.recv(1)
            except TimeoutError:
                return
        vendor.hung_up.set()

    def _answer(self, answer: Scripted) -> None:
        whole = answer.then == "end"
        length = {"content-length": str(len(answer.body))} if whole else {"transfer-encoding": "chunked"}
        self.send_response(answer.status)
        for name, value in {**length, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body if whole else b"%x\r\n%b\r\n" % (len(answer.body), answer.body))

    def log_message(self, *args: Any) -> None:
        """Tests are quiet."""
