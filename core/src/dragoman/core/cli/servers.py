"""Which model servers run on this machine: found by their ports, told apart by what they answer."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Literal

from dragoman.core.cli.loopback import Address, FloodError, ask, read_address, tell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from dragoman.core.cli.loopback import Answer

#: Seconds for all questions to all servers, which are asked side by side.
PATIENCE = 2.5

MODELS = "/v1/models"
_UNAUTHORISED = frozenset({401, 403})
_UNAVAILABLE = 503


@dataclass(frozen=True, slots=True)
class Product:
    """A kind of server. `is_it` judges by two answers: that of `path`, and that of `/v1/models`.

    Every server is asked for every `path`, so none may cost anything anywhere: LiteLLM's `/health` calls its models.
    `variable` is where the environment names its address; `version` is another path, and the key of its JSON
    that tells the version. `locked` are statuses of a request without the key that it wants.
    """

    name: str
    plugin: str
    port: int
    variable: str
    path: str
    is_it: Callable[[Answer, Answer], bool]
    version: tuple[str, str] = ("", "")
    locked: frozenset[int] = _UNAUTHORISED


def _is_ollama(answer: Answer, models: Answer) -> bool:
    del models
    return answer.text.startswith("Ollama is running")


def _is_lm_studio(answer: Answer, models: Answer) -> bool:
    """Its own list of models, or, where it wants a token, what it says about that.

    The status tells nothing: it answers 200 to every path.
    """
    if "LM Studio API token" in models.text:
        return True
    found = answer.get("data")
    return answer.get("object") == "list" and isinstance(found, list) and all("state" in _object(one) for one in found)


def _is_vllm(answer: Answer, models: Answer) -> bool:
    """A server with a key hides its models, but not its version."""
    owners = {_object(model).get("owned_by") for model in _listed(models) or ()}
    locked = models.status in _UNAUTHORISED and models.get("error") == "Unauthorized"
    return owners == {"vllm"} or (locked and isinstance(answer.get("version"), str))


def _is_llama_cpp(answer: Answer, models: Answer) -> bool:
    """It signs every answer, also while it loads; builds before it did so own their models."""
    signed = answer.headers.get("server") == models.headers.get("server") == "llama.cpp"
    return signed or {_object(model).get("owned_by") for model in _listed(models) or ()} == {"llamacpp"}


def _is_litellm(answer: Answer, models: Answer) -> bool:
    del models
    return bool(answer.json == "I'm alive!")


#: Sources, in this order: https://docs.litellm.ai/docs/proxy/health,
#: https://docs.ollama.com/api-reference/get-version, https://lmstudio.ai/docs/developer/rest/endpoints,
#: https://docs.vllm.ai/en/latest/serving/online_serving/,
#: https://github.com/ggml-org/llama.cpp/tree/master/tools/server.
#: LiteLLM is asked for first, since it takes seconds to find out that it has not got a path. Without a database's
#: driver it answers 500 to whoever has no key.
PRODUCTS = (
    Product(
        "LiteLLM", "litellm", 4000, "LITELLM_API_BASE", "/health/liveliness", _is_litellm,
        ("/health/readiness", "litellm_version"), _UNAUTHORISED | {500},
    ),
    Product("Ollama", "ollama", 11434, "OLLAMA_HOST", "/", _is_ollama, ("/api/version", "version")),
    Product("LM Studio", "lmstudio", 1234, "LM_STUDIO_API_BASE", "/api/v0/models", _is_lm_studio),
    Product("vLLM", "vllm", 8000, "VLLM_API_BASE", "/version", _is_vllm, ("/version", "version")),
    Product("llama.cpp", "llamacpp", 8080, "LLAMACPP_API_BASE", "/props", _is_llama_cpp, ("/props", "build_info")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Server:
    """What was found at one address.

    `serving`: it lists its models. `locked`: it wants a key first. `loading`: not yet. `failing`: a known product
    that does not list its models. `other`: it answers, but is no model server that we know. `silent`: it does not.
    """

    address: Address
    state: Literal["serving", "locked", "loading", "failing", "other", "silent"]
    product: Product | None = None
    version: str = ""
    models: tuple[str, ...] = ()
    detail: str = ""
    #: The same server at other addresses of this machine.
    also: tuple[Address, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether one can talk to it, given a key where it wants one."""
        return self.state in {"serving", "locked"}

    @property
    def title(self) -> str:
        """What it is, for people."""
        if self.product is not None:
            return f"{self.product.name} {self.version}".rstrip()
        return {"other": "no model server", "silent": "unknown"}.get(self.state, "OpenAI-compatible")


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """An address in the environment that is not asked: on another machine, or unreadable."""

    variable: str
    plugin: str
    reason: str


