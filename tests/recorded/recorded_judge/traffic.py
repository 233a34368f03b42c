"""The recordings: which files are judged, by which provider, and how one line is read."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

VARIABLE = "DRAGOMAN_RECORDINGS"
#: The provider that is an instance of the base class, and no plugin's.
COMPATIBLE = "compatible"
Json = dict[str, Any]


@dataclass(frozen=True)
class Family:
    """One provider, the recordings that it shall read, and their wire format.

    `wire` names the reader of the answers: "openai" is passed on as it is, "compatible" is the same with an
    accent. `suffix` is what the provider's base URL has below the host. `native`: of a file with two wire
    formats, the lines of Ollama's own one (True) or the others (False). `options` are the provider's own.
    """

    name: str
    wire: str
    files: tuple[str, ...]
    suffix: str
    model: str
    provider: str = ""
    kind: str = "chat"
    native: bool | None = None
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def provider_name(self) -> str:
        """The plugin's name."""
        return self.provider or self.name

    @property
    def prefix(self) -> str:
        """What the provider is called in a model's name: an instance has a name of the judge's own."""
        return "instance" if self.name == COMPATIBLE or self.options else self.provider_name

    @property
    def plain_body(self) -> bool:
        """Whether answers and requests are OpenAI's own and stay as they are."""
        return self.wire == "openai"

    @property
    def accented(self) -> bool:
        """Whether answers are chats that are put straight, and not rebuilt from another format."""
        return self.wire in {"compatible", "mistral", "ollama"}


_OTHERS = (
    "azure_ai cerebras deepseek fireworks gpustack groq openrouter other_compatible perplexity xai fixtures_alibaba "
    "fixtures_cerebras fixtures_deepseek fixtures_groq fixtures_moonshotai fixtures_openai_compatible "
    "fixtures_openrouter fixtures_perplexity fixtures_xai"
)
_OPENAI = ("openai.jsonl", "azure_openai.jsonl", "fixtures_openai.jsonl", "fixtures_azure_openai.jsonl")
_OLLAMA = ("ollama.jsonl", "fixtures_ollama.jsonl")

#: Another provider is one more row here (and a reader of its answers, unless it speaks one of these wires).
FAMILIES = (
    Family(
        "anthropic",
        "anthropic",
        ("anthropic*.jsonl", "fixtures_anthropic.jsonl"),
        "",
        "claude-sonnet-4-6",
        kind="messages",
    ),
    Family("openai", "openai", _OPENAI, "/v1", "gpt-4o"),
    Family("mistralai", "mistral", ("mistral.jsonl", "fixtures_mistral.jsonl"), "", "mistral-small-latest"),
    Family("together", "compatible", ("together.jsonl",), "/v1", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
    Family("huggingface", "compatible", ("huggingface.jsonl",), "/v1", "meta-llama/Llama-3.3-70B-Instruct"),
    Family("ollama", "ollama", _OLLAMA, "", "qwen3:8b", native=True),
    Family(
        "ollama /v1",
        "compatible",
        _OLLAMA,
        "",
        "qwen3:8b",
        "ollama",
        native=False,
        options=(("openai_endpoint", True),),
    ),
    Family("lmstudio", "compatible", ("lmstudio.jsonl",), "/v1", "qwen3-8b"),
    Family("vllm", "compatible", ("vllm.jsonl",), "/v1", "Qwen/Qwen3-8B"),
    Family("litellm", "compatible", ("litellm.jsonl",), "/v1", "gpt-4o"),
    Family("llamacpp", "compatible", ("llamacpp.jsonl",), "/v1", "qwen3-8b"),
    # Nobody wrote a plugin for these: the base class alone must do.
    Family(COMPATIBLE, "compatible", tuple(f"{name}.jsonl" for name in _OTHERS.split()), "/v1", "some-model"),
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
        return self.status >= HTTPStatus.BAD_REQUEST or (
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
    def address(self) -> str:
        """The model as a client names it: with the provider, because a router's models have slashes of their own."""
        return f"{self.family.prefix}/{self.model}" if self.family.accented else self.model

    @property
    def wants_usage(self) -> bool:
        """Whether the recorded caller asked for usage in the stream; the answer decides where it is unknown."""
        if self.request_body is None:
            return any(event.get("usage") for event in self.events())
        return bool((self.request_body.get("stream_options") or {}).get("include_usage"))

    def events(self) -> list[Json]:
        """The JSON objects of the stream, in order."""
        if self.family.native:
            return [json.loads(line) for line in (self.sse or "").splitlines() if line.strip()]
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
    found = (
        _read(json.loads(line), path.stem, family)
        for family in FAMILIES
        for pattern in family.files
        for path in sorted(root.glob(pattern))
        for line in path.read_text(encoding="utf-8").splitlines()
    )
    return tuple(one for one in found if one.family.native in {None, is_native(one)})


def is_native(exchange: Exchange) -> bool:
    """Whether a line of Ollama's is in its own wire format; of a fixture only the answer tells."""
    if exchange.request is not None:
        return bool(exchange.request["path"].startswith("/api/"))
    body = exchange.body if isinstance(exchange.body, dict) else {}
    return "ndjson" in exchange.line["tags"] or not {"choices", "data"} & body.keys()


def _read(line: Json, file: str, family: Family) -> Exchange:
    response = line["response"]
    return Exchange(
        id=line["id"],
        file=f"{file} (native)" if family.native else file,
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


def others() -> list[Exchange]:
    """The lines of the other endpoints that are judged: vectors, lists of models, old completions."""
    return [line for line in lines() if line.family.accented and line.kind in {"embeddings", "models", "completions"}]


@cache
def missing(provider: str) -> str | None:
    """Why a provider cannot be tried; None if it can."""
    if provider == COMPATIBLE:
        import dragoman.core

        return None if hasattr(dragoman.core, "CompatibleProvider") else "dragoman.core has no CompatibleProvider"
    found = entry_points(group="dragoman.providers", name=provider)
    return None if found else f"the plugin {provider} is not installed"


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
