"""All checks of a provider, in one class to subclass."""

from __future__ import annotations

import pytest

from dragoman.testing.capabilities import CapabilityChecks
from dragoman.testing.failures import FailureChecks
from dragoman.testing.histories import HistoryChecks
from dragoman.testing.network import NetworkChecks
from dragoman.testing.streams import StreamChecks
from dragoman.testing.translation import TranslationChecks


# What is adapted or left out at a tape's wish is said once per process, and is no fault of the provider.
@pytest.mark.filterwarnings("ignore::dragoman.core.DragomanWarning")
class ProviderSuite(TranslationChecks, StreamChecks, FailureChecks, HistoryChecks, NetworkChecks, CapabilityChecks):
    """Proves a provider from its tapes: subclass it in a test file, and name the provider's class.

    The tapes are the JSON files of the folder `tapes` beside the test file: see `dragoman.testing.tapes.Tape`.
    What the provider is known to do wrong is named in `known_failures`, with the reason; nothing else switches
    a check off.
    """

    def __init_subclass__(cls) -> None:
        """Refuse what would switch a check off unseen."""
        super().__init_subclass__()
        checks = {name for name in dir(ProviderSuite) if name.startswith("test_")}
        if replaced := sorted(checks & set(vars(cls))):
            msg = f"{cls.__name__} replaces {', '.join(replaced)}: name it in `known_failures`, with the reason"
            raise TypeError(msg)
        if unknown := sorted({name.partition("[")[0] for name in cls.known_failures} - checks):
            msg = f"{cls.__name__}.known_failures: there is no check called {', '.join(unknown)}"
            raise TypeError(msg)
