"""What every provider does; Ollama's tapes are written from its documentation, for both of its interfaces."""

from typing import ClassVar

from dragoman.ollama import Ollama
from dragoman.testing import ProviderSuite


class TestOllama(ProviderSuite):
    provider = Ollama


class TestOpenAIEndpoint(ProviderSuite):
    provider = Ollama
    tapes = "tapes_v1"
    tells_capabilities = False
    options: ClassVar = {"openai_endpoint": True}
