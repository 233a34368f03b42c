"""The server's description for other programs: OpenAPI 3.1, with what the server itself checks.

What a provider makes of the rest of a request is its own affair, so request bodies are open.
"""

from __future__ import annotations

from functools import cache
from importlib import metadata
from typing import Any

from dragoman.server.openapischemas import Schema, ref, schemas

_JSON, _EVENTS = "application/json", "text/event-stream"
_VERSION = {
    "name": "anthropic-version",
    "in": "header",
    "schema": {"type": "string"},
    "description": "Who sends it gets Anthropic's shape, as its SDKs do",
}
_STATUSES = {
    "400": "The request is wrong, or the provider has no equivalent for a parameter",
    "401": "No valid key, or the provider does not take the server's",
    "402": "The provider wants to be paid",
    "403": "The key is not for this model, or the server has no keys and was asked by another machine's name",
    "404": "Nobody serves the model, or it is not for this key",
    "408": "The body took too long",
    "409": "The provider is busy with the same thing",
    "413": "The body is larger than `max_body_bytes`",
    "415": "The body is compressed",
    "422": "The provider cannot process the request",
    "429": "Too many requests or tokens; `retry-after` says in how many seconds there is room again",
    "500": "The provider's key is missing, or the server or the provider failed",
    "502": "The provider failed, or sent what cannot be read",
    "503": "The server is shutting down, or the provider cannot answer now",
    "504": "The provider took too long",
    "529": "The provider is overloaded",
}
_REQUEST_ID = {"x-request-id": {"description": "The request's id, for logs", "schema": {"type": "string"}}}
_SECONDS = {"description": "Seconds to wait", "schema": {"type": "string"}}


def _answer(description: str, *schemas: str, **headers: Any) -> Schema:
    either = [ref(schema) for schema in schemas]
    content = {_JSON: {"schema": {"anyOf": either} if either[1:] else either[0]}}
    return {"description": description, "headers": {**_REQUEST_ID, **headers}, "content": content}


def _failure(status: str, *schemas: str) -> Schema:
    more = {"retry-after": _SECONDS} if status in {"429", "503"} else {}
    return _answer(_STATUSES[status], *schemas, **more)


def _failures(*statuses: str, dialect: str = "") -> Schema:
    """Refer to failures in OpenAI's shape, in that of another dialect, or in either, as `anthropic-version` has it."""
    return {status: {"$ref": f"#/components/responses/{dialect}{status}"} for status in statuses or _STATUSES}


def _asks(name: str, summary: str, schemas: str, *, streams: bool = False, dialect: str = "") -> Schema:
    """Describe a POST; `schemas` names that of the request and that of the answer."""
    asked, answer = schemas.split(" -> ")
    whole = _answer("The answer", answer)
    if streams:
        whole["content"][_EVENTS] = {"schema": ref("Event")}
    body = {"required": True, "content": {_JSON: {"schema": ref(asked)}}}
    responses = {"200": whole, **_failures(dialect=dialect)}
    return {"post": {"operationId": name, "summary": summary, "requestBody": body, "responses": responses}}


def _gets(name: str, summary: str, answers: Schema, **more: Any) -> Schema:
    return {"get": {"operationId": name, "summary": summary, **more, "responses": answers}}


def _status(name: str, summary: str) -> Schema:
    content = {_JSON: {"schema": ref("Status")}}
    return _gets(name, summary, {"200": {"description": "It does", "content": content}}, security=[])


def _paths() -> Schema:
    name = {"name": "model", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    one = _gets(
        "getModel",
        "One model",
        {"200": _answer("The model", "Model"), **_failures(dialect="Either")},
        parameters=[{**name, "description": "Its name; slashes may stand as they are"}, _VERSION],
    )
    text = {"description": "The page", "content": {"text/plain": {"schema": {"type": "string"}}}}
    page = {"description": "The page", "content": {"text/html": {"schema": {"type": "string"}}}}
    listed = {
        "200": _answer("The models", "Models"),
        **_failures("400", "401", "403", "429", "500", "504", dialect="Either"),
    }
    told = {"description": "This description", "content": {_JSON: {"schema": {"type": "object"}}}}
    return {
        "/v1/chat/completions": _asks(
            "createChatCompletion", "Chat with a model", "ChatRequest -> ChatCompletion", streams=True
        ),
        "/v1/embeddings": _asks("createEmbedding", "Embed texts", "EmbeddingRequest -> Embeddings"),
        "/v1/responses": _asks("createResponse", "OpenAI's Responses", "ResponseRequest -> Response", streams=True),
        "/v1/messages": _asks(
            "createMessage", "Anthropic's Messages", "MessageRequest -> Message", streams=True, dialect="Messages"
        ),
        "/v1/messages/count_tokens": _asks(
            "countTokens", "A prompt's tokens, by the provider's count", "CountRequest -> Count", dialect="Messages"
        ),
        "/v1/models": _gets("listModels", "Models that the caller may use", listed, parameters=[_VERSION]),
        "/v1/models/{model}": one,
        "/health/liveness": _status("liveness", "Whether the process answers"),
        "/health/readiness": _status("readiness", "Whether it takes requests"),
        "/metrics": _gets("metrics", "For Prometheus", {"200": text, **_failures("401", "403")}),
        "/": _gets(
            "page",
            "A page to try models on, where the settings have one",
            {"200": page, **_failures("404")},
            security=[],
        ),
        "/openapi.json": _gets("openapi", "This description", {"200": told}, security=[]),
    }


@cache
def describe(*, keys: bool) -> Schema:
    """Return the description of a server; `keys`: whether its clients need one."""
    schemes = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "header": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    }
    found: Schema = {
        "openapi": "3.1.0",
        "info": {
            "title": "dragoman",
            "version": metadata.version("dragoman-server"),
            "description": "Every provider behind one OpenAI-compatible server. All of /v1 is served without it too.",
        },
        "paths": _paths(),
        "components": {
            "responses": {
                **{status: _failure(status, "Error") for status in _STATUSES},
                **{f"Messages{status}": _failure(status, "MessageError") for status in _STATUSES},
                **{f"Either{status}": _failure(status, "Error", "MessageError") for status in _STATUSES},
            },
            "schemas": schemas(),
        },
    }
    if keys:
        found["security"] = [{name: []} for name in schemes]
        found["components"]["securitySchemes"] = schemes
    return found
