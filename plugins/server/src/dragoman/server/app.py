"""The server as an ASGI application: `make_app(configuration)`, which any ASGI host can run."""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dragoman.server.bodies import headers_of, id_of
from dragoman.server.dialects import OpenAIDialect
from dragoman.server.gates import make_gate
from dragoman.server.gateway import Gateway
from dragoman.server.logs import write_record
from dragoman.server.messages.dialect import COUNT_TOKENS
from dragoman.server.messages.errors import encode_error
from dragoman.server.messages.target import MESSAGES
from dragoman.server.messages.turn import ByVersion, MessagesListTurn, MessagesModelTurn, MessagesTurn
from dragoman.server.openapi import describe
from dragoman.server.page import page_routes
from dragoman.server.records import Record
from dragoman.server.refusals import Failure, Refusal, refused
from dragoman.server.turns import ListTurn, Turn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from starlette.requests import Request

    from dragoman.server.admission import Gate
    from dragoman.server.dialects import Dialect
    from dragoman.server.settings import Configuration, ServerSettings

#: Endpoints that keep nothing at the provider, so that no client sees what another has left there.
ENDPOINTS = (
    "chat/completions",
    "embeddings",
    "responses",
    "completions",
    "audio/speech",
    "audio/transcriptions",
    "audio/translations",
    "images/edits",
    "images/generations",
    "moderations",
)
_PREFIXES = ("/v1", "")
_ID = b"x-request-id"
_OPENAI = OpenAIDialect()


def make_app(
    configuration: Configuration,
    *,
    load: Callable[[], Configuration] | None = None,
    gate_of: Callable[[ServerSettings], Gate] = make_gate,
    reload_on_hangup: bool = False,
) -> Starlette:
    """Make the application of one process. Raises `DragomanError` for a configuration that cannot be used.

    `load` reads the configuration anew for `app.state.gateway.reload()`, which SIGHUP calls too if the process is
    this server's own (`reload_on_hangup`); `gate_of` decides who may ask.
    """
    gateway = Gateway(configuration, load, gate_of)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if reload_on_hangup and hasattr(signal, "SIGHUP"):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, gateway.reload)
        try:
            yield
        finally:
            await gateway.close()

    app = Application(
        routes=_routes(gateway),
        lifespan=lifespan,
        exception_handlers={HTTPException: _no_such_path, Refusal: _refuse},
    )
    app.state.gateway = gateway
    return app


class Application(Starlette):
    """Starlette, without what it puts around endpoints that need none of it: these answer every failure themselves.

    A host that adds middleware, or mounts it below a path, has the usual way.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._asked = {
            route.path: route.app
            for route in self.routes
            if isinstance(route, Route) and isinstance(route.app, Endpoint) and route.methods == {"POST"}
        }

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["method"] == "POST" and not self.user_middleware:
            asked = self._asked.get(scope["path"])
            if asked is not None and not scope.get("root_path"):
                await asked(scope, receive, send)
                return
        await super().__call__(scope, receive, _with_id(scope, send) if scope["type"] == "http" else send)


def _routes(gateway: Gateway) -> list[Route]:
    """Most wanted first: they are tried in this order."""
    asked = [
        Route(f"{prefix}/{name}", Endpoint(gateway, name), methods=["POST"])
        for name in ENDPOINTS
        for prefix in _PREFIXES
    ]
    asked += [
        Route(f"{prefix}/{name}", Endpoint(gateway, name, turn=MessagesTurn), methods=["POST"])
        for name in (MESSAGES, COUNT_TOKENS)
        for prefix in _PREFIXES
    ]
    pages = _Pages(gateway)
    told = [
        Route("/health/liveness", pages.liveness),
        Route("/health/readiness", pages.readiness),
        Route("/metrics", pages.metrics),
        Route("/openapi.json", pages.openapi),
    ]
    models = ByVersion(Endpoint(gateway, "models", turn=ListTurn), Endpoint(gateway, "models", turn=MessagesListTurn))
    model = ByVersion(Model(gateway), Model(gateway, turn=MessagesModelTurn))
    listed = [
        route
        for prefix in _PREFIXES
        for route in (
            Route(f"{prefix}/models", models, methods=["GET"]),
            Route(f"{prefix}/models/{{name:path}}", model, methods=["GET"]),
        )
    ]
    page = page_routes(gateway)
    served = {route.path: ", ".join(sorted(route.methods or ())) for route in (*asked, *told, *listed, *page)}
    others = [Route(f"{prefix}/{{path:path}}", Other(gateway, served)) for prefix in _PREFIXES]
    return [*asked, *told, *listed, *page, *others]


class Endpoint:
    """One endpoint as an ASGI application of its own: nothing stands between it and the host."""

    def __init__(self, gateway: Gateway, name: str, dialect: Dialect = _OPENAI, turn: type[Turn] = Turn) -> None:
        self._gateway = gateway
        self._name = name
        self._dialect = dialect
        self._turn = turn

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        await self._turn(self._gateway, self._dialect, self._name, scope, receive, send).run()


class Model:
    """One model, whose name may have slashes."""

    def __init__(self, gateway: Gateway, turn: type[Turn] = Turn) -> None:
        self._gateway = gateway
        self._turn = turn

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        name = f"models/{quote(scope['path_params']['name'], safe=':')}"
        await self._turn(self._gateway, _OPENAI, name, scope, receive, send).run()


class Other:
    """Endpoints that are served only where the configuration names them. `served`: path -> methods, of the others."""

    def __init__(self, gateway: Gateway, served: Mapping[str, str]) -> None:
        self._gateway = gateway
        self._served = served

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request, or say that there is nothing here. Raises `HTTPException`."""
        path = scope["path_params"]["path"].strip("/")
        head = path.partition("/")[0]
        allowed = self._served.get(scope["path"]) or ("GET, HEAD" if head == "models" else None)
        if allowed is not None:
            raise HTTPException(405, headers={"allow": allowed})
        if head not in self._gateway.settings.endpoints or ".." in path.split("/"):
            raise HTTPException(404)
        await Turn(self._gateway, _OPENAI, quote(path, safe="/:"), scope, receive, send).run()


