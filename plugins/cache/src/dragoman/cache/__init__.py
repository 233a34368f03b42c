"""dragoman's cache: answers that were given before, from a SQLite file."""

from dragoman.cache.hooks import caching
from dragoman.cache.store import Store

__all__ = ["Store", "caching"]