def default_addresses(ports: Iterable[int]) -> list[Address]:
    """Both loopback addresses at each port."""
    return [Address(host, port) for port in ports for host in ("127.0.0.1", "::1")]


def configured_addresses(environ: Mapping[str, str]) -> tuple[list[Address], list[Elsewhere]]:
    """Addresses that the environment names: on this machine, and those that are not asked."""
    here: list[Address] = []
    elsewhere: list[Elsewhere] = []
    variables = [(product.variable, product.plugin, product.port) for product in PRODUCTS]
    for variable, plugin, port in [*variables, ("OPENAI_BASE_URL", "openai", 80)]:
        text = environ.get(variable, "").strip()
        if not text:
            continue
        try:
            host, found = read_address(text, port)
        except ValueError:
            elsewhere.append(Elsewhere(variable, plugin, "is no address"))
            continue
        here += found
        if not found:
            elsewhere.append(Elsewhere(variable, plugin, f"names {host}, which is not this machine and was not asked"))
    return here, elsewhere


def find_servers(addresses: Sequence[Address], patience: float = PATIENCE) -> list[Server]:
    """Ask all addresses side by side; those where nobody listens are left out."""
    unique = list(dict.fromkeys(addresses))
    if not unique:
        return []
    until = time.monotonic() + patience
    with ThreadPoolExecutor(max_workers=len(unique)) as threads:
        found = threads.map(lambda address: examine(address, until=until), unique)
        return _merged([server for server in found if server is not None])


def examine(address: Address, *, until: float) -> Server | None:
    """Find out what listens at one address; None: nothing."""
    try:
        models = ask(address, MODELS, until=until)
        if models is None:
            return None
    except (FloodError, HTTPException, OSError) as error:
        return Server(address, "silent", detail=tell(error))
    product = _recognise(address, models, until)
    found = _judge(address, models, product)
    if product is None or not product.version[0]:
        return found
    path, key = product.version
    answer = _try(address, path, until)
    version = answer.get(key) if answer is not None else None
    return replace(found, version=version if isinstance(version, str) else "")


def _recognise(address: Address, models: Answer, until: float) -> Product | None:
    """The product that usually has the port is asked for first, and most often it is that."""
    for product in sorted(PRODUCTS, key=lambda product: product.port != address.port):
        answer = _try(address, product.path, until)
        if answer is not None and product.is_it(answer, models):
            return product
    return None


def _judge(address: Address, models: Answer, product: Product | None) -> Server:
    listed = _listed(models)
    if listed is not None:
        names = (_object(model).get("id") for model in listed)
        return Server(address, "serving", product, models=tuple(name for name in names if isinstance(name, str)))
    if models.status in (product.locked if product else _UNAUTHORISED) and (product or models.json is not None):
        return Server(address, "locked", product, detail="wants a key")
    if product is None:
        page = "a web page" if models.text.lstrip()[:1] == "<" else "nothing that lists models"
        return Server(address, "other", detail=f"GET {MODELS} gives HTTP {models.status} and {page}")
    if models.status == _UNAVAILABLE:
        return Server(address, "loading", product, detail="is not ready yet")
    return Server(address, "failing", product, detail=f"GET {MODELS} gives HTTP {models.status}")


def _try(address: Address, path: str, until: float) -> Answer | None:
    """Ask what a server need not know: whatever goes wrong, it did not say."""
    try:
        return ask(address, path, until=until)
    except (FloodError, HTTPException, OSError):
        return None


def _listed(models: Answer) -> list[Any] | None:
    """The entries of an OpenAI list of models; some servers send the bare array."""
    found = models.json if isinstance(models.json, list) else models.get("data")
    return found if isinstance(found, list) and models.status in range(200, 300) else None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _merged(servers: list[Server]) -> list[Server]:
    """One line for a server that listens on both loopback addresses."""
    kept: list[Server] = []
    for server in servers:
        twin = next((one for one in kept if replace(one, address=server.address, also=()) == server), None)
        if twin is None or twin.address.port != server.address.port:
            kept.append(server)
        else:
            kept[kept.index(twin)] = replace(twin, also=(*twin.also, server.address))
    return kept
