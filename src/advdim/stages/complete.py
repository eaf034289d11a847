"""The last stage: every result is there and current, or its name is told."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from advdim.config import Config
from advdim.files import atomic
from advdim.records import failed_itself, read_record
from advdim.results import Result, all_results, inputs_of, is_current, is_older
from advdim.words import counted

log = logging.getLogger(__name__)
# More names than these are in the file alone.
MOST_SHOWN = 10


def check_complete(config: Config, command: str) -> None:
    """Tell what has failed, is out of date, or was trained by older code.

    ``command`` is the Snakemake command of the run without its targets. Ends the process with
    status 1 where something has failed or is out of date; the names of all, and the commands that
    make just them again, are then in ``failed.txt`` beside the results.
    """
    failed: list[Result] = []
    outdated: list[Result] = []
    older: list[Result] = []
    results = list(all_results(config))
    for result in results:
        record = read_record(result.record(config))
        if record is None or not is_current(config, result, record, inputs_of(config, result)):
            by_itself = record is not None and failed_itself(record)
            (failed if by_itself else outdated).append(result)
        elif is_older(config, result, record):
            older.append(result)
    if older:
        every = len(older) == sum(result.stage == "train" for result in results)
        _tell(_older(older, f"{command} -R {'train' if every else _records(config, older)}"))
    path = Path(config.results, "failed.txt")
    if not (failed or outdated):
        path.unlink(missing_ok=True)
        print(f"Report in {config.results}/report.html, tables in {config.results}/tables.")
        return
    lines = [*_failed(config, failed, command), *_outdated(config, outdated, command)]
    with atomic(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n")
    _tell([*lines, f"This list is in {path}."])
    log.error("%d failed, %d out of date: see %s", len(failed), len(outdated), path)
    sys.exit(1)


def _older(results: list[Result], command: str) -> list[str]:
    was, is_, it = ("was", "is", "it") if len(results) == 1 else ("were", "are", "them")
    return [
        f"{counted(len(results), 'network')} {was} trained by older code and {is_} kept; "
        f"this command trains {it} again:",
        f"  {command}",
        *(result.name for result in results),
    ]


def _failed(config: Config, results: list[Result], command: str) -> Iterator[str]:
    if not results:
        return
    yield f"{len(results)} failed; everything else is made and names them:"
    for result in results:
        record = read_record(result.record(config))
        assert record is not None
        yield f"  {result.stage} {result.name}: {record['error']}; see {result.log(config)}"
    yield "The same run tries them again and nothing else; this command just them:"
    yield f"  {command} -- {_records(config, results)}"


def _outdated(config: Config, results: list[Result], command: str) -> Iterator[str]:
    if not results:
        return
    are = "is" if len(results) == 1 else "are"
    yield (
        f"{counted(len(results), 'result')} {are} not of the present settings, code or images, and "
        "Snakemake has lost what it knew of them (.snakemake), or was told not to look "
        "(--rerun-triggers); this command makes them again:"
    )
    yield f"  {command} -R {_records(config, results)}"


def _records(config: Config, results: list[Result]) -> str:
    return shlex.join(str(result.record(config)) for result in results)


def _tell(lines: list[str]) -> None:
    shown = lines if len(lines) <= 2 * MOST_SHOWN else [*lines[:MOST_SHOWN], "...", *lines[-3:]]
    print(*shown, sep="\n", file=sys.stderr)
