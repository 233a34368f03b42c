"""Vendors on loopback, and what runs the engine at them."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from engine_lab import Run
from vendor_lab import VENDORS, Vendor

from dragoman.core.policy import forget_warnings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials of the developer's."""
    for name in ("OPENAI", "ANTHROPIC", "MISTRAL", "TOGETHER"):
        monkeypatch.delenv(f"{name}_API_KEY", raising=False)
        monkeypatch.delenv(f"{name}_BASE_URL", raising=False)
    forget_warnings()


def serve(vendor: Vendor) -> Iterator[Vendor]:
    thread = threading.Thread(target=vendor.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield vendor
    vendor.shutdown()
    thread.join()
    vendor.server_close()


@pytest.fixture(params=VENDORS, ids=lambda kind: kind.name)
def vendor(request: pytest.FixtureRequest) -> Iterator[Vendor]:
    """Each of the four, one after the other."""
    yield from serve(request.param())


@pytest.fixture
def serving() -> Iterator[Callable[[type[Vendor]], Any]]:
    """Serve one kind of vendor."""
    running: list[Iterator[Vendor]] = []

    def start(kind: type[Vendor]) -> Any:
        running.append(serve(kind()))
        return next(running[-1])

    yield start
    for one in running:
        next(one, None)


@pytest.fixture
def run(vendor: Vendor, tmp_path: Path) -> Run:
    """Run the engine at each of the vendors."""
    return Run(vendor, tmp_path)


@pytest.fixture
def run_at(serving: Callable[[type[Vendor]], Vendor], tmp_path: Path) -> Callable[[type[Vendor]], Run]:
    """Run the engine at one kind of vendor."""
    return lambda kind: Run(serving(kind), tmp_path)
