"""What every provider does; the tapes of llama.cpp's server are written from its documentation."""

import pytest

from dragoman.llamacpp import LlamaCpp
from dragoman.testing import ProviderSuite


@pytest.mark.rule(223, 293, 294, 299)
class TestLlamaCpp(ProviderSuite):
    provider = LlamaCpp
