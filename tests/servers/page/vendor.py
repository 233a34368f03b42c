"""Anthropic's API on loopback, which does what the last message says."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWER = """Good morning! A dragoman stands *between* two courts:

```python
def interpret(words: str) -> str:
    return words  # nothing lost
```

Every word is sent, translated, adapted in the open, or refused: `interpret` drops none."""
#: The key that the gateway has for it.
KEY = "sk-ant-" + "0123456789abcdef" * 2
MARKUP = "<b>This is text</b> <img src=x onerror=alert(1)><script>alert(2)</script>"


class Vendor(ThreadingHTTPServer):
    """`seen`: what it was asked. `gone` is set when a client hung up inside a stream."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[Any] = []
        self.gone = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Vendor

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        one = {"type": "model", "id": "claude-test", "display_name": "Test", "created_at": "2026-01-01T00:00:00Z"}
        self._json(200, {"data": [one], "has_more": False, "first_id": "claude-test", "last_id": "claude-test"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.seen.append(body)
        content = body["messages"][-1]["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        # What was said before and not answered stands in the same message.
        said = blocks[-1].get("text", "")
        results = [block for block in blocks if block["type"] == "tool_result"]
        images = [block for block in blocks if block["type"] == "image"]
        if "limit" in said:
            error = {"type": "rate_limit_error", "message": "This request would exceed your rate limit."}
            self._json(429, {"type": "error", "error": error}, retry_after="17", x_should_retry="false")
        elif "for ever" in said:
            self._for_ever()
        elif "markup" in said:
            self._stream([_text(MARKUP)])
        elif results:
            self._stream([_text("The tools say: " + " and ".join(map(_text_of, results)))])
        elif images:
            self._stream([_text(f"I see {len(images)} image of {len(images[0]['source']['data'])} characters.")])
        elif body.get("tools") and "tools" in said:
            calls = [_call(tool["name"], number) for number, tool in enumerate(body["tools"])]
            self._stream([_text("Let me look."), *calls], "tool_use")
        else:
            thought = {"type": "thinking", "thinking": "The court asks who I am.", "signature": "c2ln"}
            self._stream([thought, _text(ANSWER)])

    def _json(self, status: int, body: Any, **headers: str) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _open(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        usage = {"input_tokens": 21, "output_tokens": 1}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-test", "content": []}
        self._event("message_start", message={**message, "stop_reason": None, "stop_sequence": None, "usage": usage})

    def _event(self, kind: str, **more: Any) -> None:
        self.wfile.write(f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode())
        self.wfile.flush()

    def _stream(self, blocks: list[Any], reason: str = "end_turn") -> None:
        self._open()
        for index, block in enumerate(blocks):
            kind = block["type"]
            begun, deltas = _PARTS[kind](block)
            self._event("content_block_start", index=index, content_block=begun)
            for delta in deltas:
                self._event("content_block_delta", index=index, delta=delta)
            self._event("content_block_stop", index=index)
        delta = {"stop_reason": reason, "stop_sequence": None}
        self._event("message_delta", delta=delta, usage={"output_tokens": 42})
        self._event("message_stop")

    def _for_ever(self) -> None:
        """Say something, and then wait until the other side hangs up."""
        self._open()
        self._event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        self._event("content_block_delta", index=0, delta={"type": "text_delta", "text": "I begin"})
        self.connection.recv(1)
        self.server.gone.set()


def _text(text: str) -> Any:
    return {"type": "text", "text": text}


def _text_of(result: Any) -> str:
    content = result["content"]
    return content if isinstance(content, str) else " ".join(part["text"] for part in content)


def _call(name: str, number: int) -> Any:
    arguments = {"calculate": {"expression": "(2 + 3) * 2 ^ 3"}, "current_time": {"timezone": "Europe/Paris"}}
    return {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": arguments.get(name, {"city": "Paris"})}


def _words(block: Any) -> Any:
    words = block["text"].split(" ")
    pieces = [word if at == 0 else f" {word}" for at, word in enumerate(words)]
    return _text(""), [{"type": "text_delta", "text": piece} for piece in pieces]


def _thoughts(block: Any) -> Any:
    thought = {"type": "thinking_delta", "thinking": block["thinking"]}
    signed = {"type": "signature_delta", "signature": block["signature"]}
    return {"type": "thinking", "thinking": "", "signature": ""}, [thought, signed]


def _input(block: Any) -> Any:
    text = json.dumps(block["input"])
    pieces = [text[at : at + 7] for at in range(0, len(text), 7)]
    return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]


_PARTS = {"text": _words, "thinking": _thoughts, "tool_use": _input}
