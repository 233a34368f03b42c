"""The contract between dragoman and a provider: all that a plugin's author has to know.

A provider is a class whose defaults *are* an OpenAI-compatible endpoint; a plugin overrides what
differs, and nothing more. Everything here is standard library and does no I/O.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol

from dragoman.core.errorbodies import error_object

if TYPE_CHECKING:
    from decimal import Decimal

    from dragoman.core.batches import Batches
    from dragoman.core.capabilities import Capabilities

#: A JSON object, as Python dicts, lists, strings, numbers, booleans and None.
Json = dict[str, Any]

#: What to do with a parameter that the provider does not have (see `dragoman.core.unsupported`).
OnUnsupported = Literal["raise", "warn", "ignore", "adapt"]

#: Seconds for everything, seconds per phase (`connect`, `read`, `write`, `pool`), or None: no limit.
Timeout = float | Mapping[str, float | None] | None
#: Who sends: the provider's default (its SDK, mostly); core itself, with a plain key; or core where that is enough.
SenderKind = Literal["sdk", "direct", "auto"]


@dataclass(slots=True)
class Ledger:
    """What was done about parameters that the provider does not have; it ends up in the answer."""

    dropped: list[str] = field(default_factory=list)
    adapted: dict[str, str] = field(default_factory=dict)

    def report(self) -> Json:
        """`{"dropped": […], "adapted": {…}}`, without the empty ones."""
        if not (self.dropped or self.adapted):
            return {}
        entries: Json = {"dropped": list(self.dropped), "adapted": dict(self.adapted)}
        return {key: value for key, value in entries.items() if value}


@dataclass(slots=True, eq=False)
class Call:
    """One call of one endpoint, as the hooks and the translators see it.

    `request` is OpenAI's JSON for `endpoint`; its `model` is already the vendor's name of it. The
    caller's `extra_body`, `extra_headers` and `extra_query` are the caller's own and are sent as they
    are: no translator reads them. `id` and `created` (Unix seconds) are read once per call, for
    vendors that send neither, so that translators need no clock and no randomness.
    """

    provider: str
    model: str
    request: Json
    endpoint: str = "chat/completions"
    method: str = "POST"
    #: The provider's address, for hooks that tell two servers of one kind apart.
    base_url: str = ""
    id: str = ""
    created: int = 0
    extra_body: Json = field(default_factory=dict)
    extra_headers: Mapping[str, str] = field(default_factory=dict)
    extra_query: Mapping[str, object] = field(default_factory=dict)
    api_key: str | None = None
    timeout: Timeout = None
    max_retries: int | None = None
    on_unsupported: OnUnsupported = "raise"
    ledger: Ledger = field(default_factory=Ledger)
    #: For hooks that want to remember something from `before_call` to `after_call`.
    context: dict[str, Any] = field(default_factory=dict)
    #: Set when the call has ended, for `after_call`.
    outcome: Literal["pending", "complete", "failed", "abandoned"] = "pending"
    response: Json | None = None
    usage: Json | None = None
    error: BaseException | None = None
    #: Whether a hook answered, and the provider was not asked.
    answered: bool = False
    #: US dollars for 1000 prompt tokens and for 1000 completion tokens, where the caller's configuration says so.
    price: tuple[Decimal, Decimal] | None = None

    @property
    def stream(self) -> bool:
        """Whether the answer is wanted piece by piece."""
        return self.request.get("stream") is True

    def __repr__(self) -> str:
        """Names only: prompts, headers and keys stay out of logs."""
        stream = " stream" if self.stream else ""
        return f"<Call {self.provider}/{self.model} {self.endpoint}{stream} {self.outcome}>"


@dataclass(slots=True)
class Wire:
    """A request in the vendor's own form. `path` is relative to the provider's base URL."""

    path: str
    body: Json | None = None
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)
    #: `body` with the caller's `extra_body` merged, as JSON bytes; made by the exchange.
    content: bytes | None = None


@dataclass(slots=True)
class Reply:
    """A vendor's answer: `content` whole, or `pieces` of the body as they come.

    A sender returns one for every HTTP status; it raises only when there was no answer. `close`
    gives the connection back and may be called more than once.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    pieces: Iterator[bytes] | None = None
    close: Callable[[], object] = lambda: None
    #: The HTTP library's response object, for `exception.response`.
    response: Any = None
    #: What the vendor's SDK raised for this answer, for `exception.__cause__`.
    cause: BaseException | None = None


@dataclass(slots=True)
class AsyncReply:
    """`Reply` for the asynchronous side."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    pieces: AsyncIterator[bytes] | None = None
    close: Callable[[], Awaitable[object]] | None = None
    response: Any = None
    cause: BaseException | None = None


class Event(NamedTuple):
    """One piece of a vendor's stream: an SSE event, or one NDJSON line (`name` is then empty)."""

    data: bytes
    name: str = ""


class Sender(Protocol):
    """Puts a wire on the network (or hands it to an engine) and returns the reply."""

    def send(self, call: Call, wire: Wire) -> Reply:
        """Send once; retries, if any, are the sender's own, up to `call.max_retries`."""

    def close(self) -> None:
        """Give back connections; a closed sender is not used again."""


class AsyncSender(Protocol):
    """`Sender` for the asynchronous side."""

    async def send(self, call: Call, wire: Wire) -> AsyncReply:
        """Send once; retries, if any, are the sender's own, up to `call.max_retries`."""

    async def close(self) -> None:
        """Give back connections; a closed sender is not used again."""


