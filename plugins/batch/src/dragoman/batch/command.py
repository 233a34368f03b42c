"""`dragoman batch`."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dragoman.batch.nativecommand import LEFT, add_commands, telling

if TYPE_CHECKING:
    from dragoman.batch.options import Options
    from dragoman.batch.summary import Summary
    from dragoman.core import Json

#: Exit codes besides the program's own: some lines are in the error file; the cost cap ended it.
SOME_FAILED, CAPPED = 6, 7
_KEY, _USAGE, _PROVIDER, _INTERRUPTED = 3, 2, 5, 130
_CODES = {
    "interrupt": _INTERRUPTED,
    "key": _KEY,
    "output": _USAGE,
    "input": _USAGE,
    "provider": _PROVIDER,
    "engine": _PROVIDER,
    "left": LEFT,
}


def _cost(ctx: click.Context, param: click.Parameter, value: str | None) -> Decimal | None:
    """Read US dollars."""
    if value is None:
        return None
    try:
        found = Decimal(value.removeprefix("$"))
    except InvalidOperation:
        found = Decimal("nan")
    if not found.is_finite() or found <= 0:
        message = f"{value!r} is no number above 0"
        raise click.BadParameter(message, ctx, param)
    return found


def _limits(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> list[tuple[str, int]]:
    """Read `N`, for each provider, or `PROVIDER=N`, for one."""
    found = []
    for value in values:
        provider, _, number = value.rpartition("=")
        if not (number.isascii() and number.isdigit() and int(number)):
            message = f"{value!r} is neither a whole number above 0 nor PROVIDER=NUMBER"
            raise click.BadParameter(message, ctx, param)
        found.append((provider, int(number)))
    return found


class _Group(click.Group):
    """`dragoman batch FILE` runs; only a command's own name is that command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, *ctx.help_option_names}:
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group("batch", cls=_Group)
def command() -> None:
    """Send a file of requests through any provider, and lose nothing.

    dragoman batch FILE is dragoman batch run FILE.
    """


@command.command("run")
@click.argument("requests", metavar="FILE")
@click.option("-o", "--output", metavar="FILE", help="Where answers go; - is stdout.  [default: NAME.out.jsonl]")
@click.option(
    "--errors", metavar="FILE", help="Where failures and bad lines go.  [default: OUTPUT's NAME.errors.jsonl]"
)
@click.option("-m", "--model", default="", help="For bodies without a model: provider/model.")
@click.option("--resume", is_flag=True, help="Go on where OUTPUT ends, which is done anyway if it exists.")
@click.option("--overwrite", is_flag=True, help="Begin anew, and lose what is in OUTPUT.")
@click.option("--retry-failed", is_flag=True, help="Ask again what failed in an earlier run.")
@click.option(
    "--config", type=click.Path(exists=True, dir_okay=False), help="A configuration file; see its table batch."
)
@click.option("--engine", default="asyncio", show_default=True, help="asyncio, or ray for a cluster.")
@click.option("--address", metavar="ADDRESS", help="Ray's cluster; without one, a cluster on this machine is used.")
@click.option("--workers", type=click.IntRange(1), help="Ray's processes that ask.  [default: one for each CPU]")
@click.option("--send-keys", is_flag=True, help="Send Ray's workers keys that are in no environment variable.")
@click.option("--native", is_flag=True, help="Through the vendor's own batch API: hours, and half the price.")
@click.option("--no-wait", is_flag=True, help="With --native: have the batches made, or fetch what is done, and end.")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), help="Seconds for one attempt.  [default: 600]")
@click.option("--max-retries", type=click.IntRange(0), help="After failures of a request's own.  [default: 5]")
@click.option("--max-cost", metavar="DOLLARS", callback=_cost, help="US dollars, after which no new lines are taken.")
@click.option(
    "--max-concurrency",
    metavar="[PROVIDER=]N",
    callback=_limits,
    multiple=True,
    help="Requests at the same time, at most.  [default: 512]",
)
@click.option(
    "--requests-per-minute",
    metavar="[PROVIDER=]N",
    callback=_limits,
    multiple=True,
    help="May be repeated, for several providers.",
)
@click.option("--tokens-per-minute", metavar="[PROVIDER=]N", callback=_limits, multiple=True, help="As above.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary.")
@click.pass_context
def run(ctx: click.Context, /, requests: str, output: str | None, errors: str | None, **given: Any) -> None:
    """Answer the requests in FILE, one a line; - is stdin. Endings .gz and .zst mean compressed files.

    A line is as in OpenAI's batch files; custom_id and body are enough; a chat body alone, too. Answers are appended
    to OUTPUT as they come, in any order. Started again, it goes on where it was stopped or killed.

    Ctrl-C waits for the answers that are on their way; twice, it does not.

    Exit codes: 0 all is answered, 6 some lines are in the error file, 7 the cost cap ended it, 3 no or no valid key,
    2 wrong usage or a file that cannot be read or written, 5 a provider cannot be reached or the engine failed,
    8 batches of --native are under way, 130 Ctrl-C.
    """
    from dragoman.batch.engines import make_engine
    from dragoman.batch.files import Places, run_file
    from dragoman.batch.options import settings_of
    from dragoman.batch.progress import lines_of, seldom

    if given["resume"] and given["overwrite"]:
        message = "--resume and --overwrite contradict each other"
        raise click.UsageError(message)
    where = _places(requests, output, errors)
    places = Places(*where, overwrite=given["overwrite"], retry_failed=given["retry_failed"])
    settings, options = settings_of(given["config"])
    name, own = engine_options(
        given["engine"], given["native"], {name: given[name] for name in ("address", "workers", "send_keys")}
    )
    if given["no_wait"]:
        if name != "native":
            message = "--no-wait is for --native"
            raise click.UsageError(message)
        own["wait"] = False

    def say(text: str) -> None:
        if not given["quiet"]:
            click.echo(f"dragoman: {text}", err=True)

    engine = make_engine(name, **own)
    options = _options(options, given)
    if name == "native" and options.max_cost is not None:
        message = "a batch is paid for as a whole, so that --native cannot hold a cost cap; leave it out"
        raise click.UsageError(message)
    with telling(say), seldom():
        summary = run_file(places, engine, settings, options, quiet=given["quiet"], say=say)
    for line in lines_of(summary):
        say(line)
    if summary.stopped == "engine" and getattr(engine, "left", None):
        summary.stopped = "left"
    _end(ctx, summary, places.errors)


