"""What `dragoman doctor` makes of what it found: which keys are set, which plugins are ready, what to do next."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dragoman.core.cli.failures import AUTH, OK, PROVIDER, USAGE
from dragoman.core.cli.loopback import read_address
from dragoman.core.cli.servers import PRODUCTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dragoman.core.cli.loopback import Address
    from dragoman.core.cli.servers import Elsewhere, Server
    from dragoman.core.plugins import Finding

#: Where the providers that we know look for a key; a plugin need not be installed for its key to be there.
KEYS = {
    "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    "huggingface": ("HF_TOKEN",),
    "litellm": ("LITELLM_API_KEY",),
    "lmstudio": ("LM_API_TOKEN",),
    "mistralai": ("MISTRAL_API_KEY",),
    "ollama": ("OLLAMA_API_KEY",),
    "openai": ("OPENAI_API_KEY",),
    "together": ("TOGETHER_API_KEY",),
    "vllm": ("VLLM_API_KEY",),
}
_VARIABLES = {product.plugin: product.variable for product in PRODUCTS}
#: A shorter value may be a word or a guessable password: nothing of it is shown.
_LONG = 20
_TAIL = 4


@dataclass(frozen=True, slots=True)
class Key:
    """A key that is set; `hint` is its end, or empty."""

    variable: str
    hint: str
    providers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """A plugin, and whether a provider has all that it needs."""

    finding: Finding
    ready: bool
    text: str
    #: Whether a key is all that it lacks.
    lacks_key: bool = False


@dataclass(frozen=True, slots=True)
class Health:
    """Everything that was found."""

    servers: Sequence[Server]
    elsewhere: Sequence[Elsewhere]
    keys: Sequence[Key]
    conditions: Sequence[Condition]
    environ: Mapping[str, str]
    #: Provider -> the address that its class has, for those that could be imported.
    addresses: Mapping[str, str]

    @property
    def usable(self) -> list[str]:
        """Names of the providers that have what they need."""
        return [condition.finding.name for condition in self.conditions if condition.ready]

    @property
    def exit_code(self) -> int:
        """0 where a model can be reached."""
        if self.usable or any(server.state == "serving" for server in self.servers):
            return OK
        if not self.addresses:
            return USAGE
        return AUTH if any(condition.lacks_key for condition in self.conditions) else PROVIDER

    def missing(self, provider: str) -> str:
        """The command that installs a provider's plugin, if it is not there."""
        there = any(condition.finding.name == provider for condition in self.conditions)
        return "" if there else f"pip install dragoman-{provider}"

    def commands(self, server: Server) -> list[str]:
        """What to type to use a server, through its own plugin where that works."""
        if not server.usable:
            return []
        model = next((name for name in server.models if "embed" not in name.lower()), "MODEL")
        plugin = server.product.plugin if server.product is not None else ""
        if plugin in self.addresses:
            looks = self.environ.get(_VARIABLES[plugin], "").strip() or self.addresses[plugin]
            known = {server.address, *server.also} & {*_here(looks, server.product.port if server.product else 0)}
            return [_chat(f"{plugin}/{model}", "" if known else server.address.url)]
        install = self.missing(plugin) if plugin else ""
        # A model's own name may begin with that of a provider.
        plain = _chat(f"openai/{model}", f"{server.address.url}/v1")
        return [install, plain] if install else [plain]


def find_keys(findings: Sequence[Finding], environ: Mapping[str, str]) -> list[Key]:
    """Keys that are set, in the order of their names; an empty one counts as unset."""
    wanted: dict[str, list[str]] = {}
    for provider, variables in [*KEYS.items(), *((one.name, one.key_env) for one in findings)]:
        for variable in variables:
            wanted.setdefault(variable, []).append(provider)
    return [
        Key(variable, mask(environ[variable]), tuple(dict.fromkeys(providers)))
        for variable, providers in sorted(wanted.items())
        if environ.get(variable, "").strip()
    ]


def mask(key: str) -> str:
    """Enough of a key to tell it from another, and of a short one nothing."""
    key = key.strip()
    return f"…{key[-_TAIL:]}" if len(key) >= _LONG and key[-_TAIL:].isalnum() else ""


def judge(
    servers: Sequence[Server],
    elsewhere: Sequence[Elsewhere],
    findings: Sequence[Finding],
    addresses: Mapping[str, str],
    environ: Mapping[str, str],
) -> Health:
    """Put together what was found. `addresses` has the `base_url` of each provider's class that is in order."""
    judged = []
    for finding in findings:
        if finding.state != "ok" or finding.name not in addresses:
            judged.append(Condition(finding, ready=False, text=finding.reason))
            continue
        away = next((one for one in elsewhere if one.plugin == finding.name), None)
        if away is not None:
            judged.append(Condition(finding, ready=True, text=f"{away.variable} {away.reason}"))
        else:
            judged.append(_condition(finding, addresses[finding.name], servers, environ))
    return Health(servers, elsewhere, find_keys(findings, environ), judged, environ, addresses)


def _condition(finding: Finding, base_url: str, servers: Sequence[Server], environ: Mapping[str, str]) -> Condition:
    names = _key_names(finding)
    found = _key_found(names, environ)
    address = environ.get(_VARIABLES.get(finding.name, ""), "").strip() or base_url
    if not address:
        return Condition(finding, ready=True, text="runs in this process")
    if _here(address, 0):
        return _local(finding, address, servers, found, names)
    lacks = bool(finding.key_env) and not found
    return Condition(finding, ready=not lacks, text=key_words(finding, address, environ), lacks_key=lacks)


def key_words(finding: Finding, address: str, environ: Mapping[str, str]) -> str:
    """Say whether a provider's key is there; a server on this machine seldom wants one."""
    names = _key_names(finding)
    found = _key_found(names, environ)
    if found:
        return f"key found: {found}"
    if not finding.key_env:
        return "needs no key"
    either = " or ".join(names)
    return f"needs no key ({either} if its server wants one)" if _here(address, 0) else f"key missing: {either}"


def _key_names(finding: Finding) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*finding.key_env, *KEYS.get(finding.name, ()))))


def _key_found(names: tuple[str, ...], environ: Mapping[str, str]) -> str:
    return next((name for name in names if environ.get(name, "").strip()), "")


def _local(finding: Finding, address: str, servers: Sequence[Server], key: str, names: tuple[str, ...]) -> Condition:
    """A provider whose server runs on this machine, if it runs: only then does a key matter."""
    if finding.name not in _VARIABLES:
        return Condition(finding, ready=True, text=f"expects a server at {address}, which was not asked")
    own = [one for one in servers if one.product is not None and one.product.plugin == finding.name]
    found = next((one for one in own if one.usable), own[0] if own else None)
    if found is None:
        return Condition(finding, ready=False, text="its server was not found")
    place = f"its server at {found.address.url}"
    if not found.usable:
        return Condition(finding, ready=False, text=f"{place}: {found.detail}")
    if found.state == "locked" and not key:
        return Condition(finding, ready=False, text=f"{place} wants a key: {' or '.join(names)}", lacks_key=True)
    return Condition(finding, ready=True, text=f"its server is at {found.address.url}")


def _here(address: str, port: int) -> list[Address]:
    """The addresses of this machine that a text means; an empty one means none."""
    try:
        return read_address(address, port)[1] if address else []
    except ValueError:
        return []


def _chat(model: str, base_url: str) -> str:
    words = ["dragoman", "chat", "-m", model, *(["--base-url", base_url] if base_url else [])]
    return shlex.join(words)
