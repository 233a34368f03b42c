"""One question to a server on this machine: bounded in time and in size, and never sent to any other machine.

Nothing here resolves names, reads proxy settings, follows redirects or sends a key.
"""

from __future__ import annotations

import io
import ipaddress
import json
import socket
import time
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Bytes of one answer, its head included; a list of a thousand models has a tenth of it.
LIMIT = 1 << 20

_BOTH = ("127.0.0.1", "::1")
#: Names and addresses of this machine that are no loopback addresses themselves.
_MEANS = {"": _BOTH[:1], "localhost": _BOTH, "0.0.0.0": _BOTH[:1], "::": _BOTH[1:]}  # noqa: S104 (read, never bound)
_PORTS = {"http": 80, "https": 443}


class FloodError(Exception):
    """The answer is longer than `LIMIT`."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server may be. `host` is a loopback IP address, never a name; `prefix` stands before every path."""

    host: str
    port: int
    tls: bool = False
    prefix: str = ""

    @property
    def url(self) -> str:
        """The address for people, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' if self.tls else ''}://{host}:{self.port}{self.prefix}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever it is."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """The body as text; what is not UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")

    @property
    def json(self) -> Any:
        """The body as JSON, or None."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def get(self, key: str) -> Any:
        """A value of the body, if that is a JSON object and has it."""
        found = self.json
        return found.get(key) if isinstance(found, dict) else None


def read_address(text: str, port: int) -> tuple[str, list[Address]]:
    """Read a host, `host:port` or URL; the host as written, and the addresses (none: on another machine).

    `port` is meant where there is neither a port nor a scheme. Raises ValueError for what is no address.
    """
    text = text.strip()
    if text.count(":") > 1 and _is_loopback(text):
        text = f"[{text}]"
    parts = urlsplit(text if "://" in text else f"//{text}")
    if parts.scheme not in {"", *_PORTS}:
        message = f"{parts.scheme} is not a scheme of HTTP"
        raise ValueError(message)
    host = parts.hostname or ""
    hosts = _MEANS.get(host) or ((host,) if _is_loopback(host) else ())
    number = parts.port or _PORTS.get(parts.scheme, port)
    prefix = quote(parts.path.rstrip("/").removesuffix("/v1").rstrip("/"), safe="/%")
    return host, [Address(one, number, parts.scheme == "https", prefix) for one in hosts]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def ask(address: Address, path: str, *, until: float) -> Answer | None:
    """GET a path; None: nobody listens there. `until` is a point of `time.monotonic()`.

    Raises TimeoutError, OSError (it hung up), `http.client.HTTPException` (that was no HTTP) and `FloodError`.
    """
    if not _is_loopback(address.host):
        message = f"{address.host} is not on this machine"
        raise ValueError(message)
    try:
        connection = socket.create_connection((address.host, address.port), _left(until))
    except TimeoutError:
        raise
    except OSError:
        return None
    with _wrapped(connection, address) as connection:
        host = address.url.partition("://")[2].partition("/")[0]
        head = f"GET {address.prefix}{path} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        connection.settimeout(_left(until))
        connection.sendall(head.encode("ascii"))
        # It wants a socket, but takes nothing of it but the file.
        source = cast("socket.socket", _Source(connection, until))
        with closing(HTTPResponse(source, method="GET")) as response:
            response.begin()
            body = response.read(LIMIT)
            return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)


def _wrapped(connection: socket.socket, address: Address) -> socket.socket:
    if not address.tls:
        return connection
    import ssl

    return ssl.create_default_context().wrap_socket(connection, server_hostname=address.host)


def tell(error: Exception) -> str:
    """Say of an exception of `ask` what the server did."""
    if isinstance(error, TimeoutError):
        return "takes the connection, but does not answer in time"
    if isinstance(error, FloodError):
        return f"sends more than {LIMIT >> 20} MiB"
    if hasattr(error, "verify_message"):
        return "its certificate is not one that this machine trusts"
    if isinstance(error, HTTPException) and not isinstance(error, OSError | IncompleteRead):
        return "does not speak HTTP"
    return "hangs up without an answer"


class _Source(io.RawIOBase):
    """What comes from a socket, up to a point in time and a number of bytes.

    A socket's own time-out would begin anew with each byte.
    """

    def __init__(self, connection: socket.socket, until: float) -> None:
        self._connection = connection
        self._until = until
        self._room = LIMIT

    def makefile(self, mode: str) -> io.BufferedReader:
        """Be taken for a socket by `HTTPResponse`."""
        del mode
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connection.settimeout(_left(self._until))
        count = self._connection.recv_into(buffer)
        self._room -= count
        if self._room < 0:
            raise FloodError
        return count


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
