"""A loopback server that keeps the bytes of every request, and answers each with a small completion."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

_HEAD = {"id": "chatcmpl-1", "created": 1, "model": "m"}
WHOLE = json.dumps(
    {
        **_HEAD,
        "object": "chat.completion",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}}],
    }
).encode()
_CHUNK = json.dumps(
    {
        **_HEAD,
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "finish_reason": "stop", "delta": {"role": "assistant", "content": "Hello"}}],
    }
)
STREAM = f"data: {_CHUNK}\n\ndata: [DONE]\n\n".encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["content-length"]))
        self.server.bodies.append(content)
        streamed = json.loads(content).get("stream") is True
        body = STREAM if streamed else WHOLE
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if streamed else "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keep the test's output clean."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class CaptureServer:
    """A context manager; `url` is the server's address, `bodies` what was posted to it."""

    def __init__(self) -> None:
        self._server = _Server()
        self.bodies = self._server.bodies
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
