"""`dragoman serve`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("serve")
@click.option(
    "--host", metavar="ADDRESS", help="Where to listen; wider than this machine needs keys.  [default: 127.0.0.1]"
)
@click.option("--port", type=click.IntRange(0, 65535), help="0 takes a free one.  [default: 4000]")
@click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The configuration: providers, aliases, keys, limits. Each flag here is a key of its table `server`.",
)
@click.option("--workers", type=click.IntRange(1), help="Processes that share the work.  [default: 1]")
@click.option("--page/--no-page", default=None, help="Whether / is a page to try models on.  [default: it is]")
@click.option(
    "--show-wire/--no-show-wire",
    default=None,
    help="Whether clients may see what their requests were on the provider's wire.  [default: without keys, here only]",
)
def command(config: Path | None, **flags: object) -> None:
    """Serve every installed provider at one OpenAI-compatible address.

    SIGHUP reads the configuration anew and keeps streams; SIGTERM and Ctrl-C let them end.
    """
    from dragoman.server.running import Source, serve

    serve(Source(config, {name: value for name, value in flags.items() if value is not None}))
