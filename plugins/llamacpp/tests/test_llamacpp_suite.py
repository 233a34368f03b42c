"""What every provider does; the tapes of llama.cpp's server are written from its documentation."""

from dragoman.llamacpp import LlamaCpp
from dragoman.testing import ProviderSuite


class TestLlamaCpp(ProviderSuite):
    provider = LlamaCpp
