"""The plan before the bill: what a sweep would run, for how long, and what it already has."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from advdim.config import Config
from advdim.networks.build import build
from advdim.planning.costs import (
    GPU_PASS_OVERHEAD,
    GPU_TERAFLOPS,
    GPU_UTILISATION,
    MEASURING_PASSES,
    attack_passes,
    attack_seconds,
    gpu_multiply_adds_per_second,
    measured_images,
    measuring_passes,
    trained_images,
    training_seconds,
)
from advdim.planning.durations import in_words
from advdim.planning.starts import jobs_at_once, jobs_of, processors, starting_seconds
from advdim.planning.timing import StepTimes, time_steps
from advdim.planning.usual import usual_shape
from advdim.records import Record, read_record
from advdim.results import Result, all_results, inputs_of, is_current, is_older
from advdim.runs.memory import keep_freed_memory
from advdim.runs.provenance import hardware
from advdim.streams import stream
from advdim.sweep import Cell, experiments_by_cell, prepared_pixels
from advdim.words import counted

# Stages of which only the starts are estimated.
UNCOUNTED = {"bounds": "lower bounds", "initialisation": "networks at initialisation"}


def make_plan(config: Config, gpu: str = "a100") -> str:
    """Return, as text, what would run: cells and attacks, hours here and on a GPU, disk.

    A step of every (dataset, network, size, method) is timed here and now; the hours on ``gpu``,
    a key of ``advdim.planning.costs.GPU_TERAFLOPS``, rest on the assumption that the text states.
    """
    cells = list(experiments_by_cell(config))
    done, older = _recorded(config)
    waiting_cells = [cell for cell in cells if cell not in done]
    results = list(all_results(config))
    attacks = [result for result in results if result.stage == "attack"]
    waiting = [result for result in results if _waits(config, result, done)]
    waiting_attacks = [result for result in waiting if result.stage == "attack"]
    threads = torch.get_num_threads()
    # As in the jobs, which it makes faster by half at larger sizes.
    keep_freed_memory()
    torch.set_num_threads(config.threads)
    try:
        kinds = dict.fromkeys(
            map(_kind, [*waiting_cells, *(attack.cell for attack in waiting_attacks)])
        )
        times = {kind: time_steps(config, *kind) for kind in kinds}
    finally:
        torch.set_num_threads(threads)
    seconds = {cell: _seconds(config, cell, times[_kind(cell)]) for cell in waiting_cells}
    attacking = sum(_attack_seconds(config, attack, times) for attack in waiting_attacks)
    work, longest = sum(seconds.values()) + attacking, max(seconds.values(), default=0.0)
    lines = [
        f"{counted(len(cells), 'cell')}: {len(done)} done, {len(waiting_cells)} to train.",
        *_attack_count(len(attacks), len(waiting_attacks)),
        f"{in_words(work)} of one worker with {counted(config.threads, 'thread')} on "
        f"{hardware('cpu')}, measured now; the longest cell takes {in_words(longest)}.",
        *_by_size(seconds),
        *([f"  attacks: {in_words(attacking)}, from their passes"] if waiting_attacks else []),
        *_with_starts(config, waiting, work, longest),
        _on_gpu(config, gpu, waiting_cells, waiting_attacks),
        f"{_disk(config, cells) / 1e6:,.0f} MB of pixels and networks on disk in the end.",
        *_other_devices(done),
    ]
    return "\n".join([*lines, *_of_older_code(older)])


def _of_older_code(cells: list[Cell]) -> Iterator[str]:
    if cells:
        was, is_ = ("was", "is") if len(cells) == 1 else ("were", "are")
        yield f"{counted(len(cells), 'cell')} {was} trained by older code and {is_} kept:"
        yield from (f"  {cell.directory}" for cell in cells)


def _attack_count(attacks: int, to_run: int) -> Iterator[str]:
    if attacks:
        on = "a cell" if attacks == 1 else "cells"
        yield f"{counted(attacks, 'attack')} on {on}: {attacks - to_run} done, {to_run} to run."


def _waits(config: Config, result: Result, done: Mapping[Cell, Record]) -> bool:
    """Whether a result is not there, or not of the present settings and code."""
    if result.stage == "train":
        return result.cell not in done
    if result.stage == "pixels":
        # Whether they are of the present images is not asked: there may be millions.
        return read_record(result.record(config)) is None
    untrained = result.stage in {"attack", "bounds"} and result.cell not in done
    return untrained or _current_record(config, result) is None


def _with_starts(
    config: Config, waiting: Sequence[Result], work: float, longest: float
) -> Iterator[str]:
    """Yield how long a run takes here with the starts of its jobs, some of them at once."""
    jobs = jobs_of(config, waiting)
    if not jobs:
        return
    starts, at_once = starting_seconds(jobs), jobs_at_once(config)
    yield (
        f"  starting {counted(jobs.total(), 'job')}, each a process of its own: "
        f"{in_words(starts)} of one worker"
    )
    wall = max((work + starts) / at_once, longest)
    yield (
        f"About {in_words(wall)} from start to end here, {at_once} at once on "
        f"{counted(processors(), 'processor')}{_uncounted(jobs)}."
    )


def _uncounted(jobs: Mapping[str, int]) -> str:
    words = [word for stage, word in UNCOUNTED.items() if jobs[stage]]
    return f"; what {' and '.join(words)} compute comes on top" if words else ""


def _attack_seconds(config: Config, attack: Result, times: dict[Any, StepTimes]) -> float:
    """Scale the modelled time of an attack by what a measurement's passes took here."""
    cell = attack.cell
    measurement = config.training_of(cell.dataset, cell.network).measurement
    per_pass = times[_kind(cell)].measuring / (measurement.steps + MEASURING_PASSES)
    return attack_passes(config, cell, attack.wildcards["attack"]) * per_pass


