"""Takes secrets out of what goes on a tape, and says what it took out where, by name."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, urlsplit

from dragoman.core.secrecy import SHORTEST, secret_variables
from dragoman.core.tapes.tape import PLACEHOLDER, encoded

if TYPE_CHECKING:
    from dragoman.core.provider import Call, Json, Provider, Wire

#: Headers, query parameters and options of an SDK whose values are secrets, by their names.
_SECRET_NAME = re.compile(
    r"(?i)auth|cookie|credential|key$|passw|secret|session|signature|^sig$|(?<!page)(?<!page[_-])(?<!next[_-])token$"
)
#: Headers that say whose account it is.
_ACCOUNT = frozenset({"openai-organization", "openai-project", "anthropic-organization-id"})
#: Fields of JSON bodies that hold secrets; `key` and `token` mean too many other things there.
_FIELDS = frozenset(
    "access_token api_key apikey authorization client_secret password refresh_token secret secret_key x_api_key".split()  # noqa: SIM905 (readable)
)
#: What keys and accounts look like, wherever they come from; vendors quote them with stars inside.
_SHAPES = re.compile(
    rb"\bsk-[\w*-]{16,}|\bhf_\w{20,}|\bgh[pousr]_\w{20,}|\bAKIA[0-9A-Z]{16}\b|\bAIza[\w-]{30,}|\bek_\w{16,}"
    rb"|\beyJ[\w-]{16,}\.eyJ[\w.-]{16,}|(?<=\bBearer )[\w.~+/=*-]{16,}|\borg-\w{16,}|\bproj_\w{16,}"
)
_SHAPED = "something like a key"
#: Headers of an answer that a program may want to read.
_KEPT = re.compile(
    r"content-(type|disposition)|location|retry-after(-ms)?|x-should-retry|(.*-)?request-id|mistral-correlation-id"
    r"|x-litellm-call-id|.*ratelimit.*|openai-(model|processing-ms|version)"
)


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")


class Scrubber:
    """What is secret, beside what always is: `names` of headers, query parameters, JSON fields and variables."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names = frozenset(_plain(name) for name in names)

    def begin(self, provider: Provider, call: Call, wire: Wire) -> Scrub:
        """Gather the secrets that one exchange may show."""
        scrub = Scrub(self)
        scrub.know(self._variables())
        scrub.know(_provider_secrets(provider))
        scrub.know({call.api_key: "api_key"} if isinstance(call.api_key, str) else {})
        scrub.know_headers({**wire.headers, **call.extra_headers})
        query = {name: str(value) for name, value in call.extra_query.items()}
        scrub.know({value: f"query {name}" for name, value in query.items() if self.is_secret(name)})
        return scrub

    def is_secret(self, name: str) -> bool:
        """Whether a header, or a parameter of a query, holds a secret."""
        return _SECRET_NAME.search(name) is not None or name.lower() in _ACCOUNT or _plain(name) in self.names

    def is_secret_field(self, name: str) -> bool:
        """Whether a field of a JSON body holds one."""
        return _plain(name) in _FIELDS or _plain(name) in self.names

    def _variables(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if _plain(name) in self.names}
        return {value: name for name, value in {**own, **secret_variables()}.items()}


