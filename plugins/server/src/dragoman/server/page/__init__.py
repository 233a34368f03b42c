"""The page at `/`: chat with any model, and see what was sent to its provider. Static files, without a build step."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import metadata, resources
from typing import TYPE_CHECKING, NamedTuple

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

    from dragoman.server.gateway import Gateway

_TYPES = {"css": "text/css", "html": "text/html", "js": "text/javascript", "svg": "image/svg+xml"}
_INDEX = "index.html"
#: Nothing but the server's own files runs, is shown or is asked, and no other site shows the page.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data: blob:; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class _File(NamedTuple):
    content: bytes
    media_type: str
    etag: str


@cache
def _files() -> dict[str, _File]:
    """Read all of them: they are small, and no name of a client's ever becomes a path."""
    found = {}
    for one in resources.files(__name__).iterdir():
        kind = _TYPES.get(one.name.rpartition(".")[2])
        if kind is not None:
            content = one.read_bytes()
            found[one.name] = _File(content, kind, f'"{hashlib.sha256(content).hexdigest()[:32]}"')
    return found


def page_routes(gateway: Gateway) -> list[Route]:
    """Make the page's routes; where the settings have no page, there is nothing at them."""
    page = _Page(gateway)
    return [
        Route("/", page.file),
        Route("/page/settings.json", page.settings),
        Route("/page/{name}", page.file),
    ]


class _Page:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def file(self, request: Request) -> Response:
        """Answer with a file, unless the browser has it. Raises `HTTPException`."""
        file = _files().get(request.path_params.get("name", _INDEX))
        if file is None or not self._gateway.settings.page:
            raise HTTPException(404)
        headers = {**_HEADERS, "etag": file.etag}
        known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
        if file.etag in known:
            return Response(status_code=304, headers=headers)
        return Response(file.content, media_type=file.media_type, headers=headers)

    async def settings(self, _: Request) -> Response:
        """Tell the page what it has to know before anybody has a key. Raises `HTTPException`."""
        settings = self._gateway.settings
        if not settings.page:
            raise HTTPException(404)
        told = {
            "version": metadata.version("dragoman-server"),
            "needs_key": bool(settings.keys),
            "max_body_bytes": settings.max_body_bytes,
            "shows_wires": settings.shows_wires,
        }
        return JSONResponse(told, headers=_HEADERS)
