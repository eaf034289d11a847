"""Several short results in one job: which are waiting, and how they share jobs; imports no torch.

A result that a job has made is first kept outside of the workflow's outputs, since Snakemake
deletes what a failed job was to write; a second, local job then links it to its place.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from itertools import groupby
from pathlib import Path

from advdim.config import Config
from advdim.costs import attack_seconds, gpu_megabytes, memory_megabytes, training_seconds
from advdim.provenance import ATTACK_CODE, source_hash
from advdim.sweep import (
    Cell,
    attack_settings,
    attacked_cells,
    digest,
    experiments_by_cell,
    training_settings,
)


@dataclass(frozen=True)
class Item:
    """One result of a per-cell stage: a cell's, or one of several as an attack's on that cell."""

    cell: Cell
    part: str = ""

    @property
    def directory(self) -> str:
        """The item's place below the folders of logs, kept results and tickets."""
        return f"{self.cell.directory}/{self.part}" if self.part else self.cell.directory


@dataclass(frozen=True)
class Stage:
    """A per-cell stage: its files below the cell's folder, of which the last is its record.

    The record is a JSON file, written when the others are complete; its ``config_hash`` is the
    digest of ``settings(config, item)``. ``after`` is the stage whose results this one reads.
    """

    name: str
    files: tuple[str, ...]
    items: Callable[[Config], Iterable[Item]]
    settings: Callable[[Config, Item], str]
    seconds: Callable[[Config, Item], float]
    after: Stage | None = None

    def config_hash(self, config: Config, item: Item) -> str:
        """Return the digest of all settings that a result depends on."""
        return digest(self.settings(config, item))

    def final(self, config: Config, item: Item) -> list[Path]:
        """Return the files of a result at their place in the tree of cells."""
        folder = Path(config.results, "cells", item.cell.directory)
        return [folder / file.format(part=item.part) for file in self.files]

    def kept(self, config: Config, item: Item) -> list[Path]:
        """Return the same files where they are kept until they are linked to their place."""
        folder = self.kept_folder(config, item) / self.config_hash(config, item)
        return [folder / path.name for path in self.final(config, item)]

    def kept_folder(self, config: Config, item: Item) -> Path:
        """Return the folder of an item's kept results, one folder per settings in it."""
        return Path(config.results, "kept", self.name, item.directory)

    def log(self, config: Config, item: Item) -> Path:
        """Return an item's own log file."""
        return Path(config.results, "logs", self.name, f"{item.directory}.log")


@cache
def _attack_code() -> str:
    return source_hash(*ATTACK_CODE)


TRAIN = Stage(
    name="train",
    files=("network.safetensors", "epochs.parquet", "samples.parquet", "run.json"),
    items=lambda config: map(Item, experiments_by_cell(config)),
    settings=lambda config, item: training_settings(config, item.cell),
    seconds=lambda config, item: training_seconds(config, item.cell),
)
ATTACK = Stage(
    name="attack",
    files=("attacks/{part}.parquet", "attacks/{part}.json"),
    items=lambda config: (Item(cell, attack) for cell, attack in attacked_cells(config)),
    # Not the registry's code: one more attack in it must not run the others again.
    settings=lambda config, item: (
        attack_settings(config, item.cell.network, item.part) + _attack_code()
    ),
    seconds=lambda config, item: attack_seconds(config, item.cell, item.part),
    after=TRAIN,
)
STAGES = {stage.name: stage for stage in (TRAIN, ATTACK)}


@dataclass(frozen=True)
class Batch:
    """The items that one job works on: of one stage, dataset, network and size."""

    stage: str
    items: tuple[Item, ...]
    hashes: tuple[str, ...]

    @property
    def name(self) -> str:
        """A name that depends on the items and their settings alone."""
        parts = zip((item.directory for item in self.items), self.hashes, strict=True)
        return digest("\n".join([self.stage, *map(" ".join, parts)]))

    def to_json(self) -> str:
        """Return the batch as text, for the job that reads it on another machine."""
        items = [{"cell": asdict(item.cell), "part": item.part} for item in self.items]
        return json.dumps({"stage": self.stage, "items": items, "hashes": self.hashes})

    @classmethod
    def from_json(cls, text: str) -> Batch:
        """Read what ``to_json`` wrote."""
        content = json.loads(text)
        items = tuple(Item(Cell(**item["cell"]), item["part"]) for item in content["items"])
        return cls(content["stage"], items, tuple(content["hashes"]))


def batch_minutes(config: Config, batch: Batch, attempt: int) -> int:
    """Return the minutes to ask for: twice the estimate, ten at least, more at each attempt."""
    stage = STAGES[batch.stage]
    seconds = sum(stage.seconds(config, item) for item in batch.items)
    return math.ceil(attempt * (10 + 2 * seconds / 60))


