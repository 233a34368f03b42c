"""dragoman's prices: the hook `price_of`, answered from the price list of the genai-prices package."""

from dragoman.prices.listed import price_of

__all__ = ["price_of"]
