"""What every provider does; Ollama's tapes are written from its documentation, for both of its interfaces."""

from typing import ClassVar

import pytest

from dragoman.ollama import Ollama
from dragoman.testing import ProviderSuite


@pytest.mark.rule(14, 17, 18, 247, 248, 250, 253, 254)
class TestOllama(ProviderSuite):
    provider = Ollama


@pytest.mark.rule(14, 17, 18, 237, 250, 251, 254)
class TestOpenAIEndpoint(ProviderSuite):
    provider = Ollama
    tapes = "tapes_v1"
    tells_capabilities = False
    options: ClassVar = {"openai_endpoint": True}
