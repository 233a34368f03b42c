"""Find, load, block and explain plugins: providers by name, hooks once.

Entry points of the group `dragoman.providers` name `Provider` subclasses, which are imported only when asked
for; those of the group `dragoman` name modules or objects with `@hookimpl` functions, which are all loaded
when the hooks are first needed. The installed distributions are walked once (`offers` reads them).
"""

from __future__ import annotations

import inspect
import os
import threading
import warnings
from dataclasses import dataclass, replace
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import pluggy

from dragoman.core import hookspecs
from dragoman.core.offers import HOOKS, PROVIDERS, SELECTION, Offer, check_provider, find_offers
from dragoman.core.policy import DragomanWarning
from dragoman.core.provider import Provider, first_env

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    #: A provider's name and the model as the caller wrote it -> who is asked instead.
    StandIn = Callable[[str, str], Provider]

#: Providers whose plugin is the distribution `dragoman-<name>`.
KNOWN = frozenset(
    "anthropic huggingface litellm llamacpp lmstudio mistralai ollama openai together vllm".split()  # noqa: SIM905 (readable)
)

#: What a plugin's code may raise and still hurt only itself: a plugin that calls `sys.exit` is just broken.
_FAILURES = (Exception, SystemExit)

_FUNCTIONS = (FunctionType, MethodType, classmethod, staticmethod)


class _Manager(pluggy.PluginManager):
    """pluggy before 1.7 looks for hooks with `getattr`, which would run a provider's properties."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> pluggy.HookimplOpts | None:
        is_function = isinstance(inspect.getattr_static(plugin, name, None), _FUNCTIONS)
        return super().parse_hookimpl_opts(plugin, name) if is_function else None

    def finds_hooks(self, plugin: object) -> bool:
        return any(self.parse_hookimpl_opts(plugin, name) for name in dir(plugin))


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `dragoman plugins`. `reason` is empty when the state is "ok".

    `key_env` are the environment variables a provider's key is looked for in; `key_found`: whether one is set.
    """

    kind: Literal["provider", "hooks"]
    name: str
    distribution: str
    version: str
    state: Literal["ok", "broken", "blocked", "duplicate"]
    reason: str = ""
    key_env: tuple[str, ...] = ()
    key_found: bool = False


