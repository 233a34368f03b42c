"""What a call costs, beside the vendor's own SDK and beside the peers.

    nox -s bench                               everything of ours, and the vendors' SDKs (about eleven minutes)
    nox -s bench -- --peers                    the other translators besides, each in its own environment (fifteen)
    nox -s bench -- --peers --prepare          makes the environments, and measures nothing
    nox -s bench -- --quick --only text,stream --providers anthropic
    nox -s gateways                            the server beside other gateways (about seven minutes)
    python tests/benchmarks --write            docs/performance.md from the stored run

A run is stored in results/, and the page is made of what is stored; a test compares the two.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import campaign
import environments
import growing
import loopback
import page
import peers
import startup
import workload

_PARTS = ("calls", "startup", "footprint", "memory")
#: Streams held open at once: fewer than the 100 connections that the pools of some SDKs give out.
_OPEN = 90
_SCENARIOS = [*workload.SCENARIOS, "parallel"]


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 (a command's progress)


def names(known: list[str] | tuple[str, ...]) -> Any:
    """Return a reader of a list of names with commas between; a name that is not known is an error."""

    def read(text: str) -> list[str]:
        found = text.split(",")
        if strange := [name for name in found if name not in known]:
            message = f"{', '.join(strange)}: not one of {', '.join(known)}"
            raise argparse.ArgumentTypeError(message)
        return found

    return read


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="tests/benchmarks", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="make the page of the stored run, and measure nothing")
    parser.add_argument("--growth", action="store_true", help="measure how costs grow, instead")
    parser.add_argument("--gateways", action="store_true", help="measure gateways, instead")
    parser.add_argument("--peers", action="store_true", help="measure the other translators, too")
    parser.add_argument("--quick", action="store_true", help="one round of little: shows that it works, no more")
    parser.add_argument("--rounds", type=int, default=0, help="rounds of fresh processes (default 5, or 1)")
    parser.add_argument("--only", type=names(_SCENARIOS), default=_SCENARIOS, help=", ".join(_SCENARIOS))
    parser.add_argument("--providers", type=names(workload.VENDORS), default=workload.VENDORS)
    parser.add_argument("--modes", type=names(campaign.MODES), default=list(campaign.MODES))
    parser.add_argument("--parts", type=names(_PARTS), default=list(_PARTS), help=", ".join(_PARTS))
    parser.add_argument(
        "--store",
        metavar="NAME",
        help="where to keep it: results/NAME.json (calls, growth, gateways; a quick run: nowhere)",
    )
    parser.add_argument("--environments", type=Path, help="folder of the environments that nox made")
    return parser.parse_args()


def sides(options: argparse.Namespace) -> list[str]:
    """Return who is measured."""
    return ["sdk", "dragoman", *environments.WITH_AIOHTTP, *(peers.PEERS if options.peers else ())]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run everything that was asked for."""
    homes = environments.Environments(options.environments)
    rounds = options.rounds or (1 if options.quick else 5)
    who = sides(options)
    result: dict[str, Any] = {
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": campaign.machine(),
        "rounds": rounds,
        "quick": options.quick,
    }
    with loopback.provider() as port:
        seconds, blocks = (0.02, 1) if options.quick else (0.08, 3)
        plan = campaign.Plan(options.providers, options.only, who, options.modes, rounds, blocks, seconds)
        run = campaign.Campaign(plan, homes, port, say)
        if "calls" in options.parts:
            run.run()
        result["versions"] = run.versions
        result["notes"] = run.notes
        result["calls"] = [[*key, found] for key, found in run.rows.items()]
        # This compiles what is installed, too, as pip does: before anything is started anew.
        footprint = startup.footprints(homes, who, options.providers)
        if "footprint" in options.parts:
            result["footprint"] = footprint
        if "startup" in options.parts:
            programs = startup.programs(homes, who, options.providers, port)
            result["startup"] = startup.measure(programs, rounds, say)
        if "memory" in options.parts:
            result["memory"] = memory(options, homes, port)
    return result


def memory(options: argparse.Namespace, homes: environments.Environments, port: int) -> dict[str, Any]:
    """Measure memory: of every provider a little, of one the whole length; the SDKs for comparison, a little.

    Two at a time: how busy the machine is does not matter here.
    """

    def one(pair: tuple[str, str]) -> dict[str, Any]:
        vendor, side = pair
        whole = vendor == options.providers[0] and side not in {"sdk", campaign.ONLY_ASYNC}
        counts = (200, 50, 20) if options.quick else (100_000, 1_000, _OPEN) if whole else (1_000, 300, _OPEN)
        say(f"memory: {vendor}, {side}, {counts[0]} calls")
        return campaign.memory(homes, side, vendor, port, counts)

    pairs = [(vendor, side) for vendor in options.providers for side in ("dragoman", *environments.WITH_AIOHTTP, "sdk")]
    with ThreadPoolExecutor(2) as pool:
        return {f"{vendor}, {side}": found for (vendor, side), found in zip(pairs, pool.map(one, pairs), strict=True)}


def main() -> None:
    """Do what the command line says."""
    options = arguments()
    if options.write:
        page.write()
        return
    if options.growth:
        import growth

        result = growth.measure(say, quick=options.quick)
        name = "growth"
        for line in growing.steep(result):
            say(f"grows faster than linearly: {line}")
    elif options.gateways:
        import gateways

        result = gateways.measure(options.environments, say, quick=options.quick, rounds=options.rounds)
        name = "gateways"
    else:
        result = measure(options)
        name = "calls"
    print(page.text_of(name, result))  # noqa: T201 (the command's result)
    if options.store or not options.quick:
        place = page.store(options.store or name, result)
        say(f"stored in {place}; --write makes the page of what is stored")


if __name__ == "__main__":
    main()