class _Pages:
    """What the server says about itself."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def liveness(self, _: Request) -> Response:
        return JSONResponse({"status": "alive"})

    async def readiness(self, _: Request) -> Response:
        return JSONResponse({"status": "ready"})

    async def metrics(self, request: Request) -> Response:
        """For whoever has a key: names of models and numbers of tokens are not everybody's."""
        headers = headers_of(request.scope)
        self._gateway.current.gate.admit(headers)
        kind, text = self._gateway.metrics.text(headers.get("accept", ""))
        return Response(text, media_type=kind)

    async def openapi(self, _: Request) -> Response:
        return JSONResponse(describe(keys=bool(self._gateway.settings.keys)))


async def _no_such_path(request: Request, exception: Exception) -> Response:
    """Tell of a path that is none, or of a method that it does not have."""
    assert isinstance(exception, HTTPException)  # noqa: S101 (it is registered for that class)
    status = exception.status_code
    message = f"there is no {request.method} {request.url.path} here"
    if status == 404:  # noqa: PLR2004 (HTTP's word for it)
        message += " (endpoints that keep something at the provider are served where the configuration names them)"
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": "unknown_url"}
    return _failed(request, Failure(status, error, exception.headers or {}, "unknown_url"))


async def _refuse(request: Request, exception: Exception) -> Response:
    assert isinstance(exception, Refusal)  # noqa: S101 (as above)
    return _failed(request, refused(exception))


def _failed(request: Request, failure: Failure) -> Response:
    """Write a failure outside of any turn, in its client's words, and its line in the log."""
    given, path = headers_of(request.scope), request.url.path
    record = Record(id_of(given), request.method, path, status=failure.status, failure=failure)
    write_record(record, prompts=False)
    headers = {**failure.headers, "x-request-id": record.request_id}
    if "anthropic-version" in given or path.removeprefix("/v1").startswith(f"/{MESSAGES}"):
        headers["request-id"] = record.request_id
        return JSONResponse(encode_error(failure.status, failure.error, record.request_id), failure.status, headers)
    return JSONResponse({"error": failure.error}, failure.status, headers)


def _with_id(scope: Any, send: Any) -> Any:
    """Have an answer bear its request's id, if it does not already."""

    async def send_named(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ())]
            if all(name != _ID for name, _ in headers):
                headers.append((_ID, id_of(headers_of(scope)).encode("latin-1")))
            message = {**message, "headers": headers}
        await send(message)

    return send_named
