"""`DRAGOMAN_OFFLINE`: nothing leaves this machine, be it to an address or to the proxy that leads there."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit

from dragoman.core import errors
from dragoman.core.proxies import proxy_address


def offline() -> bool:
    """Whether `DRAGOMAN_OFFLINE` forbids connections outside loopback."""
    return os.environ.get("DRAGOMAN_OFFLINE", "") not in {"", "0"}


def refuse_offline(url: str) -> None:
    """Raise for an address outside loopback, or behind a proxy that is, if the process is to stay offline."""
    if not offline():
        return
    host = urlsplit(url).hostname or ""
    if not _is_here(host):
        message = f"DRAGOMAN_OFFLINE is set and {host} is not on this machine; unset it to connect"
        raise errors.connection_error(message)
    proxy = proxy_address(url)
    if proxy is not None and not _is_here(proxy.hostname or ""):
        message = (
            f"DRAGOMAN_OFFLINE is set and {proxy.hostname}, the proxy that leads to {host}, is not on this machine; "
            f"put {host} into NO_PROXY, or unset DRAGOMAN_OFFLINE"
        )
        raise errors.connection_error(message)


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
