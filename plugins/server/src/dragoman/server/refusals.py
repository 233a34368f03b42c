"""What the server itself refuses, and any failure of a call, as a status, headers and OpenAI's error object."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.core import Json


class Refusal(Exception):  # noqa: N818 (the name states the fact, as core's do)
    """The server does not answer this request. `retry_after`: in how many seconds it may."""

    def __init__(  # noqa: PLR0913 (one keyword for each fact)
        self,
        status: int,
        message: str,
        *,
        code: str,
        type: str = "invalid_request_error",  # noqa: A002 (OpenAI's word)
        param: str | None = None,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error: Json = {"message": message, "type": type, "param": param, "code": code}
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["retry-after"] = str(max(1, -int(-retry_after // 1)))


@dataclass(frozen=True, slots=True)
class Failure:
    """What a client is told: OpenAI's error object, and how. `kind` is the class of it, for logs and metrics."""

    status: int
    error: Json
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = ""
