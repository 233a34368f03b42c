"""Which proxy leads to an address: the environment's word, read as curl and the HTTP libraries read it."""

from __future__ import annotations

import base64
import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies

from dragoman.core.errors import DragomanError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The usual ones.
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy; `headers` say who asks."""

    host: str
    port: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def proxy_for(url: str) -> Proxy | None:
    """Return the proxy for an address, by HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, or the system's settings.

    Raises `DragomanError` for a proxy that is not spoken to in plain HTTP.
    """
    parts = proxy_address(url)
    if parts is None:
        return None
    if parts.scheme != "http" or not parts.hostname:
        message = (
            f"the direct sender goes through http:// proxies only, not through {parts.scheme}://: "
            "change the proxy's setting in the environment, or use sender='sdk'"
        )
        raise DragomanError(message)
    headers = {"Proxy-Authorization": basic_auth(parts)} if parts.username else {}
    return Proxy(parts.hostname, parts.port or PORTS["http"], headers)


def proxy_address(url: str) -> SplitResult | None:
    """Return the address of the proxy for an address, of whatever kind it is."""
    target = urlsplit(url)
    found = getproxies()
    address = found.get(target.scheme) or found.get("all")
    if not address or _spared(target, found.get("no", "")):
        return None
    return urlsplit(address if "://" in address else f"http://{address}")


def only_plain_proxies() -> bool:
    """Whether all proxies of the environment are spoken to in plain HTTP."""
    found = getproxies()
    addresses = [found.get(scheme, "") for scheme in ("http", "https", "all")]
    return all("://" not in address or address.lower().startswith("http://") for address in addresses)


def basic_auth(parts: SplitResult) -> str:
    """Make a header's value of the user and the password in an address."""
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _spared(target: SplitResult, spared: str) -> bool:
    """Whether a list like `localhost,.corp.example,10.0.0.0/8,::1` names the host."""
    return any(_names(entry.strip(), target) for entry in spared.split(","))


def _names(entry: str, target: SplitResult) -> bool:
    host = (target.hostname or "").lower()
    if entry == "*" or not entry:
        return entry == "*"
    scheme, slashes, rest = entry.lower().rpartition("://")
    if slashes and scheme not in {"all", target.scheme}:
        return False
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(rest.strip("[]"), strict=False)
    except ValueError:
        pass
    parts = urlsplit(f"//{rest}")
    try:
        name, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    if port is not None and port != (target.port or PORTS.get(target.scheme)):
        return False
    name = name.removeprefix("*")
    # As curl does: `.example.com` is what lies below, `example.com` also the host itself.
    return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")