class Scrub:
    """Scrubs one exchange. `found` says what was taken out: place -> names."""

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber
        self._known: dict[bytes, str] = {}
        self._pattern: re.Pattern[bytes] | None = None
        self.found: dict[str, list[str]] = {}

    def know(self, secrets: Mapping[str, str]) -> None:
        """Look for these values from now on: value -> name. Short ones are words of many texts, and are not."""
        for value, name in secrets.items():
            if len(value) >= SHORTEST:
                for form in _forms(value):
                    self._known.setdefault(form, name)
        self._pattern = None

    def know_headers(self, headers: Mapping[str, str]) -> None:
        """Look for the secrets of these headers, with and without their scheme (`Bearer …`)."""
        for name, value in headers.items():
            if self._scrubber.is_secret(name):
                self.know({value: f"header {name.lower()}", value.rpartition(" ")[2]: f"header {name.lower()}"})

    def know_fields(self, content: bytes) -> None:
        """Look for what stands in the secret fields of a JSON body: answers may quote it."""
        with suppress(ValueError, RecursionError):
            self.know(dict(self._fields_of(json.loads(content))))

    def _fields_of(self, value: Any) -> Iterator[tuple[str, str]]:
        for name, item in value.items() if isinstance(value, dict) else ():
            if isinstance(item, str) and self._scrubber.is_secret_field(name):
                yield item, name
            yield from self._fields_of(item)
        for item in value if isinstance(value, list) else ():
            yield from self._fields_of(item)

    def content(self, data: bytes, place: str) -> bytes:
        """Scrub a body: known values anywhere, and the fields of JSON that hold secrets by their names."""
        data = b"".join(piece for piece in self.pieces([data], place))
        with suppress(ValueError, RecursionError):
            value = json.loads(data)
            if isinstance(value, dict | list) and (named := self._fields(value, place)) != value:
                return encoded(named)
        return data

    def pieces(self, pieces: Iterable[bytes], place: str) -> list[bytes]:
        """Scrub a body that came in pieces; a secret that was cut in two goes from both."""
        parts = list(pieces)
        whole = b"".join(parts)
        spans = [(found.start(), found.end(), self._name(found[0], place)) for found in self._secrets().finditer(whole)]
        start, scrubbed = 0, []
        for part in parts:
            scrubbed.append(b"".join(_cut(whole, start, start + len(part), spans)))
            start += len(part)
        return scrubbed

    def text(self, text: str, place: str) -> str:
        """Scrub a path, a message or another text."""
        return self.content(text.encode("utf-8", "surrogatepass"), place).decode("utf-8", "replace")

    def named(self, values: Mapping[str, Any], place: str) -> Json:
        """Scrub headers, or a query: by their names first."""
        said: Json = {}
        for name, value in values.items():
            if self._scrubber.is_secret(name):
                self._note(place, name.lower())
                said[name] = f"[scrubbed: {name.lower()}]"
            else:
                said[name] = self.text(value, place) if isinstance(value, str) else self.value(value, place)
        return said

    def value(self, value: Any, place: str) -> Any:
        """Scrub a JSON value."""
        return json.loads(self.content(json.dumps(value, default=str).encode(), place))

    def reply_headers(self, headers: Mapping[str, str]) -> Json:
        """Keep of an answer's headers those that a program may want to read."""
        lower = {name.lower(): value for name, value in headers.items()}
        unwanted = self._scrubber.names
        kept = {name: value for name, value in lower.items() if _KEPT.fullmatch(name) and _plain(name) not in unwanted}
        return {name: self.text(value, "reply.headers") for name, value in kept.items()}

    def _secrets(self) -> re.Pattern[bytes]:
        if self._pattern is None:
            longest = sorted(self._known, key=len, reverse=True)
            self._pattern = re.compile(b"|".join([*map(re.escape, longest), _SHAPES.pattern]))
        return self._pattern

    def _fields(self, value: Any, place: str) -> Any:
        if isinstance(value, dict):
            return {name: self._field(name, item, place) for name, item in value.items()}
        return [self._fields(item, place) for item in value] if isinstance(value, list) else value

    def _field(self, name: str, item: Any, place: str) -> Any:
        if not isinstance(item, str) or not self._scrubber.is_secret_field(name) or PLACEHOLDER.search(item):
            return self._fields(item, place)
        self._note(place, name)
        return f"[scrubbed: {name}]"

    def _name(self, found: bytes, place: str) -> bytes:
        name = self._known.get(found, _SHAPED)
        self._note(place, name)
        return f"[scrubbed: {name}]".encode()

    def _note(self, place: str, name: str) -> None:
        names = self.found.setdefault(place, [])
        if name not in names:
            names.append(name)


def _cut(whole: bytes, start: int, end: int, spans: list[tuple[int, int, bytes]]) -> Iterator[bytes]:
    """Give one piece without the secrets; what stands for one goes where it begins."""
    at = start
    for first, last, name in spans:
        if last <= at or first >= end:
            continue
        if first >= at:
            yield whole[at:first]
            yield name
        at = min(last, end)
    yield whole[at:end]


def _forms(value: str) -> set[bytes]:
    """How a value may be written: as it is, in JSON, in an address."""
    written = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    written |= {value.replace("/", "\\/"), quote(value, safe=""), quote_plus(value)}
    return {form.encode("utf-8", "surrogatepass") for form in written}


def _provider_secrets(provider: Provider) -> dict[str, str]:
    """What a provider, or the SDK client that it was given, was told: value -> name."""
    found: dict[str, str] = {}
    for holder in (provider, provider.client, provider.async_client):
        for name in ("api_key", "auth_token"):
            value = getattr(holder, name, None)
            if isinstance(value, str):
                found[value] = name
    if password := urlsplit(provider.base_url).password:
        found[password] = "password of base_url"
    return {**found, **dict(_options(provider.sdk_options, secret=False))}


def _options(options: Any, name: str = "option", *, secret: bool) -> Iterator[tuple[str, str]]:
    if isinstance(options, Mapping):
        for key, value in options.items():
            yield from _options(value, str(key), secret=secret or _SECRET_NAME.search(str(key)) is not None)
    elif isinstance(options, str) and secret:
        yield options, name
