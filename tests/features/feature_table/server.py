"""A vendor on loopback, and a client that talks to it through the vendor's plugin."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from feature_table.canon import Heard, RefusedError, Said

from dragoman.core import Client
from dragoman.core import plugins as plugins_module
from dragoman.core.plugins import Plugins
from dragoman.core.policy import forget_warnings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from feature_table.vendors import Vendor
    from openai.types.chat import ChatCompletion, ChatCompletionChunk


class Handler(BaseHTTPRequestHandler):
    """Hands requests to the wire."""

    protocol_version = "HTTP/1.1"
    #: Head and body go out as one: a client's delayed acknowledgement would cost 40 ms between them.
    wbufsize = -1
    server: VendorServer

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Models."""
        path = self.path.partition("?")[0]
        self.server.count += 1
        try:
            self.reply(200, json.dumps(self.server.wire.models(path)).encode())
        except RefusedError as error:
            self.fail(404, str(error))

    def do_POST(self) -> None:
        """Everything else."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        server = self.server
        server.count += 1
        try:
            server.heard = server.wire.hear(self.path, body)
        except RefusedError as error:
            server.refused = str(error)
            self.fail(400, str(error))
            return
        if server.said.status != 200:
            self.fail(server.said.status, server.said.text)
            return
        kind, content = server.wire.say(self.path, server.said, server.heard)
        self.reply(200, content, kind)

    def fail(self, status: int, message: str) -> None:
        """Answer with the vendor's own error body."""
        self.reply(status, json.dumps(self.server.wire.error(status, message)).encode())

    def reply(self, status: int, content: bytes, kind: str = "application/json") -> None:
        """Answer."""
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class VendorServer(ThreadingHTTPServer):
    """`said` is the next answer, `heard` the last request, `refused` why the last one was refused."""

    daemon_threads = True

    def __init__(self, vendor: Vendor) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.wire = vendor.wire
        self.said = Said()
        self.heard = Heard()
        self.refused = ""
        self.count = 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}{vendor.wire.root}"


class Desk:
    """Where one vendor's features are tried. `policy` is what calls say about unsupported parameters."""

    def __init__(self, vendor: Vendor, server: VendorServer, client: Client) -> None:
        self.vendor = vendor
        self.server = server
        self.client = client
        self.policy = "raise"
        #: What the answers said was adapted.
        self.adapted: dict[str, str] = {}

    @property
    def heard(self) -> Heard:
        """The last request, as the vendor understood it."""
        return self.server.heard

    def ask(self, said: Said, content: Any = "Hello", **chat: Any) -> ChatCompletion:
        """One answer, whole."""
        found: ChatCompletion = self._create(said, content, chat)
        for choice in found.choices:
            report = ((choice.message.model_extra or {}).get("extra_content") or {}).get("dragoman") or {}
            self.adapted |= report.get("adapted") or {}
        return found

    def stream(self, said: Said, content: Any = "Hello", **chat: Any) -> list[ChatCompletionChunk]:
        """One answer's chunks."""
        return list(self._create(said, content, {**chat, "stream": True}))

    def _create(self, said: Said, content: Any, chat: dict[str, Any]) -> Any:
        self.server.said = said
        messages = chat.pop("messages", [{"role": "user", "content": content}])
        control = {"dragoman": {"on_unsupported": self.policy}}
        forget_warnings()
        return self.client.chat.completions.create(
            model=self.vendor.model, messages=messages, extra_body=control, **chat
        )


@contextmanager
def open_desk(vendor: Vendor) -> Iterator[Desk]:
    """Start a vendor and make the client. Raises `UnknownProvider` or `PluginError` where the plugin is not there."""
    provider_class = Plugins().provider(vendor.name)
    installed = plugins_module._installed
    with VendorServer(vendor) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        plugins_module._installed = Plugins(path=[])
        try:
            provider = vendor.make(provider_class, server.url)
            with Client(default_provider=vendor.name, providers=[provider], max_retries=0) as client:
                yield Desk(vendor, server, client)
        finally:
            plugins_module._installed = installed
            server.shutdown()
            thread.join()
