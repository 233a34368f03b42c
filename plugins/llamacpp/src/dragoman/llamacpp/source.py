"""From the name of a model to its file, or to the repository that the engine shall load it from."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dragoman.llamacpp.rehearsal import demo_model_path

if TYPE_CHECKING:
    from dragoman.core import Json

#: The name of the rehearsal model.
DEMO = "demo"
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+(?::[\w.-]+)?")
_MAGIC = b"GGUF"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model is: a file, or a Hugging Face repository (`org/repo[:quant]`)."""

    path: str = ""
    repository: str = ""


class EngineError(Exception):
    """The engine cannot answer: an HTTP status and OpenAI's error object, as its server would send them."""

    def __init__(
        self, status: int, message: str, *, kind: str = "invalid_request_error", code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error: Json = {"code": code or status, "message": message, "type": kind}


def find_source(model: str) -> Source:
    """Return where `model` is; raises `EngineError` (404) if it is nowhere. Nothing is fetched here."""
    if model == DEMO:
        return Source(path=str(demo_model_path()))
    path = Path(model).expanduser()
    if path.is_file():
        return Source(path=str(_checked(path)))
    if _is_path(model):
        message = (
            f"There is no model file {model!r}; give the path of a .gguf file, a Hugging Face repository or 'demo'."
        )
        raise EngineError(404, message, code="model_not_found")
    if not _REPOSITORY.fullmatch(model):
        message = (
            f"{model!r} is no model; give the path of a .gguf file, a Hugging Face repository (org/repo) or 'demo'."
        )
        raise EngineError(404, message, code="model_not_found")
    if os.environ.get("DRAGOMAN_OFFLINE", "") not in {"", "0"}:
        message = (
            f"DRAGOMAN_OFFLINE is set, so {model!r} is not downloaded; unset it, or give the path of a .gguf file."
        )
        raise EngineError(404, message, code="model_not_found")
    return Source(repository=model)


def _is_path(model: str) -> bool:
    """Whether the user means a file, be it there or not: those names never become a download."""
    return model.lower().endswith(".gguf") or model.startswith(("/", ".", "~", "\\")) or model[1:3] in {":\\", ":/"}


def _checked(path: Path) -> Path:
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) == _MAGIC:
            return path
    message = f"{str(path)!r} is not a GGUF file; llama.cpp loads no other format."
    raise EngineError(400, message, code="model_not_found")
