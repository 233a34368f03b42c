"""The server's description for other programs: OpenAPI 3.1, with what the server itself checks.

What a provider makes of the rest of a request is its own affair, so request bodies are open.
"""

from __future__ import annotations

from importlib import metadata
from typing import Any

_MODEL = {"type": "string", "minLength": 1, "description": "`provider/model`, or a name of the configuration's"}
_VERSION = {
    "name": "anthropic-version",
    "in": "header",
    "schema": {"type": "string"},
    "description": "Who sends it gets Anthropic's shape, as its SDKs do",
}
_ERRORS = {
    "400": "The request is wrong, or the provider has no equivalent for a parameter",
    "401": "No valid key",
    "403": "The key is not for this model, or the server has no keys and was asked by another machine's name",
    "404": "Nobody serves the model",
    "408": "The body took too long",
    "413": "The body is too large",
    "415": "The body is compressed",
    "422": "The provider cannot process the request",
    "429": "Too many requests; `retry-after` says when to come again",
    "500": "The provider's key is missing, or the server failed",
    "502": "The provider failed, or sent what cannot be read",
    "503": "The server is shutting down, or the provider cannot answer now",
    "504": "The provider took too long",
}


def _answer(description: str, schema: str, media: str = "application/json") -> dict[str, Any]:
    return {"description": description, "content": {media: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}


def _failures(*statuses: str) -> dict[str, Any]:
    return {status: {"$ref": f"#/components/responses/{status}"} for status in statuses}


_ASKED = _failures(*_ERRORS)


def _asks(name: str, summary: str, required: list[str], answer: str, *, streams: bool = False) -> dict[str, Any]:
    whole = _answer("The answer", answer)
    properties: dict[str, Any] = {"model": _MODEL}
    if streams:
        whole["content"]["text/event-stream"] = {"schema": {"type": "string"}}
        properties["stream"] = {"type": ["boolean", "null"]}
    if "messages" in required:
        properties["messages"] = {"type": "array", "items": {"type": "object"}}
    schema = {"type": "object", "required": required, "properties": properties}
    return {
        "post": {
            "operationId": name,
            "summary": summary,
            "security": [{"key": []}, {}],
            "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
            "responses": {"200": whole, **_ASKED},
        }
    }


def _gets(name: str, summary: str, answers: dict[str, Any], *, open_to_all: bool = True) -> dict[str, Any]:
    security: dict[str, Any] = {} if open_to_all else {"security": [{"key": []}, {}]}
    return {"get": {"operationId": name, "summary": summary, **security, "responses": answers}}


def _describe() -> dict[str, Any]:
    one = _gets("getModel", "One model", {"200": _answer("The model", "Model"), **_ASKED}, open_to_all=False)
    name = {"name": "model", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    one["parameters"] = [{**name, "description": "Its name; slashes may stand as they are"}, _VERSION]
    text = {"description": "The page", "content": {"text/plain": {"schema": {"type": "string"}}}}
    page = {"description": "The page", "content": {"text/html": {"schema": {"type": "string"}}}}
    status = _answer("How it is", "Status")
    listed = {"200": _answer("The models", "Models"), **_failures("400", "401", "403", "429", "500", "504")}
    models = _gets("listModels", "Models that the caller may use", listed, open_to_all=False)
    models["parameters"] = [_VERSION]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "dragoman",
            "version": metadata.version("dragoman-server"),
            "description": "Every provider behind one OpenAI-compatible server. All of /v1 is served without it too.",
        },
        "paths": {
            "/v1/chat/completions": _asks(
                "createChatCompletion", "Chat with a model", ["model", "messages"], "ChatCompletion", streams=True
            ),
            "/v1/embeddings": _asks("createEmbedding", "Embed texts", ["model", "input"], "Object"),
            "/v1/responses": _asks("createResponse", "OpenAI's Responses", ["model", "input"], "Object", streams=True),
            "/v1/messages": _asks(
                "createMessage", "Anthropic's Messages", ["model", "messages", "max_tokens"], "Message", streams=True
            ),
            "/v1/messages/count_tokens": _asks(
                "countTokens", "A prompt's tokens, by the provider's count", ["model", "messages"], "Count"
            ),
            "/v1/models": models,
            "/v1/models/{model}": one,
            "/health/liveness": _gets("liveness", "Whether the process answers", {"200": status}),
            "/health/readiness": _gets("readiness", "Whether it takes requests", {"200": status}),
            "/": _gets(
                "page", "A page to try models on, where the settings have one", {"200": page, **_failures("404")}
            ),
            "/metrics": _gets("metrics", "For Prometheus", {"200": text, **_failures("401", "403")}, open_to_all=False),
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "responses": {status: _answer(said, "Error") for status, said in _ERRORS.items()},
            "schemas": _schemas(),
        },
    }


def _schemas() -> dict[str, Any]:
    text = {"type": ["string", "null"]}
    error = {
        "message": {"type": "string"},
        "type": text,
        "param": text,
        "code": {"type": ["string", "integer", "null"]},
    }
    models = {"type": "array", "items": {"$ref": "#/components/schemas/Model"}}
    model = {"id": {"type": "string"}, "object": {"const": "model"}, "owned_by": {"type": "string"}}
    return {
        "Object": {"type": "object"},
        "Status": _object({"status": {"type": "string"}}, "status"),
        "Error": _object({"error": _object(error, "message")}, "error"),
        "Model": {
            "anyOf": [
                _object({**model, "created": {"type": "integer"}}, "id", "object"),
                _object({"type": {"const": "model"}, "id": {"type": "string"}}, "id", "type"),
            ]
        },
        "Models": {
            "anyOf": [
                _object({"object": {"const": "list"}, "data": models}, "object", "data"),
                _object({"has_more": {"type": "boolean"}, "data": models}, "has_more", "data"),
            ]
        },
        "Message": _object(
            {"type": {"const": "message"}, "content": {"type": "array", "items": {"type": "object"}}}, "type", "content"
        ),
        "Count": _object({"input_tokens": {"type": "integer"}}, "input_tokens"),
        "ChatCompletion": _object(
            {"object": {"const": "chat.completion"}, "choices": {"type": "array", "items": {"type": "object"}}},
            "choices",
        ),
    }


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}


DESCRIPTION: dict[str, Any] = _describe()