class Plugins:
    """The plugins of one environment. `path` lists folders to search instead of `sys.path`.

    DRAGOMAN_PLUGINS is read, and the distributions are walked, at the first question.
    """

    def __init__(self, path: Sequence[str] | None = None) -> None:
        self._path = path
        self._offers: tuple[Offer, ...] | None = None
        self._providers: dict[str, Offer] = {}
        self._classes: dict[str, type[Provider]] = {}
        self._manager = _Manager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._broken: dict[Offer, str] = {}
        #: Who offers which hooks, by the identity of the module or object.
        self._hooks_of: dict[int, Offer] = {}
        #: Makes the providers that stand in for all others; None: each answers for itself.
        self.stand_in: StandIn | None = None
        self._hooks: Literal["unloaded", "loading", "loaded"] = "unloaded"
        self._lock = threading.RLock()

    def providers(self) -> dict[str, Offer]:
        """Every provider on offer by name, blocked ones too; nothing is imported."""
        self._find()
        return dict(self._providers)

    def has(self, name: str) -> bool:
        """Whether a provider of this name is installed and not blocked; it is not imported."""
        self._find()
        offer = self._providers.get(name)
        return offer is not None and not offer.blocked

    def names(self) -> frozenset[str]:
        """Names of all plugins that are installed, blocked ones too."""
        return frozenset(offer.name for offer in self._find())

    def known(self) -> frozenset[str]:
        """Names of all providers that are installed, blocked ones too, or that we know how to install."""
        self._find()
        return KNOWN | self._providers.keys()

    def provider(self, name: str) -> type[Provider]:
        """Import a provider, once. Raises `UnknownProvider` or `PluginError`, which say what to install or remove.

        The class's own `name` may be another one: instances should be made with `name=`.
        """
        found = self._classes.get(name)
        if found is None:
            found = self._classes[name] = self._load_provider(name)
        return found

    def make(self, name: str, options: Mapping[str, Any]) -> Provider:
        """Make an instance of a provider. Raises `UnknownProvider`, `PluginError`, and any `openai.OpenAIError`."""
        from dragoman.core.errors import OpenAIError, PluginError

        found = self.provider(name)
        try:
            return found(**{"name": name, **options})
        except OpenAIError:
            raise
        except _FAILURES as error:
            offer = self._providers[name]
            check = f"check its {', '.join(sorted(options))}, or " if options else ""
            msg = f"the provider {name!r} of {offer.origin} cannot be made: {_tell(error)}; {check}{offer.repair}"
            raise PluginError(msg) from error

    @property
    def hooks(self) -> pluggy.HookRelay:
        """The hooks; loads the hook plugins the first time. A broken one is left out, with a warning."""
        if self._hooks != "loaded":
            self._load_hooks()
        return self._manager.hook

    def register_hooks(self, plugin: object) -> None:
        """Register an object's `@hookimpl` methods (or a module's functions), if it has any, and only once.

        For provider instances, and for hooks that are not installed. Broken ones are left out, with a warning.
        """
        if not self._manager.finds_hooks(plugin):
            return
        self._load_hooks()
        try:
            self._register(plugin)
        except _FAILURES as error:
            _warn([f"the hooks of {self._owner(plugin)} are left out: {_tell(error)}; upgrade or uninstall it"])

    def add_hooks(self, plugin: object) -> bool:
        """Register an object's hooks; False: they were registered already. Raises `PluginError` for broken ones."""
        from dragoman.core.errors import PluginError

        self._load_hooks()
        if self._manager.is_registered(plugin):
            return False
        try:
            self._register(plugin)
        except (TypeError, pluggy.PluginValidationError) as error:
            msg = f"the hooks of {self._owner(plugin)} cannot be registered: {error}"
            raise PluginError(msg) from error
        return True

    def unregister_hooks(self, plugin: object) -> None:
        """Forget what `register_hooks` registered, if it did."""
        with self._lock:
            if self._manager.is_registered(plugin):
                self._manager.unregister(plugin)

    def describe(self) -> list[Finding]:
        """Import every plugin, each in isolation, and say how it is; for people, so slow is fine."""
        self._load_hooks()
        offers = [rival for offer in self._find() for rival in (offer, *offer.duplicates)]
        offers.sort(key=lambda offer: (offer.group == HOOKS, offer.name))
        return [self._inspect(offer) for offer in offers]

    def _find(self) -> tuple[Offer, ...]:
        with self._lock:
            if self._offers is not None:
                return self._offers
            offers, problems = find_offers(self._path)
            rivals: dict[str, list[Offer]] = {}
            for offer in offers:
                if offer.group == PROVIDERS:
                    rivals.setdefault(offer.name, []).append(offer)
            self._providers = {name: replace(first, duplicates=tuple(rest)) for name, (first, *rest) in rivals.items()}
            self._offers = (*(offer for offer in offers if offer.group == HOOKS), *self._providers.values())
        _warn(problems)
        return self._offers

    def _load_provider(self, name: str) -> type[Provider]:
        from dragoman.core.errors import PluginError

        self._find()
        offer = self._providers.get(name)
        if offer is None or offer.blocked:
            self._refuse(name, offer)
        if offer.duplicates:
            rivals = (offer, *offer.duplicates)
            names = " and ".join(rival.origin for rival in rivals)
            commands = " or ".join(f"pip uninstall {rival.distribution}" for rival in rivals)
            msg = f"{names} offer the same provider {name!r}; keep one of them: {commands}"
            raise PluginError(msg)
        try:
            found = offer.load()
        except _FAILURES as error:
            msg = f"the provider {name!r} of {offer.origin} cannot be imported: {_tell(error)}; {offer.repair}"
            raise PluginError(msg) from error
        return check_provider(offer, found)

    def _refuse(self, name: str, offer: Offer | None) -> NoReturn:
        import difflib

        from dragoman.core.errors import UnknownProvider

        if offer is not None:
            chosen = os.environ.get(SELECTION, "")
            msg = f"the provider {name!r} of {offer.origin} is blocked by {SELECTION}={chosen!r}; change or unset that"
            raise UnknownProvider(msg)
        known = name in KNOWN
        close = difflib.get_close_matches(name, self.known(), 1)
        advice = f"did you mean {close[0]}?" if close else "check the name, or install the plugin that has it"
        if known:
            advice = f"pip install dragoman-{name}"
        installed = ", ".join(sorted(self._providers)) or "none"
        msg = f"no installed plugin offers the provider {name!r} (installed: {installed}); {advice}"
        raise UnknownProvider(msg)

    def _load_hooks(self) -> None:
        installed = self._find()
        with self._lock:
            # A plugin that asks for the hooks while it loads gets those that are there.
            if self._hooks != "unloaded":
                return
            self._hooks = "loading"
            offers = [offer for offer in installed if offer.group == HOOKS and not offer.blocked]
            # pluggy calls the last registered first.
            for offer in sorted(offers, key=lambda offer: (offer.name, offer.distribution), reverse=True):
                try:
                    plugin = offer.load()
                    self._register(plugin)
                except _FAILURES as error:
                    self._broken[offer] = _tell(error)
                else:
                    self._hooks_of[id(plugin)] = offer
            self._hooks = "loaded"
        _warn(
            f"the hooks {offer.name!r} of {offer.origin} are left out: {reason}; {offer.repair}"
            for offer, reason in self._broken.items()
        )

    def _register(self, plugin: Any) -> None:
        if isinstance(plugin, type):
            msg = "hooks are a module or an object, not a class"
            raise TypeError(msg)
        if not self._manager.finds_hooks(plugin):
            msg = "nothing in it is marked with @hookimpl"
            raise TypeError(msg)
        with self._lock:
            if self._manager.is_registered(plugin):
                return
            try:
                self._manager.register(plugin)
                self._manager.check_pending()
            except BaseException:
                # pluggy before 1.7 leaves a plugin half registered.
                self.unregister_hooks(plugin)
                raise

    def _inspect(self, offer: Offer) -> Finding:
        kind: Literal["provider", "hooks"] = "hooks" if offer.group == HOOKS else "provider"
        finding = Finding(kind, offer.name, offer.distribution, offer.version, "ok")
        if offer.blocked:
            return replace(finding, state="blocked", reason=f"blocked by {SELECTION}")
        if offer.group == HOOKS:
            reason = self._broken.get(offer)
            return finding if reason is None else replace(finding, state="broken", reason=reason)
        try:
            key_env = self.provider(offer.name).key_env
            key_found = first_env(key_env) is not None
        except _FAILURES as error:
            rivals = self._providers[offer.name].duplicates
            return replace(finding, state="duplicate" if rivals else "broken", reason=str(error))
        return replace(finding, key_env=key_env, key_found=key_found)

    def offer_of(self, plugin: object) -> Offer | None:
        """What an object with hooks was installed as; None for code that no distribution offers."""
        names = (name for name, found in self._classes.items() if isinstance(plugin, found))
        return self._hooks_of.get(id(plugin)) or next((self._providers[name] for name in names), None)

    def _owner(self, plugin: object) -> str:
        """Whose hooks these are: a distribution where a provider's are, else the name of the code."""
        offer = self.offer_of(plugin)
        if offer is not None:
            return offer.origin
        return getattr(plugin, "__name__", None) or type(plugin).__qualname__


def _tell(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _warn(problems: Iterable[str]) -> None:
    for problem in problems:
        warnings.warn(problem, DragomanWarning, stacklevel=4)


_installed = Plugins()


def plugins() -> Plugins:
    """Return the plugins of this process, which all clients share."""
    return _installed