def batch_megabytes(config: Config, batch: Batch, attempt: int) -> int:
    """Return the memory to ask for: that of the largest cell, as they take turns."""
    return max(memory_megabytes(config, item.cell, attempt) for item in batch.items)


def batch_gpu_megabytes(config: Config, batch: Batch, attempt: int) -> int:
    """Return the GPU memory that a job takes while it runs."""
    return max(gpu_megabytes(config, item.cell, attempt) for item in batch.items)


def waiting(config: Config, stage: Stage, forced: Container[str] = ()) -> list[Item]:
    """Return the items of a stage that have no current result in the tree of cells.

    These may be run: where a result has other settings, is older than what it was made from, or
    is missing. All are, of stages that a user has ``forced``, and all that are made from them.
    """
    items = list(stage.items(config))
    if stage.name in forced:
        return items
    before = set(waiting(config, stage.after, forced)) if stage.after else set()
    pixels: dict[tuple[str, int], float] = {}
    found = []
    for item in items:
        key = item.cell.dataset, item.cell.size
        if key not in pixels:
            pixels[key] = _time_of_pixels(config, *key)
        if Item(item.cell) in before or not _current(config, stage, item, pixels[key]):
            found.append(item)
    return found


def pixels_file(config: Config, cell: Cell) -> Path:
    """Return the file of a cell's pixels."""
    return Path(
        config.results, "pixels", f"dataset={cell.dataset}", f"size={cell.size}.safetensors"
    )


def _time_of_pixels(config: Config, dataset: str, size: int) -> float:
    """Return when the pixels, or where they are gone the images, last changed.

    Never, in effect, where the images are gone or newer than the pixels.
    """
    path = pixels_file(config, Cell(dataset, "", size, "", "", 0))
    try:
        sources = [Path(file).stat().st_mtime for file in config.datasets[dataset].files()]
    except OSError:
        return float("inf")
    changed = max(sources, default=0.0)
    if not path.exists():
        return changed
    made = path.stat().st_mtime
    return made if made >= changed else float("inf")


def _current(config: Config, stage: Stage, item: Item, pixels: float) -> bool:
    files = stage.final(config, item)
    inputs = [pixels]
    try:
        record = json.loads(files[-1].read_text())
        made = min(file.stat().st_mtime for file in files)
        if stage.after:
            read = stage.after.final(config, Item(item.cell))
            inputs += [file.stat().st_mtime for file in read]
    except (OSError, ValueError):
        return False
    return record.get("config_hash") == stage.config_hash(config, item) and made >= max(inputs)


def compose(config: Config, stage: Stage, items: Iterable[Item]) -> list[Batch]:
    """Put items into batches: of one dataset, network and size, and all of a cell together."""
    by_kind: dict[tuple[str, str, int], dict[Cell, list[Item]]] = {}
    for item in items:
        kind = item.cell.dataset, item.cell.network, item.cell.size
        by_kind.setdefault(kind, {}).setdefault(item.cell, []).append(item)
    batches = []
    for cells in by_kind.values():
        for chunk in _chunks(config, stage, list(cells.values())):
            together = tuple(item for of_cell in chunk for item in of_cell)
            hashes = tuple(stage.config_hash(config, item) for item in together)
            batches.append(Batch(stage.name, together, hashes))
    return batches


def _chunks(config: Config, stage: Stage, cells: list[list[Item]]) -> Iterator[list[list[Item]]]:
    """Yield consecutive cells that together are as many, or take as long, as configured."""
    limit = config.cells_per_job
    if limit == "auto":
        # One that is longer than a whole job gets a job of its own.
        target, filled, job = config.minutes_per_job * 60, 0.0, 0
        jobs = []
        for cell in cells:
            seconds = sum(stage.seconds(config, item) for item in cell)
            if filled and filled + seconds > target:
                job, filled = job + 1, 0.0
            filled += seconds
            jobs.append(job)
        for _, members in groupby(zip(jobs, cells, strict=True), key=lambda pair: pair[0]):
            yield [cell for _, cell in members]
    else:
        for start in range(0, len(cells), limit):
            yield cells[start : start + limit]


def clear_claimed(config: Config) -> None:
    """Remove kept results that are at their place by now, or of no use to this sweep.

    What stays is what a killed job left and nobody has claimed yet: results of this sweep under
    its present settings.
    """
    root = Path(config.results, "kept")
    if not root.exists():
        return
    unclaimed = {
        stage.kept(config, item)[-1].parent
        for stage in STAGES.values()
        for item in waiting(config, stage)
    }
    for path in sorted([root, *root.rglob("*")], key=lambda path: len(path.parts), reverse=True):
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.parent not in unclaimed:
            path.unlink(missing_ok=True)
