"""What goes through a batch: requests, lines that are none, and results."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

    from dragoman.core import Json

#: The `url` of a chat, which a request has unless it says otherwise.
CHAT_URL = "/v1/chat/completions"
#: What a line may ask for.
URLS = (CHAT_URL, "/v1/embeddings", "/v1/responses")


@dataclass(frozen=True, slots=True)
class Request:
    """One line of the input that can be asked. `body`: OpenAI's JSON for `url`, one of `URLS`, with its model.

    `line` counts the input's lines from 1, or the requests of an iterable. `body` is nobody's to change.
    """

    custom_id: str
    body: Json = field(repr=False)
    url: str = CHAT_URL
    line: int = 0
    #: Bytes of its line, for what is guessed from them; 0: not known.
    size: int = 0

    @property
    def endpoint(self) -> str:
        """The path below `/v1`, as "chat/completions"."""
        return self.url.removeprefix("/v1/")

    @property
    def model(self) -> str:
        """The model's name as the line has it: `provider/model`, an alias, or a name of the configuration."""
        return str(self.body.get("model") or "")


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that cannot be asked. `reason` says why, in one sentence, and quotes nothing of its body.

    `code` is one of "invalid_json", "invalid_request", "missing_custom_id", "duplicate_custom_id",
    "unknown_endpoint", "unsupported_parameter". `custom_id` is empty where the line has none that can be read.
    """

    line: int
    code: str
    reason: str
    custom_id: str = ""


@dataclass(slots=True)
class Result:
    """What became of a request: an answer (`ok`), a provider's refusal with its status, or no answer at all.

    `content` is OpenAI's JSON for the endpoint as UTF-8, without a newline in it: the answer, or, of a failure with
    a status, `{"error": {…}}`. `error` is OpenAI's error object (`message`, `type`, `param`, `code`) of any failure;
    its code "missing_key", like the status 401, stops the whole run.
    """

    custom_id: str
    line: int = 0
    #: HTTP's; 0: nobody answered (no connection, a time-out, or refused before anything was sent).
    status: int = 0
    content: bytes = field(default=b"", repr=False)
    error: Json | None = None
    #: The provider's id of the request, empty if it gave none.
    request_id: str = ""
    #: OpenAI's `usage` object of the answer.
    usage: Json | None = None
    #: US dollars; None: nobody knows.
    cost: Decimal | None = None
    #: From being asked to the answer; of the last attempt.
    seconds: float = 0.0
    #: Name of the provider that answered, or refused last.
    provider: str = ""
    #: Whether asking again may help: 408, 409, 429, 5xx, no connection, a time-out.
    retriable: bool = False
    #: Seconds that the provider asked to wait before that; None: it did not say.
    retry_after: float | None = None
    #: How often it was asked again.
    retries: int = 0
    #: Whether it came from a cache: the provider was not asked.
    cached: bool = False

    @property
    def ok(self) -> bool:
        """Whether it is an answer."""
        return self.error is None

    @property
    def body(self) -> Json:
        """`content`, read."""
        body: Json = json.loads(self.content) if self.content else {}
        return body
