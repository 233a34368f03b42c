"""A gateway in a process, a vendor for it to ask, and a browser to look at its page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from browser import Chromium, find_chromium
from vendor import KEY, Vendor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Where screenshots are kept; read before the tests' own environment is made, which has none of dragoman's variables.
KEPT = os.environ.get("DRAGOMAN_SCREENSHOTS")


@pytest.fixture(scope="module")
def vendor() -> Iterator[Vendor]:
    server = Vendor()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def serve(vendor: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """`serve(more)`: a gateway whose configuration has these lines too; returns its address."""
    running: list[tuple[subprocess.Popen[str], threading.Thread]] = []

    def start(more: str = "", **environment: str) -> str:
        folder = tmp_path_factory.mktemp("gateway")
        config = folder / "dragoman.toml"
        model = f'model = "anthropic/claude-sonnet-4-5"\nbase_url = "{vendor.url}"\napi_key = "env:OURS"'
        config.write_text(f"max_retries = 0\n[[models.claude]]\n{model}\n{more}\n", "utf-8")
        command = [sys.executable, "-m", "dragoman", "serve", "--port", "0", "--config", str(config)]
        plugins = {"DRAGOMAN_OFFLINE": "1", "DRAGOMAN_PLUGINS": "anthropic,llamacpp,openai,server"}
        env = {**os.environ, **plugins, "OURS": KEY, **environment}
        server = subprocess.Popen(command, env=env, cwd=folder, stderr=subprocess.PIPE, text=True)  # noqa: S603 (ours)
        assert server.stderr is not None
        url: str = json.loads(server.stderr.readline())["url"]
        # Its log is read, or it would wait for a reader.
        reader = threading.Thread(target=server.stderr.read)
        reader.start()
        running.append((server, reader))
        return url.removesuffix("/v1")

    yield start
    for server, reader in running:
        server.terminate()
        server.wait()
        reader.join()
        assert server.stderr is not None
        server.stderr.close()


@pytest.fixture(scope="module")
def url(serve: Callable[..., str]) -> str:
    return serve()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    program = find_chromium()
    if program is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with Chromium(program, tmp_path / "profile") as found:
        yield found


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Where to keep screenshots."""
    folder = Path(KEPT) if KEPT else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    return folder
