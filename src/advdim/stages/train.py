"""The stage that trains and measures one cell."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn

from advdim.catalogue.methods import METHODS, first_order_factor
from advdim.catalogue.networks import NETWORKS
from advdim.config import Config
from advdim.data.batches import first_inputs
from advdim.data.pixels import Pixels, load_pixels
from advdim.files import clear_unfinished
from advdim.measures.checks import network_flags, ordered
from advdim.measures.flags import NOT_FINITE
from advdim.measures.vulnerability import SampleMeasures
from advdim.networks.answers import NO_PREDICTION
from advdim.networks.build import Shape, build, save_network
from advdim.networks.trial import refuse_probabilities
from advdim.runs.provenance import hardware
from advdim.stages.machine import reproducible
from advdim.streams import stream
from advdim.sweep import Cell, training_settings
from advdim.tables import write_table
from advdim.training.loop import Interrupted, Trainer
from advdim.training.regularisers import objective
from advdim.units import to_normalised
from advdim.words import counted

log = logging.getLogger(__name__)
CHECKED_IMAGES = 128
PREDICTIONS = ("prediction", "adversarial_prediction", "label_attack_prediction")


def train_cell(
    config: Config,
    cell: Cell,
    pixels_file: str | Path,
    files: Mapping[str, Path],
    checkpoints: Path,
    *,
    device: str = "cpu",
    threads: int = 1,
    stop_requested: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Train a cell from its pixels, or from its last checkpoint, and write its files.

    ``files`` are those of ``advdim.results.FILES``; ``checkpoints`` is a folder for this training's
    alone, as ``advdim.results.computation`` names it. Returns what is recorded of the training. A
    diverged cell is a result: its rows so far and its status are written like any other's; one
    that raises leaves its rows so far. ``stop_requested`` is called between any two batches; raises
    ``training.loop.Interrupted``, with a checkpoint written, where it says so.
    """
    reproducible(threads)
    clear_unfinished(checkpoints)
    pixels = load_pixels(pixels_file)
    settings = config.training_of(cell.dataset, cell.network)
    shape = Shape(pixels.channels, pixels.size, len(pixels.class_names))
    owner = tuple(asdict(cell).values())
    threshold = to_normalised(settings.measurement.threshold, config.units, pixels.normalisation)
    described = config.networks[cell.network]
    network = build(described, shape, stream(*owner, "initialisation"), pixels.normalisation)
    if described.starts_from_weights:
        refuse_probabilities(network, cell.network, shape)
    method = getattr(config.methods, cell.method).model_dump()
    trainer = Trainer(
        network,
        pixels,
        objective(cell.method, method),
        float(cell.epsilon),
        threshold,
        settings,
        config.datasets[cell.dataset].augmentation,
        owner,
        device,
        stop_requested=stop_requested,
        has_statistics=described.starts_from_weights,
        recorded=cell.method in METHODS and NETWORKS[described.kind].weights is not None,
    )
    log.info("training %s on %s", cell.directory, hardware(device))
    try:
        outcome = trainer.train(checkpoints / "state.safetensors")
    except Interrupted:
        raise
    except Exception:
        _write_epochs(cell, trainer.state.rows, files["epochs"])
        raise
    save_network(files["network"], network, described, shape, pixels.normalisation)
    _write_epochs(cell, outcome.rows, files["epochs"])
    _write_samples(cell, outcome.samples, files["samples"])
    epochs = counted(trainer.state.epoch, "epoch")
    log.info("%s after %s, %.1f s", outcome.status, epochs, outcome.seconds)
    return {
        "status": outcome.status,
        "flags": _flags(network, pixels, outcome.samples, device),
        "dimension": pixels.dimension,
        "first_order_factor": first_order_factor(cell.method, method),
        "attack_threshold": threshold,
        "epochs": trainer.state.epoch,
        "seconds": outcome.seconds,
        "precision": trainer.arithmetic.precision,
        "settings": json.loads(training_settings(config, cell)),
    }


def _flags(
    network: nn.Module, pixels: Pixels, samples: Mapping[str, SampleMeasures], device: str
) -> list[str]:
    """Return what makes the cell's numbers untrustworthy, as seen on the first test images."""
    inputs, _ = first_inputs(pixels, CHECKED_IMAGES, device)
    found = set(network_flags(network.eval(), inputs, CHECKED_IMAGES))
    measured = [getattr(s, name) for s in samples.values() for name in PREDICTIONS]
    if any((predictions == NO_PREDICTION).any() for predictions in measured):
        found.add(NOT_FINITE)
    return ordered(found)


def _write_epochs(cell: Cell, rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    write_table(path, "epochs", [{**cell.columns(), **row} for row in rows])


def _write_samples(cell: Cell, samples: Mapping[str, SampleMeasures], path: Path) -> None:
    rows = [
        cell.columns() | row
        for split, measures in samples.items()
        for row in _sample_rows(split, measures)
    ]
    write_table(path, "samples", rows)


def _sample_rows(split: str, measures: SampleMeasures) -> list[dict[str, Any]]:
    names = ("label", "prediction", "loss", "grad_l1", "grad_l2")
    columns = zip(*(getattr(measures, name).tolist() for name in names), strict=True)
    return [
        {"split": split, "sample": sample, **dict(zip(names, values, strict=True))}
        for sample, values in enumerate(columns)
    ]