@command.command("check")
@click.argument("requests", metavar="FILE")
@click.option("-m", "--model", default="", help="For bodies without a model: provider/model.")
@click.option("--config", type=click.Path(exists=True, dir_okay=False), help="A configuration file.")
@click.pass_context
def check(ctx: click.Context, /, requests: str, model: str, config: str | None) -> None:
    """Say what is wrong with the lines of FILE, without asking anybody. The exit code is 6 if anything is."""
    from dragoman.batch.checking import check_file
    from dragoman.batch.options import settings_of

    settings, _ = settings_of(config)
    good, bad = check_file(requests, settings, model, click.echo)
    click.echo(f"dragoman: {good:,} requests are right, {bad:,} lines are not", err=True)
    if bad:
        ctx.exit(SOME_FAILED)


def engine_options(engine: str, native: bool, of_ray: Json) -> tuple[str, Json]:
    """Return the engine's name and its own options, which are its constructor's keyword arguments."""
    if native and engine != "asyncio":
        message = "--native is an engine of its own: leave --engine out"
        raise click.UsageError(message)
    said = {name: value for name, value in of_ray.items() if value}
    if said and engine != "ray":
        message = f"--{next(iter(said)).replace('_', '-')} is for --engine ray"
        raise click.UsageError(message)
    return ("native" if native else engine), said


def _places(requests: str, output: str | None, errors: str | None) -> tuple[str, str, str]:
    """Choose names for the files that were not named; compressed input has compressed output."""
    if output is None:
        if requests == "-":
            message = "requests come from stdin, so say where answers go: -o FILE, or -o - for stdout"
            raise click.UsageError(message)
        output = _beside(requests, "out")
    if errors is None:
        if output == "-":
            message = "answers go to stdout, so say where errors go: --errors FILE"
            raise click.UsageError(message)
        errors = _beside(output, "errors")
    return requests, output, errors


def _beside(name: str, what: str) -> str:
    """`a.jsonl.gz` -> `a.out.jsonl.gz`."""
    path = Path(name)
    ending = "".join(suffix for suffix in path.suffixes[-2:] if suffix in {".jsonl", ".gz", ".zst", ".zstd"})
    stem = path.name.removesuffix(ending) if ending else path.name
    return str(path.with_name(f"{stem.removesuffix('.out')}.{what}{ending or '.jsonl'}"))


def _options(options: Options, given: Json) -> Options:
    """What the command line says comes before the configuration."""
    from dataclasses import replace

    from dragoman.batch.limits import Limits

    said = {name: given[name] for name in ("timeout", "max_retries", "max_cost") if given[name] is not None}
    limits: dict[str, Json] = {}
    for word in ("requests_per_minute", "tokens_per_minute", "max_concurrency"):
        for provider, number in given[word]:
            limits.setdefault(provider, {})[word] = number
    options = replace(options, model=given["model"], **said)
    return options.with_limits({name: Limits(**words) for name, words in limits.items()})


def _end(ctx: click.Context, summary: Summary, errors: str) -> None:
    """Say why it ended, and exit."""
    where = f" before line {summary.first_left:,}" if summary.first_left else ""
    remarks = {
        "interrupt": f"stopped{where}: the same command goes on from there",
        "cost": f"this run's cost cap is reached: stopped{where}; the same command goes on, and may spend it again",
    }
    if summary.failure is not None:
        click.echo(f"dragoman: stopped{where}: {summary.failure}", err=True)
    elif summary.stopped in remarks:
        click.echo(f"dragoman: {remarks[summary.stopped]}", err=True)
    if summary.lost:
        click.echo(f"dragoman: {summary.lost:,} answers came and could not be written", err=True)
    if summary.strangers:
        click.echo(f"dragoman: warning: {summary.strangers:,} earlier answers are to nothing in the input", err=True)
    failed = bool(summary.failed or summary.bad or summary.failed_before)
    if failed:
        click.echo(f"dragoman: what failed, and why, is in {errors}", err=True)
    if summary.stopped:
        ctx.exit(_USAGE if summary.stopped == "cost" and summary.failure else _CODES.get(summary.stopped, CAPPED))
    ctx.exit(SOME_FAILED if failed else 0)


add_commands(command, lambda requests, output: Path(_places(requests, output, "-")[1]))