def _on_gpu(config: Config, gpu: str, cells: list[Cell], attacks: list[Result]) -> str:
    rate = gpu_multiply_adds_per_second(gpu)
    there = config.model_copy(update={"multiply_adds_per_second": rate})
    seconds = sum(training_seconds(there, cell, GPU_PASS_OVERHEAD) for cell in cells)
    seconds += sum(
        attack_seconds(there, attack.cell, attack.wildcards["attack"], GPU_PASS_OVERHEAD)
        for attack in attacks
    )
    return (
        f"{in_words(seconds)} on one {gpu}, by {GPU_UTILISATION:.0%} of its "
        f"{GPU_TERAFLOPS[gpu]:g} TFLOPS in float32 and {GPU_PASS_OVERHEAD * 1000:g} ms a pass, "
        "as measured on an h100, without the starts of jobs."
    )


def _kind(cell: Cell) -> tuple[str, str, int, str]:
    return cell.dataset, cell.network, cell.size, cell.method


def _recorded(config: Config) -> tuple[dict[Cell, Record], list[Cell]]:
    """Return the records of cells that are current, and those of them that are of older code."""
    done, older = {}, []
    for result in all_results(config):
        record = _current_record(config, result) if result.stage == "train" else None
        if record is not None and record["status"] != "failed":
            done[result.cell] = record
            if is_older(config, result, record):
                older.append(result.cell)
    return done, older


def _current_record(config: Config, result: Result) -> Record | None:
    record = read_record(result.record(config))
    return record if is_current(config, result, record, inputs_of(config, result)) else None


def _seconds(config: Config, cell: Cell, times: StepTimes) -> float:
    measurement = config.training_of(cell.dataset, cell.network).measurement
    timed = measurement.steps + MEASURING_PASSES
    measured = measured_images(config, cell) * measuring_passes(measurement) / timed
    return trained_images(config, cell) * times.training + measured * times.measuring


def _by_size(seconds: dict[Cell, float]) -> Iterator[str]:
    groups: dict[tuple[str, int], list[float]] = defaultdict(list)
    for cell, estimate in seconds.items():
        groups[cell.network, cell.size].append(estimate)
    for (network, size), estimates in groups.items():
        total = in_words(sum(estimates))
        yield f"  {network} at {size} pixels: {counted(len(estimates), 'cell')}, {total}"


def _other_devices(done: dict[Cell, Record]) -> Iterator[str]:
    spent: dict[str, list[float]] = defaultdict(list)
    for run in done.values():
        spent[run["device"]].append(run["seconds"])
    for device, seconds in spent.items():
        yield f"Done so far on {device}: {counted(len(seconds), 'cell')}, {in_words(sum(seconds))}."


def _disk(config: Config, cells: list[Cell]) -> float:
    """Return bytes: uint8 pixels as stored, and float32 weights of every network."""
    pixels = 0
    for name, size in prepared_pixels(config):
        dataset = config.datasets[name]
        edge = min(size, dataset.native_edge or size)
        pixels += sum(dataset.image_counts()) * dataset.usual_channels * edge**2
    weights = 0
    kinds = Counter((cell.dataset, cell.network, cell.size) for cell in cells)
    for (name, network, size), count in kinds.items():
        shape = usual_shape(config, name, size)
        module = build(config.networks[network], shape, stream("plan"))
        weights += 4 * count * sum(p.numel() for p in module.parameters())
    return pixels + weights
