"""`dragoman models`."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import click

from dragoman.core.cli import debug_option
from dragoman.core.cli.completion import complete_provider
from dragoman.core.cli.config import read_base_url, refuse_without_scheme
from dragoman.core.cli.failures import PROVIDER, USAGE, describe, exit_code, prefixed

if TYPE_CHECKING:
    from dragoman.core.provider import Json


@click.command()
@click.argument("provider", required=False, shell_complete=complete_provider)
@click.option("--base-url", metavar="URL", callback=read_base_url, help="Where PROVIDER is (openai if none is named).")
@debug_option
@click.pass_context
def command(ctx: click.Context, provider: str | None, base_url: str | None) -> None:
    """List the models that the installed providers offer, each as `chat -m` takes it.

    Providers that cannot be asked are reported on stderr; the exit code is 0 if any could.
    """
    from dragoman.core.cli.terminal import clean

    answers, failures = _ask(provider or ("openai" if base_url else None), base_url)
    for name, answer in answers.items():
        for model in answer.get("data") or ():
            click.echo(clean(f"{name}/{model.get('id')}"))
    for name, (reason, _) in failures.items():
        click.echo(f"dragoman: {prefixed(name, clean(reason))}", err=True)
    if failures and not answers:
        codes = {code for _, code in failures.values()}
        ctx.exit(codes.pop() if len(codes) == 1 else PROVIDER)
    if not failures and not answers:
        click.echo(f"dragoman: {_none()}", err=True)
        ctx.exit(USAGE)


def _none() -> str:
    """Why there is nobody to ask."""
    from dragoman.core.offers import SELECTION, misnamed
    from dragoman.core.plugins import plugins

    names = plugins().providers()
    if not names:
        return "no provider is installed: pip install dragoman-openai (or another)"
    chosen = os.environ.get(SELECTION, "")
    strange = misnamed(plugins().names())
    remark = f"; no plugin has the name {', '.join(map(repr, strange))}" if strange else ""
    return f"all providers ({', '.join(sorted(names))}) are blocked by {SELECTION}={chosen!r}{remark}"


def _ask(only: str | None, base_url: str | None) -> tuple[dict[str, Json], dict[str, tuple[str, int]]]:
    """Ask all providers at once, or one; the failures are reasons with their exit codes."""
    from dragoman.core.asks import CallOptions
    from dragoman.core.dispatch import make_dispatcher
    from dragoman.core.driver import Driver

    options = {"base_url": base_url} if base_url else {}
    dispatcher = make_dispatcher(default_provider=only or "openai", default_options=options)
    router = dispatcher.router
    if only:
        made = router.provider(only)
        if base_url:
            refuse_without_scheme(base_url, made)
    exchanges, problems = dispatcher.model_lists(CallOptions())
    wanted = [only] if only else [name for name, offer in router.plugins.providers().items() if not offer.blocked]
    failures = {name: (problems[name], USAGE) for name in wanted if name in problems}
    asked = {name: exchanges[name] for name in wanted if name in exchanges}
    driver = Driver(dispatcher.tapes)

    def fetch(name: str) -> Json | Exception:
        try:
            return driver.fetch(asked[name])
        except Exception as error:  # noqa: BLE001 (one provider must not hide the others)
            return error

    with ThreadPoolExecutor(max_workers=8) as threads:
        results: dict[str, Any] = dict(zip(asked, threads.map(fetch, asked), strict=True))
    driver.close()
    failures |= {
        name: (describe(found), exit_code(found)) for name, found in results.items() if isinstance(found, Exception)
    }
    return {name: found for name, found in sorted(results.items()) if not isinstance(found, Exception)}, failures
