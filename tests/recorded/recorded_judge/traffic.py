"""The recordings: which files are judged, by which provider, and how one line is read."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

VARIABLE = "DRAGOMAN_RECORDINGS"
Json = dict[str, Any]


@dataclass(frozen=True)
class Family:
    """One wire format, the recordings that speak it, and the provider that shall read them.

    `suffix` is what the provider's base URL has below the host; `path` where its requests arrive.
    """

    provider: str
    kind: str
    files: tuple[str, ...]
    suffix: str
    path: str
    model: str
    plain_body: bool = False


#: Another provider is one more row here (and a reader of its answers, unless they are OpenAI's own shape).
FAMILIES = (
    Family(
        "anthropic",
        "messages",
        ("anthropic*.jsonl", "fixtures_anthropic.jsonl"),
        "",
        "/v1/messages",
        "claude-sonnet-4-6",
    ),
    Family(
        "openai",
        "chat",
        ("openai.jsonl", "azure_openai.jsonl", "fixtures_openai.jsonl", "fixtures_azure_openai.jsonl"),
        "/v1",
        "/v1/chat/completions",
        "gpt-4o",
        plain_body=True,
    ),
)


@dataclass(frozen=True)
class Exchange:
    """One recorded line."""

    id: str
    file: str
    family: Family
    kind: str
    request: Json | None
    status: int
    headers: Json
    body: Any
    sse: str | None
    #: The line as it stands: what the replay server serves.
    line: Json

    def __repr__(self) -> str:
        """The id is enough to find the rest."""
        return self.id

    @property
    def streamed(self) -> bool:
        """Whether the answer is a stream."""
        return self.sse is not None

    @property
    def failed(self) -> bool:
        """Whether the provider refused: by its status, or by an error in place of the answer (gateways do that)."""
        return self.status >= 400 or (
            isinstance(self.body, dict) and bool(self.body.get("error")) and "id" not in self.body
        )

    @property
    def request_body(self) -> Json | None:
        """What was asked, where the recording has it."""
        return None if self.request is None else self.request["body"]

    @property
    def model(self) -> str:
        """The model that was asked; any of the provider's where the recording does not say."""
        return (self.request_body or {}).get("model") or self.family.model

    @property
    def wants_usage(self) -> bool:
        """Whether the recorded caller asked for usage in the stream; the answer decides where it is unknown."""
        if self.request_body is None:
            return any(event.get("usage") for event in self.events())
        return bool((self.request_body.get("stream_options") or {}).get("include_usage"))

    def events(self) -> list[Json]:
        """The JSON objects of the stream, in order."""
        return [json.loads(data) for data in sse_data(self.sse or "") if data.startswith("{")]


def sse_data(text: str) -> list[str]:
    """The data of each event. Enough for what was recorded; dragoman's own parser knows the whole grammar."""
    blocks = text.replace("\r\n", "\n").replace("\r", "\n").split("\n\n")
    parts = ([line[5:].removeprefix(" ") for line in block.split("\n") if line.startswith("data:")] for block in blocks)
    return ["\n".join(lines) for lines in parts if lines]


def folder() -> Path | None:
    """Where the recordings are; None if the environment does not say."""
    value = os.environ.get(VARIABLE, "").strip()
    return Path(value) if value else None


@cache
def lines() -> tuple[Exchange, ...]:
    """Every line of the judged files, those of other kinds included."""
    root = folder()
    if root is None:
        return ()
    return tuple(
        _read(json.loads(line), path.stem, family)
        for family in FAMILIES
        for pattern in family.files
        for path in sorted(root.glob(pattern))
        for line in path.read_text(encoding="utf-8").splitlines()
    )


def _read(line: Json, file: str, family: Family) -> Exchange:
    response = line["response"]
    return Exchange(
        id=line["id"],
        file=file,
        family=family,
        kind=line["kind"],
        request=line.get("request"),
        status=response["status"],
        headers=response["headers"],
        body=response["body"],
        sse=response["sse"],
        line=line,
    )


def judged() -> list[Exchange]:
    """The lines of the kinds that are judged."""
    return [line for line in lines() if line.kind == line.family.kind]


def replay_server(exchanges: Json) -> Any:
    """Make a server from the recordings' own `replay.py`; `exchanges`: id -> line."""
    root = folder()
    spec = importlib.util.spec_from_file_location("recorded_replay", (root or Path()) / "replay.py")
    if root is None or spec is None or spec.loader is None:
        message = f"no replay.py: {VARIABLE} is {root}"
        raise RuntimeError(message)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    # Head and body leave in two small packets; without this each answer may wait for a delayed ACK.
    module.Handler.disable_nagle_algorithm = True
    return module.ReplayServer(exchanges)
