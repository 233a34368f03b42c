"""Counters for Prometheus, in a registry of their own; of all workers together where there are several.

Names of models are labels only of requests that a provider has answered: clients must not be able to make new ones.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, exposition, multiprocess

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.server.records import Record

#: The folder that workers share; `prometheus_client` reads the variable itself, when it is imported.
SHARED = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
#: Of endpoints that are served only where they are named, and of paths that are no endpoint.
_OTHER = "other"
_KNOWN = frozenset(
    {
        "audio/speech",
        "audio/transcriptions",
        "audio/translations",
        "chat/completions",
        "completions",
        "embeddings",
        "images/edits",
        "images/generations",
        "messages",
        "messages/count_tokens",
        "models",
        "moderations",
        "responses",
    }
)
#: More models than a server has; what comes after has no name of its own.
_MODELS = 1000
_FAILED = 400


class Metrics:
    """Counts requests, tokens, seconds, open streams and failures."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        made: dict[str, Any] = {"registry": self.registry}
        answered = ["endpoint", "provider", "model"]
        self.requests = Counter("dragoman_requests", "Requests answered", [*answered, "status"], **made)
        self.tokens = Counter(
            "dragoman_tokens", "Tokens, by the providers' counts", ["provider", "model", "kind"], **made
        )
        self.seconds = Histogram(
            "dragoman_request_seconds",
            "Until an answer's last byte",
            ["endpoint", "provider"],
            buckets=_SECONDS,
            **made,
        )
        self.first = Histogram(
            "dragoman_first_token_seconds", "Until a stream's first piece", ["provider"], buckets=_SECONDS, **made
        )
        self.errors = Counter("dragoman_errors", "Failures by class", ["endpoint", "provider", "kind"], **made)
        live = {"multiprocess_mode": "livesum", **made}
        self.streams = Gauge("dragoman_open_streams", "Streams that are open", **live)
        self.open = Gauge("dragoman_requests_in_progress", "Requests that are being answered", **live)
        self._children: dict[tuple[object, ...], Any] = {}
        self._models: set[str] = set()

    def count(self, record: Record) -> None:
        """Count a request that has ended."""
        endpoint = record.endpoint if record.endpoint in _KNOWN else _OTHER
        provider, status = record.provider, str(499 if record.gone else record.status)
        model = self._model(record)
        self._child(self.requests, endpoint, provider, model, status).inc()
        self._child(self.seconds, endpoint, provider).observe(record.seconds)
        if record.first_piece is not None:
            self._child(self.first, provider).observe(record.first_piece - record.started)
        if (tokens := record.tokens()) is not None:
            for kind, count in zip(("prompt", "completion"), tokens, strict=True):
                self._child(self.tokens, provider, model, kind).inc(count)
        if record.failure is not None:
            self._child(self.errors, endpoint, provider, record.failure.kind).inc()

    def _model(self, record: Record) -> str:
        call = record.call
        if call is None or record.status >= _FAILED or not call.model:
            return ""
        # JSON may have half a character, which no page can be written with.
        model = call.model.encode("utf-8", "replace").decode()
        if model not in self._models and len(self._models) >= _MODELS:
            return _OTHER
        self._models.add(model)
        return model

    def _child(self, metric: Any, *labels: str) -> Any:
        """Return the counter of these labels; `labels()` would check and lock each time."""
        key = (metric, labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return child

    def text(self, accept: str) -> tuple[str, bytes]:
        """Return the type and the text of the page that Prometheus reads."""
        registry = self.registry
        if os.environ.get(SHARED):
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library's own
        write: Callable[[Any], bytes]
        write, kind = exposition.choose_encoder(accept)
        return kind, write(registry)
