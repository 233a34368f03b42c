"""Acme's class: where its API is, and which functions translate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dragoman.core import InvalidRequest, Provider, Wire

from dragoman_acme.request import encode_chat
from dragoman_acme.response import decode_answer, decode_fault
from dragoman_acme.stream import AnswerStream

if TYPE_CHECKING:
    from dragoman.core import Call, Json


class Acme(Provider):
    """Acme's chat API, as its documentation has it (put the address of yours here)."""

    name = "acme"
    base_url = "https://api.acme.example/v1"
    base_url_env: ClassVar = ("ACME_BASE_URL",)
    key_env: ClassVar = ("ACME_API_KEY",)
    #: "sse" for server-sent events, "ndjson" for lines of JSON.
    framing = "sse"
    endpoints: ClassVar = frozenset({"chat"})

    def encode(self, call: Call) -> Wire:
        """OpenAI's request -> Acme's. Raises `InvalidRequest` for all but chats."""
        if call.endpoint != "chat/completions":
            message = f"{call.provider} has chat completions only, and no {call.endpoint}."
            raise InvalidRequest(message)
        return Wire("/converse", encode_chat(call))

    def decode(self, call: Call, body: Json) -> Json:
        """Acme's answer -> OpenAI's."""
        return decode_answer(call, body)

    def decode_stream(self, call: Call) -> AnswerStream:
        """Make the decoder of one stream, which keeps that stream's state."""
        return AnswerStream(call)

    def decode_error(self, status: int, body: Any) -> Json:
        """Acme's faults -> OpenAI's error object; a proxy's page is read as usual."""
        return decode_fault(body) or super().decode_error(status, body)
