"""`dragoman serve` at work: the socket, uvicorn, and several workers."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import tempfile
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from dragoman.core import ConfigError, load_dotenv
from dragoman.server import settings as settings_module
from dragoman.server.logs import log, set_up_logging
from dragoman.server.protocols import BoundedConfig

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from starlette.applications import Starlette

    from dragoman.server.settings import Configuration, ServerSettings

#: Seconds for which a connection is kept for a client's next request: longer than load balancers keep theirs.
_KEEP_ALIVE = 75
#: Seconds that a worker may take to start.
_STARTING = 30
#: `prometheus_client` reads it when it is imported, in the workers.
_SHARED = "PROMETHEUS_MULTIPROC_DIR"


@dataclass(frozen=True)
class Source:
    """Where the configuration comes from. Calling it makes a worker's application, in the worker's process."""

    path: Path | None = None
    flags: Mapping[str, Any] = field(default_factory=dict)

    def load(self) -> Configuration:
        """Read it. Raises `ConfigError`."""
        return settings_module.load(self.path, self.flags)

    def reload(self) -> Configuration:
        """Read it again, and `.env` before it. Raises `ConfigError`."""
        for problem in load_dotenv():
            log.warning(problem)
        return self.load()

    def __call__(self) -> Starlette:
        """Make the application."""
        from dragoman.server.app import make_app

        configuration = self.load()
        set_up_logging()
        if (parent := multiprocessing.parent_process()) is not None:
            threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
        return make_app(configuration, load=self.reload, reload_on_hangup=True)


def _end_with(parent: Any) -> None:
    """Let a worker end when its supervisor was killed: nobody would tell it to."""
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


class Supervisor(Multiprocess):
    """Keeps workers running; SIGHUP has each of them read the configuration anew, and none is replaced."""

    def handle_hup(self) -> None:
        """Hand it on; a worker that is only starting would be ended by it."""
        for process in self.processes:
            if process.wait_until_ready(_STARTING, self.should_exit) and process.pid is not None:
                os.kill(process.pid, signal.SIGHUP)

    def terminate_all(self) -> None:
        """Let the workers end; who connects meanwhile is refused, and does not wait for nobody."""
        for listener in self.sockets:
            listener.close()
        super().terminate_all()


def serve(source: Source) -> None:
    """Serve until a signal ends it. Raises `ConfigError` for what cannot be served."""
    settings = source.load().server
    with listen(settings.host, settings.port) as listener:
        if settings.workers > 1:
            _serve_by_workers(source, settings, listener)
        else:
            config = _config(source, settings)
            # Before anything is promised: a fault of the configuration is told as one.
            config.load()
            _announce(listener)
            uvicorn.Server(config).run(sockets=[listener])


def _serve_by_workers(source: Source, settings: ServerSettings, listener: socket.socket) -> None:
    with tempfile.TemporaryDirectory(prefix="dragoman-metrics-") as folder:
        os.environ[_SHARED] = folder
        # Workers that cannot start would be started again and again.
        source()
        _announce(listener)
        listener.set_inheritable(True)
        Supervisor(_config(source, settings), [listener]).run()


def _config(source: Source, settings: ServerSettings) -> uvicorn.Config:
    return BoundedConfig(
        source,
        stall=settings.request_timeout,
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
    )


def listen(host: str, port: int) -> socket.socket:
    """Bind the address; port 0 takes a free one. Raises `ConfigError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as exception:
        message = f"cannot listen on {host}:{port}: {exception.strerror or exception}"
        raise ConfigError(message) from exception


def _announce(listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"
    log.info("serving", extra={"fields": {"url": url}})
