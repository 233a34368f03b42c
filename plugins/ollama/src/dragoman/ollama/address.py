"""The forms in which people write where Ollama is -> the server's URL.

Ollama reads the same forms from `OLLAMA_HOST`: https://docs.ollama.com/faq. A host alone is on Ollama's own port,
but a URL without a port is on its scheme's, as in any URL.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from dragoman.core import InvalidRequest

PORT = 11434
_HERE = "127.0.0.1"
#: Ollama's own service, which has no port of its own.
_CLOUD = "ollama.com"
#: What people paste from examples of requests; the root of the server is meant.
_ENDPOINT = re.compile(r"(?:^|(?<=/))(?:api|v1)(?:/(?:chat|completions|embed|embeddings|generate|models|show|tags))*$")
_BARE_IPV6 = re.compile(r"[0-9a-fA-F:.]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*")


def read_host(text: str) -> str:
    """Return `scheme://host[:port][/path]`, without a slash at the end; reading it again changes nothing.

    A server that listens everywhere (`0.0.0.0`, `[::]`) is asked on this machine. Raises `InvalidRequest` for what is
    no address.
    """
    text = text.strip().strip("\"'").strip()
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "", text
    place, _, path = rest.partition("/")
    user, at, place = place.rpartition("@")
    host, port = _host_and_port(place)
    if not scheme and (host, port) == (_CLOUD, None):
        scheme = "https"
    elif not scheme:
        scheme, port = "http", PORT if port is None else port
    netloc = f"{user}{at}{_connectable(host)}" + (f":{port}" if port is not None else "")
    path = _without_endpoint(path)
    url = f"{scheme.lower()}://{netloc}" + (f"/{path}" if path else "")
    try:
        urlsplit(url)
    except ValueError as exception:
        msg = f"the address of Ollama is no URL ({exception}); write host, host:port or a URL"
        raise InvalidRequest(msg) from exception
    return url


def _host_and_port(place: str) -> tuple[str, int | None]:
    if _BARE_IPV6.fullmatch(place):
        return f"[{place}]", None
    host, colon, port = place.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = place, ""
    if not port:
        return host.lower(), None
    if not (port.isascii() and port.isdecimal() and int(port) < 2**16):
        msg = f"the address of Ollama has the port {port!r}; write host:port, with a number below 65536"
        raise InvalidRequest(msg)
    return host.lower(), int(port)


def _connectable(host: str) -> str:
    try:
        address = ipaddress.ip_address(host.strip("[]") or _HERE)
    except ValueError:
        return host
    if address.is_unspecified:
        return _HERE if isinstance(address, ipaddress.IPv4Address) else "[::1]"
    return host or _HERE


def _without_endpoint(path: str) -> str:
    path = path.strip("/")
    while _ENDPOINT.search(path):
        path = _ENDPOINT.sub("", path).rstrip("/")
    return path
