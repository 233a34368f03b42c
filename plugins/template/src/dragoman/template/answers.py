"""What an author says about a provider, what follows from it, and what cannot be meant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import entry_points

#: How the vendor's API speaks -> the folder of the project that does so.
WIRES = ("openai-compatible", "own-wire")
#: SPDX expressions -> the folders of their texts. The last one gives no licence at all.
LICENCES = ("MIT", "Apache-2.0", "LicenseRef-Proprietary")

#: Distributions `dragoman-…` that exist, installed or not.
TAKEN = frozenset(
    "anthropic autogen batch cache core huggingface litellm llamacpp lmstudio mistralai ollama openai prices server "  # noqa: SIM905 (readable)
    "template testing together vllm".split()
)
#: Names of the project's code that a class of the author's would hide, and Python's own.
CLASSES = frozenset(
    "AnswerStream Any Call Chunks ClassVar CompatibleProvider Event False InvalidRequest Iterator Json None Provider "  # noqa: SIM905 (readable)
    "ProviderSuite StreamCutError True VendorError Wire".split()
)
#: A longer name makes lines of code that no formatter leaves alone.
_LONGEST_NAME = 30
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
#: In code, in TOML and in Markdown an address stands in quotes.
_URL = re.compile(r"https?://[^\s\"'`<>\\]+")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
_AUTHOR = re.compile(r"[^\"\\\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class Answers:
    """All that a project is made from. Empty texts stand for what is usual."""

    name: str
    wire: str = WIRES[0]
    base_url: str = ""
    key_env: str = ""
    author: str = ""
    license: str = LICENCES[0]

    @property
    def values(self) -> dict[str, str]:
        """The template's variables: names of things, and what the author said."""
        prefix = self.name.upper().replace("-", "_")
        class_name = class_name_of(self.name)
        return {
            "name": self.name,
            "class_name": class_name,
            "module": f"dragoman_{self.name.replace('-', '_')}",
            "prefix": prefix,
            "base_url": self.base_url or f"https://api.{self.name}.example/v1",
            "key_env": self.key_env or f"{prefix}_API_KEY",
            "author": self.author or f"The {class_name} authors",
            "license": self.license,
        }

    def fault(self) -> str:
        """Return in words what cannot be meant; nothing, if all is well."""
        values = self.values
        if fault := fault_of_name(self.name):
            return fault
        if not _URL.fullmatch(values["base_url"]):
            return f"{self.base_url!r} is no base URL: it begins with https:// or http://, and has no spaces or quotes"
        if not _VARIABLE.fullmatch(values["key_env"]):
            return f"{self.key_env!r} is no name of an environment variable: use capitals, digits and _"
        if not _AUTHOR.fullmatch(values["author"]):
            return f"{self.author!r} cannot stand in pyproject.toml: leave out quotes, backslashes and line breaks"
        return ""


def name_of(given: str) -> str:
    """Return the provider's name in what people write for it: `dragoman-acme` and `acme_ai` are understood."""
    return given.strip().replace("_", "-").removeprefix("dragoman-")


def class_name_of(name: str) -> str:
    """Return the name of the provider's class."""
    return "".join(part.capitalize() for part in name.split("-"))


def fault_of_name(name: str, typed: str = "") -> str:
    """Return in words why a provider cannot have this name, read from what was typed; nothing, if it can."""
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        return (
            f"{(typed or name)!r} is no name for a provider: use small letters, digits and single hyphens, "
            f"a letter first, {_LONGEST_NAME} characters at most"
        )
    if name in TAKEN:
        return f"dragoman-{name} exists already: choose another name"
    class_name = class_name_of(name)
    if class_name in CLASSES:
        return f"the class would be called {class_name}, and that name is in use: choose another name"
    for point in entry_points(group="dragoman.providers", name=name):
        distribution = point.dist.name if point.dist else "another plugin"
        return f"the provider {name!r} is installed already, from {distribution}: choose another name"
    return ""
