"""What every provider does; OpenAI's tapes are written from its reference."""

import pytest

from dragoman.openai import OpenAI
from dragoman.testing import ProviderSuite


@pytest.mark.rule(222, 223, 224, 225, 226, 227, 230)
class TestOpenAI(ProviderSuite):
    provider = OpenAI
    # The same class at another address assumes less.
    address = "http://api.openai.com/v1"


@pytest.mark.rule(222, 223, 227)
class TestElsewhere(ProviderSuite):
    provider = OpenAI
    tapes = "tapes_elsewhere"
    tells_capabilities = False
