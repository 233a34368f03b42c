"""OpenAI's batch API, and Azure's: https://developers.openai.com/api/docs/guides/batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core import Batches

if TYPE_CHECKING:
    from dragoman.core import Wire


class OpenAIBatches(Batches):
    """One model a batch; the deployment that stands in Azure's paths stands in the body too."""

    def endpoint(self, wire: Wire) -> str:
        """Azure's batches take paths without the deployment, and without a version."""
        if not wire.path.startswith("/deployments/"):
            return super().endpoint(wire)
        path = wire.path.split("/", 3)[3]
        return super().endpoint(type(wire)(f"/{path}", method=wire.method)).removeprefix("/v1")
