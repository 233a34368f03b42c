"""AutoGen as it is, with its own client, pointed at dragoman's server."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("autogen", reason="neither AutoGen 0.2 nor AG2 classic is installed")


class Server:
    """`dragoman serve` in a process, and its log."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "dragoman", "serve", "--port", "0"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)  # noqa: S603 (ours)
        assert self.process.stderr is not None
        self.url: str = json.loads(self.process.stderr.readline())["url"]
        self.lines: list[dict[str, Any]] = []
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as log:
            self.lines.extend(json.loads(line) for line in log if line.startswith("{"))

    def end(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.reader.join()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.end()


@pytest.mark.scenario(1)
def test_two_agents_and_a_tool_through_the_server(server: Server, agents: Any, add_tool: Any) -> None:
    # Without a stream: AutoGen 0.2 fetches a tokenizer from the internet to count one's tokens.
    entry = {"model": "llamacpp/demo", "base_url": server.url, "api_key": "not needed", "price": [0.01, 0.02]}
    assistant, user = agents([entry])
    runs = add_tool(assistant, user)
    chat = user.initiate_chat(assistant, message='Call add with {"a": 2, "b": 3}.')
    assert len(runs) == 1
    assert str(sum(runs[0])) in chat.chat_history[2]["content"]
    assert chat.chat_history[-1]["content"]
    server.end()
    asked = [line for line in server.lines if line["event"] == "request"]
    assert [line["status"] for line in asked] == [200, 200]
    prompt, completion = (sum(line[f"{kind}_tokens"] for line in asked) for kind in ("prompt", "completion"))
    used = chat.cost["usage_excluding_cached_inference"]
    assert used["total_cost"] == pytest.approx((prompt * 0.01 + completion * 0.02) / 1000)
