"""A store for AutoGen's `ChatCompletionCache` that keeps the answers of different models apart. Needs autogen-core."""

from __future__ import annotations

import copy
from typing import Any, Self, TypeVar

from autogen_core import CacheStore, Component, ComponentModel
from pydantic import BaseModel

T = TypeVar("T")


class ModelStoreConfig(BaseModel):
    """The store behind, and what it adds to the keys."""

    store: ComponentModel
    salt: str


class ModelStore(CacheStore[T], Component[ModelStoreConfig]):  # type: ignore[misc]  # Any, where AutoGen is not installed
    """One model's part of a store.

    `ChatCompletionCache` makes its keys of messages and tools only, so two models that share a store answer for
    each other; here `salt` says which model it is. What is given out is a copy: the cache marks what it found as
    cached, and a store in memory would hand that mark to everybody who holds the first answer.
    """

    component_config_schema = ModelStoreConfig
    component_provider_override = "dragoman.autogen.chat.ModelStore"

    def __init__(self, store: CacheStore[T], salt: str) -> None:
        self._store = store
        self._salt = salt

    def get(self, key: str, default: T | None = None) -> T | None:
        """Return a copy of what this model answered."""
        found: T | None = self._store.get(f"{key}-{self._salt}", default)
        return copy.deepcopy(found)

    def set(self, key: str, value: T) -> None:
        """Keep a copy of what this model answered."""
        self._store.set(f"{key}-{self._salt}", copy.deepcopy(value))

    def _to_config(self) -> ModelStoreConfig:
        return ModelStoreConfig(store=self._store.dump_component(), salt=self._salt)

    @classmethod
    def _from_config(cls, config: ModelStoreConfig) -> Self:
        store: CacheStore[Any] = CacheStore.load_component(config.store)
        return cls(store, config.salt)