class StreamDecoder(Protocol):
    """Turns one stream's events into OpenAI chunks; its state lives in itself."""

    def feed(self, event: Event) -> Iterator[Json]:
        """Zero or more chunks for one event."""

    def finish(self) -> Iterator[Json]:
        """Last chunks, once the vendor's stream has ended; raise if it was cut short."""


class VendorError(Exception):
    """The vendor reported an error inside an answer with HTTP status 200 (in a stream, mostly).

    Translators raise it; the caller gets the `openai` exception that belongs to `status`. `error` is
    OpenAI's error object: `message`, `type`, `param`, `code`. `status` None: the vendor gave no hint.
    """

    def __init__(self, error: Json, status: int | None = None) -> None:
        super().__init__(str(error.get("message") or "the provider reported an error"))
        self.error = error
        self.status = status


class StreamCutError(Exception):
    """The stream closed before the vendor's end event; the caller gets `openai.APIConnectionError`."""


class Provider:
    """One model provider. As it stands it speaks OpenAI's own wire; subclasses override what differs.

    `base_url` is what the vendor's own SDK or documentation calls it. `key_env` names environment variables in the
    order they are tried; empty means that no key is needed. `client` is a ready SDK client of the caller's, used as
    it is; `sdk_options` go to the SDK client that the sender makes. `sender` ("sdk" or "direct") comes before what
    the client says.
    """

    #: Version of this contract; checked when the plugin is loaded.
    api: ClassVar[int] = 1
    name: str = "openai"
    base_url: str = "https://api.openai.com/v1"
    base_url_env: ClassVar[tuple[str, ...]] = ()
    key_env: ClassVar[tuple[str, ...]] = ()
    framing: Literal["sse", "ndjson"] = "sse"
    #: What to do where no server answers, in words for the user; empty for services that run elsewhere.
    start: ClassVar[str] = ""
    #: Endpoints below OpenAI's `/v1` (first segment counts), "messages" for Anthropic's API; None: ask the vendor.
    endpoints: ClassVar[frozenset[str] | None] = None
    #: What a server's clients may name; None: all. Others, as files, only where the configuration names them.
    public_models: frozenset[str] | None = None

    def __init__(  # noqa: PLR0913 (each is one option, all are named)
        self,
        *,
        name: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        client: Any = None,
        async_client: Any = None,
        sender: SenderKind | None = None,
        **sdk_options: Any,
    ) -> None:
        self.name = name or type(self).name
        self.base_url = self.normalise_base_url(base_url or first_env(self.base_url_env) or type(self).base_url)
        self.api_key = api_key or first_env(self.key_env)
        self.client = client
        self.async_client = async_client
        self.sender_kind = sender
        self.sdk_options = sdk_options

    def __repr__(self) -> str:
        """Name and address; key and password stay out."""
        return f"<{type(self).__name__} {self.name!r} at {without_password(self.base_url)}>"

    def normalise_base_url(self, url: str) -> str:
        """Read the forms of the address that people write; the default drops what they paste too much of."""
        url = url.strip().rstrip("/").removesuffix("/chat/completions")
        while url.endswith("/v1/v1"):
            url = url.removesuffix("/v1")
        return url

    def narrow_capabilities(self, shown: Capabilities) -> Capabilities:
        """Return what holds for this instance, its address and options, of what the class's tapes have shown.

        The default is all of it: `shown` itself. `shown.but(images=Capability("no", "why"))` takes something away.
        """
        return shown

    # Translation: pure functions. No I/O, no clock, no randomness; arguments are not changed.

    def encode(self, call: Call) -> Wire:
        """OpenAI's request -> the vendor's. Raise through `unsupported` for what has no equivalent."""
        return Wire(path="/" + call.endpoint, body=call.request or None, method=call.method)

    def merge_extra_body(self, body: Json, extra_body: Json) -> Json:
        """Add the caller's own parameters to the wire's body: at the top, where they replace what has their name."""
        return {**body, **extra_body}

    def decode(self, call: Call, body: Json) -> Json:
        """The vendor's answer -> OpenAI's. `body` itself may be returned if there is nothing to do."""
        del call
        return body

    def decode_stream(self, call: Call) -> StreamDecoder | None:
        """Make a decoder for one stream; None: the events already are OpenAI's chunks."""

    def decode_error(self, status: int, body: Any) -> Json:
        """The body of a failure -> OpenAI's error object (`message`, `type`, `param`, `code`).

        `body` is JSON where the vendor sent JSON, else its text. Not every vendor sends an object.
        """
        return error_object(status, body)

    # Sending.

    def sender(self) -> Sender | None:
        """Make the sender; None: the `openai` SDK's low-level `post`, which suits any compatible server."""

    def async_sender(self) -> AsyncSender | None:
        """Make the asynchronous sender; None as for `sender`."""

    def batches(self) -> Batches | None:
        """Make what runs files of requests through the vendor's batch API; None: it has none."""

    def headers(self, key: str) -> dict[str, str]:
        """Say how a request without the SDK presents a plain key, if there is one; `sender="direct"` needs to know.

        Only a provider without a `sender` may do without this method: others are refused.
        """
        return {"authorization": f"Bearer {key}"} if key else {}


def without_password(url: str) -> str:
    """Return an address for messages: user and password stay out."""
    head, slashes, rest = url.partition("://")
    host, slash, path = (rest if slashes else head).partition("/")
    return f"{head + slashes if slashes else ''}{host.rpartition('@')[2]}{slash}{path}"


def first_env(names: tuple[str, ...]) -> str | None:
    """Return the first of these environment variables that is set; an empty one counts as unset."""
    return next((value for name in names if (value := os.environ.get(name, "").strip())), None)
