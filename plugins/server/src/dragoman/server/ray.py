"""The gateway as a Ray Serve application: `serve run dragoman.server.ray:deployment config=gateway.toml`."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman.core import ConfigError
from dragoman.server.settings import ServerSettings, load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ray.serve import Application
    from starlette.applications import Starlette

log = logging.getLogger("dragoman.server")

#: What names the configuration where no argument does.
CONFIG_ENV = "DRAGOMAN_CONFIG"
#: Serve's own limits are for models that are computed in the replica; this one waits for others, and bounds itself.
_OPTIONS = {
    "name": "dragoman",
    "max_ongoing_requests": ServerSettings.max_concurrency,
    "graceful_shutdown_timeout_s": ServerSettings.drain_seconds,
}
#: Serve has one of these in each cluster, under this name.
_CONTROLLER = {"name": "SERVE_CONTROLLER_ACTOR", "namespace": "serve"}


def deployment(args: Mapping[str, Any]) -> Application:
    """Build the application, as `serve run`, `serve deploy` and `serve.run` take it.

    `config` is the configuration file (without it: `DRAGOMAN_CONFIG`, here or where a replica runs, and else none),
    which each replica reads for itself; all other arguments are options of Serve's deployment (`num_replicas`,
    `autoscaling_config`, …), those of a command line in JSON. Raises `TypeError` for one that Serve does not have, and
    `ConfigError` without Ray.
    """
    try:
        from ray import serve
    except ImportError as cause:
        message = "Ray Serve is not installed: pip install 'dragoman-server[ray]'"
        raise ConfigError(message) from cause
    options = {name: _value(given) for name, given in args.items() if name != "config"}
    config = args.get("config") or os.environ.get(CONFIG_ENV)
    served = serve.ingress(_builder(config, Path.cwd()))(Gateway)
    return serve.deployment(served).options(**{**_OPTIONS, **options}).bind()


class Gateway:
    """What Serve calls the replicas by; all that they do is the ASGI application's."""


def _value(given: Any) -> Any:
    """Read an argument of a command line, which is text; what is not JSON stays as it is."""
    try:
        return json.loads(given) if isinstance(given, str) else given
    except ValueError:
        return given


def _builder(config: str | None, folder: Path) -> Callable[[], Starlette]:
    """Return what Serve calls in each replica; it wants a function."""

    def build() -> Starlette:
        return make_replica(config, folder)

    return build


def make_replica(config: str | None, folder: Path) -> Starlette:
    """Make the application of one replica. Raises `ConfigError` for what cannot be served.

    A relative path is one in the replica's working directory, which Ray has made of the `runtime_env`, or else one in
    `folder`, where the application was built.
    """
    from dragoman.server.app import make_app
    from dragoman.server.logs import set_up_logging

    named = config or os.environ.get(CONFIG_ENV)
    path = Path(named) if named else None
    if path is not None and not path.exists() and (folder / path).exists():
        path = folder / path
    configuration = load(path, {"host": proxies_host()})
    set_up_logging()
    return make_app(configuration)


def proxies_host() -> str:
    """Return the address at which Serve's proxies listen; every address, if Serve does not say."""
    import ray

    try:
        options = ray.get(ray.get_actor(**_CONTROLLER).get_http_config.remote())
        return str(options.host or ServerSettings.host)
    except (AttributeError, ValueError, ray.exceptions.RayError) as exception:
        log.warning("Serve does not say where it listens (%s): keys are needed", type(exception).__name__)
        return ""
