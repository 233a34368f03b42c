"""`dragoman check`: what a model can do, found out by asking it."""

from __future__ import annotations

import json
import textwrap
import time
import warnings
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import click

from dragoman.core.cli import debug_option
from dragoman.core.cli.completion import complete_model
from dragoman.core.cli.config import base_url_option, config_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dragoman.core.cli.probes.catalogue import Probe
    from dragoman.core.cli.probes.prober import Prober, Result
    from dragoman.core.cli.terminal import Console
    from dragoman.core.provider import Json

_STYLES = {"yes": "green", "no": "red", "ignored": "yellow", "wrong": "red", "unclear": "cyan", "error": "red"}
_MARGIN, _VERDICT = 23, 9
#: A narrower terminal wraps the lines by itself.
_NARROW = 30


@click.command()
@click.argument("model", shell_complete=complete_model)
@base_url_option
@click.option("--only", metavar="FEATURE,…", help="Some features only; text is always among them.")
@click.option("--max-tokens", type=click.IntRange(16), default=512, show_default=True, help="Of each answer.")
@click.option(
    "--timeout", type=click.FloatRange(min=0, min_open=True), default=120.0, show_default=True, help="Seconds."
)
@click.option("--pause", type=click.FloatRange(0), default=0.0, help="Seconds between two requests.")
@config_option
@click.option("--on-unsupported", type=click.Choice(["raise", "warn", "ignore", "adapt"]), help="raise unless given.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@debug_option
def command(  # noqa: PLR0913, PLR0917 (one argument for each option, which click gives by name)
    model: str,
    base_url: str | None,
    only: str | None,
    max_tokens: int,
    timeout: float,
    pause: float,
    config: str | None,
    on_unsupported: str | None,
    as_json: bool,
) -> None:
    """Find out what a MODEL can do by asking it: tools, streaming, JSON, images and more.

    \b
    yes      it works
    no       refused, by the server or (for lack of an equivalent) by dragoman
    ignored  accepted, but without effect
    wrong    the answer breaks OpenAI's schema
    unclear  the answers do not show it, mostly since the model is too weak
    error    the probe failed

    It sees what your code would see through the same provider. The most that it may cost is said before it
    starts. Reasoning models need room for their thoughts: raise --max-tokens if answers are cut.
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    from dragoman.core.cli.chat import make_client
    from dragoman.core.cli.failures import RATE_LIMIT, exit_code, naming
    from dragoman.core.cli.probes.prober import Prober
    from dragoman.core.errors import OpenAIError
    from dragoman.core.policy import DragomanWarning

    probes = _chosen(only)
    client = make_client(model, base_url, on_unsupported, config).with_options(max_retries=0, timeout=timeout)
    provider, name = client._dispatcher.resolve(model)  # noqa: SLF001 (our own client's)
    prober = Prober(client, model, provider.name, probes, max_tokens, pause)
    most = prober.ceiling
    click.echo(
        f"{provider.name}/{name}: at most {most.requests} requests and {most.tokens} output tokens "
        f"({max_tokens} for each answer)",
        err=True,
    )
    start = time.monotonic()
    try:
        with client, warnings.catch_warnings():
            # What it warns about stands in the findings.
            warnings.simplefilter("ignore", DragomanWarning)
            with naming(client, model):
                _run(prober)
    except OpenAIError as error:
        if exit_code(error) == RATE_LIMIT:
            click.echo("the run ends here; --pause SECONDS waits between requests", err=True)
        raise
    finally:
        # Whatever ends it early, what was found until then is shown.
        if prober.results or as_json:
            about = {"model": f"{provider.name}/{name}", "provider": provider.name, "base_url": _address(provider)}
            _print_json(prober, about) if as_json else _print_table(prober, time.monotonic() - start)


def _chosen(only: str | None) -> Sequence[Probe]:
    from dragoman.core.cli.probes.catalogue import PROBES

    if only is None:
        return PROBES
    wanted = {name.strip() for name in only.split(",")} - {""}
    known = [probe.feature for probe in PROBES]
    if unknown := sorted(wanted.difference(known)):
        message = f"--only {', '.join(unknown)}: the features are {', '.join(known)}"
        raise click.UsageError(message)
    return [probe for probe in PROBES if probe.feature in wanted or probe.feature == known[0]]


def _run(prober: Prober) -> None:
    from dragoman.core.cli.terminal import Console

    with Console(stderr=True).status() as show:

        def tell(probe: Probe) -> None:
            show(f"{probe.label} ({len(prober.results) + 1} of {len(prober.probes)})")

        prober.run(tell)


def _address(provider: Any) -> str | None:
    """Where the provider is, without what may be a password; None in this process."""
    parts = urlsplit(provider.base_url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) or None


def _print_json(prober: Prober, about: Json) -> None:
    from importlib.metadata import version

    keys = ("feature", "verdict", "seen", "tries", "ms")
    results = [{key: getattr(result, key) for key in keys} for result in prober.results]
    found = {
        **about,
        "dragoman": version("dragoman-core"),
        "results": results,
        "at_most": {"requests": prober.ceiling.requests, "output_tokens": prober.ceiling.tokens},
        "requests": prober.requests,
        "usage": prober.usage,
    }
    click.echo(json.dumps(found, indent=2, ensure_ascii=False))


def _print_table(prober: Prober, seconds: float) -> None:
    from dragoman.core.cli.terminal import Console

    out = Console()
    for result in prober.results:
        _print_row(out, result)
    usage = prober.usage
    tokens = f"{usage['prompt_tokens']} + {usage['completion_tokens']} tokens"
    out.print(f"{prober.requests} requests, {tokens}, {seconds:.1f} s", style="dim")


def _print_row(out: Console, result: Result) -> None:
    from dragoman.core.cli.terminal import clean

    width = out.width - _MARGIN - _VERDICT
    seen = clean(result.seen)
    if out.is_terminal and width >= _NARROW:
        seen = ("\n" + " " * (_MARGIN + _VERDICT)).join(textwrap.wrap(seen, width, break_on_hyphens=False))
    out.print(result.label.ljust(_MARGIN), (result.verdict.ljust(_VERDICT), _STYLES[result.verdict]), seen)
