"""Lines of the input -> requests, and results -> lines of the output: OpenAI's batch files, and shorter forms of them.

https://platform.openai.com/docs/api-reference/batch/request-input and `…/request-output`.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from dragoman.batch.records import CHAT_URL, URLS, BadLine, Request, Result
from dragoman.core import encode_lenient

if TYPE_CHECKING:
    from dragoman.core import Json

#: Bytes of a line, and characters of a `custom_id`.
LONGEST_LINE, LONGEST_ID = 64 * 1024 * 1024, 512
#: What a body must have besides its model -> what it must be.
_NEEDS: dict[str, tuple[str, tuple[type, ...]]] = {
    CHAT_URL: ("messages", (list,)),
    "/v1/embeddings": ("input", (list, str)),
    "/v1/responses": ("input", (list, str)),
}
_decode = msgspec.json.Decoder().decode


class _RefusedError(Exception):
    """Why a line cannot be asked: code and reason."""


def _refuse(code: str, reason: str) -> NoReturn:
    raise _RefusedError(code, reason)


def read_line(text: bytes | None, number: int, model: str = "") -> Request | BadLine | None:
    """Read one line, whose number is `number`; None: it is empty. `text` None: it is longer than `LONGEST_LINE`.

    `model` is for bodies without one. A chat body that stands alone is named by its line: `line-7`.
    """
    if text is None:
        return BadLine(number, "invalid_json", f"is longer than {LONGEST_LINE // 1024**2} MiB")
    if number == 1:
        text = text.removeprefix(b"\xef\xbb\xbf")
    if not text or text.isspace():
        return None
    try:
        found = _read(text)
    except ValueError as exception:
        return BadLine(number, "invalid_json", f"is not JSON: {exception}")
    return read_request(found, number, model, len(text))


def read_request(found: Any, number: int, model: str = "", size: int = 0) -> Request | BadLine:
    """Read a request out of the object that stands for it."""
    custom_id = found.get("custom_id") if isinstance(found, dict) else None
    try:
        return _request(found, number, model, size)
    except _RefusedError as refusal:
        code, reason = refusal.args
        known = custom_id if isinstance(custom_id, str) and len(custom_id) <= LONGEST_ID else ""
        return BadLine(number, code, reason, known)


def _read(text: bytes) -> Any:
    try:
        return _decode(text)
    except msgspec.DecodeError as exception:
        try:
            # This reads what other programs write now and then: half a character, an integer of any size.
            return json.loads(text)
        except (ValueError, RecursionError):
            raise ValueError(str(exception)) from None
    except RecursionError:
        message = "it is nested too deeply"
        raise ValueError(message) from None


def _request(found: Any, number: int, model: str, size: int) -> Request:
    if not isinstance(found, dict):
        _refuse("invalid_request", f"is {_kind(found)}, and must be an object with custom_id and body")
    if "body" not in found and "messages" in found:
        body: Any = dict(found)
        custom_id, url = _custom_id(body.pop("custom_id", f"line-{number}")), CHAT_URL
    else:
        custom_id, url, body = _custom_id(found.get("custom_id")), _url(found), found.get("body")
    if not isinstance(body, dict):
        _refuse("invalid_request", f"has {_kind(body)} for a body, which must be an object")
    if not body.get("model") and model:
        body = {**body, "model": model}
    _check_body(body, url)
    return Request(custom_id, body, url, number, size)


def _custom_id(value: Any) -> str:
    if value is None or value == "":
        _refuse("missing_custom_id", "has no custom_id")
    if not isinstance(value, str):
        _refuse("missing_custom_id", f"has {_kind(value)} for a custom_id, which must be a text")
    if len(value) > LONGEST_ID:
        _refuse("missing_custom_id", f"has a custom_id of more than {LONGEST_ID} characters")
    return value


def _url(found: Json) -> str:
    method, url = found.get("method", "POST"), found.get("url", CHAT_URL)
    if not isinstance(method, str) or method.upper() != "POST":
        _refuse("invalid_request", "has another method than POST")
    if isinstance(url, str) and url in URLS:
        return url
    _refuse("unknown_endpoint", f"has a url that is none of {', '.join(URLS)}")


def _check_body(body: Json, url: str) -> None:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        _refuse("invalid_request", "has no model in its body, and -m gives none")
    name, kinds = _NEEDS[url]
    if not isinstance(body.get(name), kinds):
        wanted = " or ".join(_kind(kind()) for kind in kinds)
        _refuse("invalid_request", f"has no {name} in its body, which must be {wanted}")
    if body.get("stream"):
        _refuse("invalid_request", "asks for a stream, which a batch has not; leave stream out")


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    names = {dict: "an object", list: "a list", str: "a text", int: "a number", float: "a number"}
    return names.get(type(value), "something else")


def output_line(result: Result) -> bytes:
    """Write an answer, or what went wrong with a request, as OpenAI's output and error files do; with its newline."""
    head = b'{"id":"batch_req_%b","custom_id":%b' % (secrets.token_hex(12).encode(), encode_lenient(result.custom_id))
    if result.content and result.status:
        request_id = encode_lenient(result.request_id)
        response = b'{"status_code":%d,"request_id":%b,"body":%b}' % (result.status, request_id, result.content)
        where = b"" if result.ok else b',"line":%d' % result.line
        return b'%b,"response":%b,"error":null%b}\n' % (head, response, where)
    error = {"code": "unknown", "message": "", **(result.error or {}), "line": result.line}
    return b'%b,"response":null,"error":%b}\n' % (head, encode_lenient({key: error[key] for key in sorted(error)}))


def refusal_of(bad: BadLine) -> Result:
    """Make a result of a line that could not be asked."""
    message = f"line {bad.line} {bad.reason}"
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": bad.code}
    return Result(bad.custom_id, bad.line, error=error)


def bad_line(bad: BadLine) -> bytes:
    """Write a line that could not be asked into the error file; with its newline."""
    error = {"code": bad.code, "line": bad.line, "message": f"line {bad.line} {bad.reason}"}
    custom_id = bad.custom_id or None
    return encode_lenient({"id": None, "custom_id": custom_id, "response": None, "error": error}) + b"\n"
