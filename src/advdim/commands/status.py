"""Say where a sweep stands while it runs: what is made, what runs, what failed, how long still."""

from __future__ import annotations

import argparse
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from advdim.commands.base import WIDTH, Command, add_config, read_config, wrapped

if TYPE_CHECKING:
    from advdim.config import Config
    from advdim.progress.remaining import Remaining
    from advdim.progress.standings import Standing

# Names in a list, unless all are wanted.
MOST_SHOWN = 20


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "--all", action="store_true", help=f"name all that run or failed, not {MOST_SHOWN} of each"
    )


def _run(options: argparse.Namespace) -> None:
    from advdim.progress.remaining import remaining
    from advdim.progress.standings import standings

    config = read_config(options.config)
    found = standings(config)
    most = len(found) if options.all else MOST_SHOWN
    print("\n".join(_lines(config, found, remaining(config, found), most)))


def _lines(
    config: Config, standings: Sequence[Standing], remaining: Remaining, most: int
) -> Iterator[str]:
    made = sum(standing.state in {"done", "diverged"} for standing in standings)
    yield f"{made:,} of {len(standings):,} results are made, in {Path(config.results).resolve()}"
    yield ""
    yield from _table(standings)
    if running := [s for s in standings if s.state == "running"]:
        yield "\nRunning:"
        yield from _named([(s, _progress(s, remaining)) for s in running], most)
    if failed := [s for s in standings if s.state == "failed"]:
        yield "\nFailed; the next run tries them again:"
        yield from _named([(s, s.record["error"]) for s in failed if s.record], most)
        yield f"Logs: {config.results}/logs/STAGE/NAME.log"
    yield ""
    yield from wrapped(" ".join(_said_below(standings, remaining)))


def _table(standings: Sequence[Standing]) -> Iterator[str]:
    from advdim.progress.standings import STATES

    counts = Counter((standing.result.stage, standing.state) for standing in standings)
    stages = dict.fromkeys(standing.result.stage for standing in standings)
    yield f"{'stage':<15}{'all':>8}" + "".join(f"{state:>10}" for state in STATES)
    for stage in stages:
        row = [counts[stage, state] for state in STATES]
        yield f"{stage:<15}{sum(row):>8,}" + "".join(f"{count:>10,}" for count in row)


def _named(every: Sequence[tuple[Standing, str]], most: int) -> Iterator[str]:
    """Yield the names of results with what is said of each, so many at most."""
    for standing, said in every[:most]:
        yield from _name(standing)
        yield from wrapped(said, "      ")
    if len(every) > most:
        yield f"  and {len(every) - most:,} more, with --all"


def _name(standing: Standing) -> list[str]:
    """Return stage and name on one line, or on several that end with a slash."""
    spaced = f"{standing.result.stage} {standing.result.name}".replace("/", "/ ")
    lines = textwrap.wrap(spaced, WIDTH, initial_indent="  ", subsequent_indent="    ")
    return [line.replace("/ ", "/") for line in lines]


def _progress(standing: Standing, remaining: Remaining) -> str:
    from advdim.planning.durations import in_words

    training, seconds = standing.training, remaining.of[standing.result]
    parts = [f"{training.done} of {training.epochs} epochs"] if training else []
    parts.append(f"for {in_words(standing.seconds)}")
    if seconds is not None:
        parts.append(f"about {in_words(seconds)} left")
    return ", ".join(parts)


def _said_below(standings: Sequence[Standing], remaining: Remaining) -> Iterator[str]:
    """Yield sentences on how long it takes still, and on what the table does not tell."""
    if remaining.of:
        yield from _how_long(remaining)
    elif any(standing.state == "failed" for standing in standings):
        yield "Every other result is made."
    else:
        yield "Every result is made; tables, figures and report are Snakemake's to renew."
    if outdated := sum(standing.outdated for standing in standings):
        yield f"Waiting, since made with other settings, code or inputs: {outdated:,}."
    if older := sum(standing.older for standing in standings):
        yield f"Networks of older code, which are kept: {older:,}."


def _how_long(remaining: Remaining) -> Iterator[str]:
    from advdim.planning.durations import in_words

    at_once = ""
    if remaining.at_once > 1:
        at_once = f"; {in_words(remaining.wait)} with {remaining.at_once} at once, as now"
    measured = len(remaining.of) - remaining.estimated - remaining.unknown
    told = {
        "Told by finished results of the same kind": measured,
        "guessed, where none of the kind is finished": remaining.estimated,
        "unknown and not counted": remaining.unknown,
    }
    yield f"Left: {in_words(remaining.work)} of work{at_once}."
    yield f"{'; '.join(f'{how}: {count:,}' for how, count in told.items())}."


COMMAND = Command(
    "status",
    "say what of a sweep is made, runs, failed or waits, and how long it takes still",
    "advdim status config.yaml",
    _run,
    _arguments,
)
