"""The stage that works on several items of another stage in one process, each for itself."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

import torch

from advdim.batches import ATTACK, STAGES, TRAIN, Batch, Item, Stage, pixels_file
from advdim.config import Config
from advdim.files import atomic, file_hash, write_json
from advdim.provenance import commit, hardware, training_code, versions
from advdim.stages.attacks import attack_cell
from advdim.stages.logs import log_to
from advdim.stages.training import CellFiles, choose_device, train_cell
from advdim.stages.watchdog import watched
from advdim.sweep import Cell

log = logging.getLogger(__name__)
# Ends of the process while it worked on one item; after these the item counts as failed.
MOST_ENDS = 2
Compute = Callable[[Config, Item, list[Path]], None]


class NoInputError(Exception):
    """What an item is to be made from is not there, since the stage before failed."""


def run_batch(config: Config, batch: Batch) -> None:
    """Make the results of a batch that are not kept yet; a failed item does not stop the others.

    An item that raises is logged in its own file and left without a result. Errors that are the
    machine's (files, memory, the GPU) and signals end the batch instead, to be tried again; an
    item during which that has happened twice counts as failed itself.
    """
    stage, compute = STAGES[batch.stage], COMPUTE[batch.stage]
    left = [item for item in batch.items if not is_kept(config, stage, item)]
    log.info(
        "%d items, %d of them kept from before", len(batch.items), len(batch.items) - len(left)
    )
    # One that ended the process before comes last, so that it does not stop the others again.
    for item in sorted(left, key=lambda item: _ends(config, stage, item)):
        if _ends(config, stage, item) >= MOST_ENDS:
            _give_up(config, stage, item)
        else:
            _run_item(config, stage, item, compute)


def _run_item(config: Config, stage: Stage, item: Item, compute: Compute) -> None:
    _count_end(config, stage, item, 1)
    try:
        with log_to(stage.log(config, item)):
            compute(config, item, stage.kept(config, item))
    except (OSError, MemoryError, torch.AcceleratorError):
        raise
    except NoInputError as error:
        log.warning("%s", error)
    except Exception:
        log.error("%s failed; see %s", item.directory, stage.log(config, item))
    except (SystemExit, KeyboardInterrupt):
        # Told to stop: no fault of the item.
        _count_end(config, stage, item, -1)
        raise
    _forget_ends(config, stage, item)


def is_kept(config: Config, stage: Stage, item: Item) -> bool:
    """Tell whether a result is kept, complete, from this code and newer than its pixels."""
    *_, record = stage.kept(config, item)
    try:
        content = json.loads(record.read_text())
        fresh = record.stat().st_mtime >= pixels_file(config, item.cell).stat().st_mtime
        if stage.after:
            network, *_ = trained_files(config, item.cell)
            return fresh and content["network_hash"] == file_hash(network)
    except (OSError, ValueError, KeyError, NoInputError):
        return False
    return fresh and content["training_code"] == training_code()


def _give_up(config: Config, stage: Stage, item: Item) -> None:
    path = stage.log(config, item)
    lines = path.read_text(errors="replace").strip().splitlines() if path.exists() else []
    with log_to(path):
        log.error(
            "given up: the process ended %d times during this one; before that: %s",
            MOST_ENDS,
            lines[-1] if lines else "nothing",
        )
    _forget_ends(config, stage, item)


def _ends_file(config: Config, stage: Stage, item: Item) -> Path:
    return stage.kept_folder(config, item) / "ends"


def _ends(config: Config, stage: Stage, item: Item) -> int:
    try:
        return int(_ends_file(config, stage, item).read_text())
    except (OSError, ValueError):
        return 0


def _count_end(config: Config, stage: Stage, item: Item, change: int) -> None:
    count = _ends(config, stage, item) + change
    with atomic(_ends_file(config, stage, item)) as temporary:
        temporary.write_text(str(count))


def _forget_ends(config: Config, stage: Stage, item: Item) -> None:
    _ends_file(config, stage, item).unlink(missing_ok=True)


def _train(config: Config, item: Item, files: list[Path]) -> None:
    network, epochs, samples, run = files
    checkpoints = Path(config.results, "checkpoints", item.cell.directory)
    cell_files = CellFiles(network, epochs, samples, run, checkpoints)
    with watched(config.hang_minutes, TRAIN.log(config, item)) as progress:
        train_cell(config, item.cell, pixels_file(config, item.cell), cell_files, progress)


def trained_files(config: Config, cell: Cell) -> list[Path]:
    """Return a trained cell's files: the kept ones, or those at their place.

    A job may run before the files have been linked; what is at their place may then be that of
    other settings. Raises NoInputError where the cell has no current result.
    """
    item = Item(cell)
    if is_kept(config, TRAIN, item):
        return TRAIN.kept(config, item)
    files = TRAIN.final(config, item)
    try:
        record = json.loads(files[-1].read_text())
    except (OSError, ValueError):
        record = {}
    if record.get("config_hash") != TRAIN.config_hash(config, item):
        raise NoInputError(f"{cell.directory} has no trained network: left out.")
    return files


def _of_network(stage: Stage, function: Callable[..., None]) -> Compute:
    """Make a stage of ``function(config, item, network, pixels, run, output)``.

    It writes one file of rows about a trained network; the record is written here.
    """

    def compute(config: Config, item: Item, files: list[Path]) -> None:
        output, record = files
        network, _, _, run = trained_files(config, item.cell)
        started = time.monotonic()
        function(config, item, network, pixels_file(config, item.cell), run, output)
        content = {
            "config_hash": stage.config_hash(config, item),
            "network_hash": file_hash(network),
            "seconds": time.monotonic() - started,
            "device": hardware(choose_device(config.device)),
            "versions": versions(),
            "commit": commit(),
        }
        write_json(record, content)

    return compute


def _attack(config: Config, item: Item, *files: Path) -> None:
    attack_cell(config, item.cell, item.part, *files)


# A stage more is an entry here, one in advdim.batches.STAGES, and two rules as in attack.smk.
COMPUTE: dict[str, Compute] = {"train": _train, "attack": _of_network(ATTACK, _attack)}
