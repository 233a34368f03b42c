"""What every provider does; Mistral's tapes are written from its documentation."""

from dragoman.mistralai import Mistral
from dragoman.testing import ProviderSuite


class TestMistral(ProviderSuite):
    provider = Mistral
