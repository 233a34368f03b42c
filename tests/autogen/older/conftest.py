"""What the tests of AutoGen 0.2 and AG2 classic share: vendors on loopback, scripted, and agents that talk to them."""

from __future__ import annotations

import json
import socket
import sys
import threading
import warnings
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

# The vendors are those of the feature table.
sys.path.insert(0, str(Path(__file__).parents[2] / "features"))

from feature_table.canon import Heard, Made, RefusedError, Said
from feature_table.server import Handler, VendorServer
from feature_table.vendors import BY_NAME

from dragoman.core.policy import forget_warnings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dragoman.core import Json

# AutoGen 0.2 warns at its import of what it does without; another AutoGen is none of these two lines'.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    with suppress(ImportError):
        import autogen
        import autogen.oai.client


@dataclass(frozen=True)
class Raw:
    """An answer in bytes, as no vendor gives it; `wait`: not before somebody sets it."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    wait: threading.Event | None = None


class Answering(Handler):
    """Answers from the script."""

    server: Vendor

    def do_POST(self) -> None:  # noqa: N802 (the name that the server looks for)
        """A chat."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        server = self.server
        with server.lock:
            server.bodies.append(body)
            server.keys.append(self.headers.get("authorization") or self.headers.get("x-api-key") or "")
            said = server.script.pop(0) if server.script else server.last
        try:
            heard = server.wire.hear(self.path, server.checked(body))
        except RefusedError as error:
            server.refused.append(str(error))
            self.fail(400, str(error))
            return
        server.told.append(heard)
        if isinstance(said, Raw):
            if said.wait is not None:
                said.wait.wait(10)
            content = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
            self.send_response(said.status)
            for name, value in {"content-length": str(len(content)), **said.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
        elif said.status != 200:
            self.fail(said.status, said.text)
        else:
            kind, content = server.wire.say(self.path, said, heard)
            self.reply(200, server.garbled(content), kind)


class Vendor(VendorServer):
    """Gives its answers in their order, and the last of them for ever. `told` and `bodies`: the requests."""

    def __init__(self, name: str, script: tuple[Any, ...]) -> None:
        self.vendor = BY_NAME[name]
        super().__init__(self.vendor)
        self.RequestHandlerClass = Answering
        self.script = list(script[:-1])
        self.last = script[-1] if script else Said("ok")
        self.told: list[Heard] = []
        self.bodies: list[Json] = []
        self.keys: list[str] = []
        self.refused: list[str] = []
        self.lock = threading.Lock()
        self.checked: Callable[[Json], Json] = lambda body: body
        self.garbled: Callable[[bytes], bytes] = lambda content: content

    def entry(self, **more: Any) -> Json:
        """An entry of a configuration list that reaches it."""
        model = f"{self.vendor.name}/{self.vendor.model}"
        return {"model": model, "base_url": self.url, "api_key": "sk-very-secret", "max_retries": 0, **more}


@contextmanager
def running(vendor: Vendor) -> Iterator[Vendor]:
    """Serve until the block ends."""
    with vendor:
        thread = threading.Thread(target=vendor.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield vendor
        vendor.shutdown()
        thread.join()


@pytest.fixture
def start() -> Iterator[Callable[..., Vendor]]:
    """Start a vendor by its name, with its answers."""
    with ExitStack() as stack:
        yield lambda name, *script: stack.enter_context(running(Vendor(name, script)))


@pytest.fixture
def said() -> type[Said]:
    """An answer: `text`, `thoughts`, `calls`, or an HTTP `status` with its message."""
    return Said


@pytest.fixture
def raw() -> type[Raw]:
    """An answer in bytes."""
    return Raw


@pytest.fixture
def call() -> Callable[..., Made]:
    """A tool call: `call("add", a=1)`."""
    return lambda name, **arguments: Made(name, arguments)


@pytest.fixture
def is_classic() -> bool:
    """Whether this is AG2 classic, and not AutoGen 0.2."""
    return not hasattr(autogen.oai.client, "count_token")


@pytest.fixture
def agents() -> Callable[..., tuple[Any, Any]]:
    """Make an assistant and its user proxy: `agents(config_list, …)`."""

    def make(config_list: Any, turns: int = 5, **llm_config: Any) -> tuple[Any, Any]:
        told = {"config_list": config_list, "cache_seed": None, **llm_config}
        assistant = autogen.AssistantAgent("assistant", system_message="Help.", llm_config=told)
        user = autogen.UserProxyAgent(
            "user", human_input_mode="NEVER", code_execution_config=False, max_consecutive_auto_reply=turns,
            is_termination_msg=lambda message: not message.get("tool_calls") and message.get("role") != "tool",
        )  # fmt: skip
        return assistant, user

    return make


@pytest.fixture
def add_tool() -> Callable[..., list[tuple[int, int]]]:
    """Give an assistant and its user proxy the tool `add`; returns the arguments of its runs."""

    def give(assistant: Any, user: Any) -> list[tuple[int, int]]:
        runs: list[tuple[int, int]] = []

        def add(a: int, b: int) -> int:
            runs.append((a, b))
            return a + b

        autogen.register_function(add, caller=assistant, executor=user, name="add", description="Add two numbers.")
        return runs

    return give


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Nothing but loopback can be reached; returns the addresses that were tried."""
    tried: list[Any] = []
    connect, resolve = socket.socket.connect, socket.getaddrinfo

    def guarded(one: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in {"127.0.0.1", "::1"}:
            tried.append(address)
            message = "no network here"
            raise OSError(message)
        connect(one, address)

    def lookup(host: Any, *more: Any, **options: Any) -> Any:
        if host not in {"127.0.0.1", "localhost", "::1", None}:
            tried.append(host)
            raise socket.gaierror
        return resolve(host, *more, **options)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return tried


@pytest.fixture(autouse=True)
def _as_on_the_first_day(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A folder for AutoGen's files, and every test may cause the same warnings."""
    monkeypatch.chdir(tmp_path)
    for name in ("DRAGOMAN_OFFLINE", "OAI_CONFIG_LIST", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    forget_warnings()
    yield
    from dragoman.autogen import uninstall

    uninstall()


@pytest.fixture
def strict() -> Callable[[Json], Json]:
    """Refuse what Anthropic and Mistral refuse of AutoGen's habits; the body says whose it is."""

    def check(body: Json) -> Json:
        messages = body["messages"]
        anthropic = "max_tokens" in body
        if "name" in messages[-1] and messages[-1]["role"] != "tool" and not body["model"].startswith("Qwen"):
            message = "messages.name: Extra inputs are not permitted"
            raise RefusedError(message)
        if messages[-1]["role"] == "system" and not body["model"].startswith("Qwen"):
            message = "Expected last role User or Tool for serving but got system"
            raise RefusedError(message)
        blocks = [block for message in messages if isinstance(message["content"], list) for block in message["content"]]
        if anthropic and any(block["type"] == "tool_use" for block in blocks) and not body.get("tools"):
            message = "Requests which include tool_use or tool_result blocks must define tools"
            raise RefusedError(message)
        return body

    return check
