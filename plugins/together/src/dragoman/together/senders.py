"""What stands between a wire and the SDK: a `/v1` that some SDK versions write in their paths, and a key that is there.

Until version 3 the SDK's base URL ended with `/v1`; since then each of its paths begins with it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dragoman.core import MissingKey, Reply, Wire, async_sdk_sender, refuse_offline, sdk_sender

if TYPE_CHECKING:
    from pathlib import Path

    from dragoman.core import AsyncReply, Call

_NO_KEY = "there is no key for Together: set TOGETHER_API_KEY or pass api_key="
_PATHS_HAVE_V1 = 3
#: Stands where the SDK insists on a key; never sent.
NO_KEY = "none"


def root_of(client: Any, sdk: Any) -> str:
    """Return what the paths of this client's requests begin with, so that they go where the SDK's own would."""
    path = urlsplit(str(client.base_url)).path.rstrip("/")
    if path.endswith("/v1"):
        return ""
    return "/v1" if _paths_have_v1(sdk) or not path else ""


def _paths_have_v1(sdk: Any) -> bool:
    return int(sdk.__version__.partition(".")[0]) >= _PATHS_HAVE_V1


class TogetherSender:
    """Sends through a client of the SDK. `root`: what the paths begin with; `keyless`: only calls bring keys."""

    def __init__(self, client: Any, root: str = "", *, keyless: bool = False) -> None:
        self._client = client
        self._sender = sdk_sender(client)
        self._root = root
        self._keyless = keyless

    def send(self, call: Call, wire: Wire) -> Reply:
        """Send once. Raises `MissingKey` if neither the client nor the call has a key."""
        return self._sender.send(call, _prepare(call, wire, self._root, keyless=self._keyless))

    def upload(self, call: Call, path: Path) -> Reply:
        """Upload a file of batch requests; the id that it got is the reply's `x-file-id`. Raises `MissingKey`."""
        import together

        _prepare(call, Wire("/files"), self._root, keyless=self._keyless)
        refuse_offline(str(self._client.base_url))
        options: dict[str, Any] = {"max_retries": call.max_retries or 0}
        if call.api_key:
            options["api_key"] = call.api_key
        address = str(self._client.base_url).rstrip("/")
        if not self._root and _paths_have_v1(together):
            options["base_url"] = address.removesuffix("/v1")
        try:
            # Together itself checks what is in it.
            file = self._client.with_options(**options).files.upload(path, purpose="batch-api", check=False)
        except together.APIStatusError as exception:
            response = exception.response
            return Reply(response.status_code, response.headers, response.content, response=response, cause=exception)
        return Reply(200, {"x-file-id": file.id})

    def close(self) -> None:
        """Close the client."""
        self._sender.close()


class AsyncTogetherSender:
    """`TogetherSender` for the asynchronous side."""

    def __init__(self, client: Any, root: str = "", *, keyless: bool = False) -> None:
        self._sender = async_sdk_sender(client)
        self._root = root
        self._keyless = keyless

    async def send(self, call: Call, wire: Wire) -> AsyncReply:
        """Send once. Raises `MissingKey` if neither the client nor the call has a key."""
        return await self._sender.send(call, _prepare(call, wire, self._root, keyless=self._keyless))

    async def close(self) -> None:
        """Close the client."""
        await self._sender.close()


def _prepare(call: Call, wire: Wire, root: str, *, keyless: bool) -> Wire:
    if keyless and not call.api_key and not any(name.lower() == "authorization" for name in call.extra_headers):
        raise MissingKey(_NO_KEY)
    return replace(wire, path=root + wire.path)
