"""A headless Chromium, driven by its DevTools protocol over a pair of pipes: no driver and no package is needed.

The protocol: https://chromedevtools.github.io/devtools-protocol/.
"""

from __future__ import annotations

import base64
import json
import os
import queue
import shutil
import signal
import threading
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path

#: Seconds for whatever the browser is asked; it is a loaded machine's patience, and no measure.
PATIENCE = 120
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--remote-debugging-pipe",
)
_NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    """Return the program, if there is one on this machine."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


class Chromium:
    """One browser with one tab. It reads commands from its file descriptor 3 and writes to 4."""

    def __init__(self, program: str, profile: Path) -> None:
        commands, self._out = os.pipe()
        self._in, told = os.pipe()
        actions = [
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            # Above 4 first, so that neither takes the place of the other.
            (os.POSIX_SPAWN_DUP2, commands, 103),
            (os.POSIX_SPAWN_DUP2, told, 104),
            (os.POSIX_SPAWN_DUP2, 103, 3),
            (os.POSIX_SPAWN_DUP2, 104, 4),
        ]
        argv = [program, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self._process = os.posix_spawn(program, argv, os.environ, file_actions=actions, setpgroup=0)
        os.close(commands)
        os.close(told)
        self._answers: dict[int, queue.Queue[Any]] = {}
        self._number = 0
        self._session = ""
        #: Events that were told since the tab was opened: method and parameters.
        self.events: list[tuple[str, Any]] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Self:
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.command(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        try:
            os.killpg(self._process, signal.SIGKILL)
        finally:
            os.waitpid(self._process, 0)
            os.close(self._out)

    def _listen(self) -> None:
        waiting = b""
        while piece := os.read(self._in, 1 << 20):
            *messages, waiting = (waiting + piece).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    self._answers[message["id"]].put(message)
                else:
                    self.events.append((message["method"], message.get("params")))
        os.close(self._in)
        for answers in self._answers.values():
            answers.put({"error": "the browser has ended"})

    def command(self, method: str, **params: Any) -> Any:
        """Send a command and return what it answers."""
        self._number += 1
        answers = self._answers[self._number] = queue.Queue()
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        content = json.dumps(message).encode() + b"\0"
        while content:
            content = content[os.write(self._out, content) :]
        answer = answers.get(timeout=PATIENCE)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def run(self, script: str) -> Any:
        """Return what an expression, or a promise of one, comes to in the page."""
        answer = self.command("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, condition: str) -> Any:
        """Wait until an expression is true in the page."""
        # Less than the command is given, or nobody would hear what the page showed instead.
        limit = PATIENCE * 500
        told = f"""new Promise((resolve, reject) => {{
            const end = performance.now() + {limit};
            const look = () => {{
                const found = {condition};
                if (found) resolve(found);
                else if (performance.now() > end) reject(new Error(document.body.innerText.slice(0, 3000)));
                else requestAnimationFrame(look);
            }};
            look();
        }})"""
        return self.run(told)

    def open(self, url: str) -> None:
        """Go to a page and wait until its scripts have run."""
        self.command("Page.navigate", url=url)
        self.wait(f"location.href.startsWith({json.dumps(url)}) && document.readyState === 'complete'")

    def look(self, width: int, height: int, *, dark: bool = False) -> None:
        """Give the window a size and a scheme of colours."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.command("Emulation.setDeviceMetricsOverride", **size)
        feature = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", features=[feature])

    def screenshot(self, file: Path) -> bytes:
        """Write what is seen as a PNG."""
        content = base64.b64decode(self.command("Page.captureScreenshot", format="png")["data"])
        file.write_bytes(content)
        return content

    def problems(self) -> list[str]:
        """What the browser has complained of: violations of the policy, exceptions, errors on the console."""
        found = []
        for method, params in self.events:
            if method == "Runtime.exceptionThrown":
                found.append(str(params["exceptionDetails"]))
            elif method == "Log.entryAdded" and params["entry"]["source"] != "network":
                found.append(params["entry"]["text"])
            elif method == "Runtime.consoleAPICalled" and params["type"] in {"error", "assert"}:
                found.append(str(params["args"]))
        return found

    def asked(self) -> list[str]:
        """Addresses that were asked for."""
        return [params["request"]["url"] for method, params in self.events if method == "Network.requestWillBeSent"]
