"""Images and files for a message: as data URLs, or for images as the web address they were given by.

Shapes: https://platform.openai.com/docs/guides/images-vision and https://platform.openai.com/docs/guides/pdf-files
"""

from __future__ import annotations

from base64 import b64encode
from mimetypes import MimeTypes
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from dragoman.core.provider import Json

#: MiB; no provider takes more in one part of a request, and most take less.
LIMIT = 20
_MIB = 1 << 20

#: What vision models read; the system's own tables differ from machine to machine.
_IMAGES = {
    ".gif": "image/gif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}


def image_part(name: str) -> Json:
    """Make the content part for an image: a file, or an address that begins with http."""
    if name.startswith(("http://", "https://")):
        return {"type": "image_url", "image_url": {"url": name}}
    kind = _IMAGES.get(Path(name).suffix.lower())
    if kind is None:
        message = f"{name} is no image that models read: its name must end in {', '.join(sorted(_IMAGES))}"
        raise click.UsageError(message)
    return {"type": "image_url", "image_url": {"url": _data_url(name, kind)}}


def file_part(name: str) -> Json:
    """Make the content part for a file; which kinds are read depends on the model (PDF mostly)."""
    kind = MimeTypes(()).guess_type(name)[0] or "application/octet-stream"
    return {"type": "file", "file": {"filename": Path(name).name, "file_data": _data_url(name, kind)}}


def _data_url(name: str, kind: str) -> str:
    path = Path(name)
    try:
        size = path.stat().st_size
        if size > LIMIT * _MIB:
            message = f"{name} has {size / _MIB:.1f} MiB; at most {LIMIT} MiB can be attached"
            raise click.UsageError(message)
        content = path.read_bytes()
    except OSError as error:
        message = f"{name} cannot be read: {error.strerror}"
        raise click.UsageError(message) from error
    return f"data:{kind};base64,{b64encode(content).decode()}"
