"""The stage that trains and measures one cell."""

from __future__ import annotations

import json
import logging
import signal
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from advdim.config import Config
from advdim.data.pixels import load_pixels
from advdim.files import clear_unfinished, write_json
from advdim.measures import SampleMeasures
from advdim.memory import keep_freed_memory
from advdim.networks.build import Shape, build, save_network
from advdim.provenance import commit, hardware, training_code, versions
from advdim.streams import stream
from advdim.sweep import Cell, digest, training_settings
from advdim.tables import write_table
from advdim.training.loop import Interrupted, Trainer, TrainingOutcome
from advdim.training.regularisers import first_order_factor, objective
from advdim.units import to_normalised

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CellFiles:
    """Where a cell's results go."""

    network: Path
    epochs: Path
    samples: Path
    run: Path
    checkpoints: Path


def train_cell(config: Config, cell: Cell, pixels_file: str | Path, files: CellFiles) -> None:
    """Train a cell from its pixels, or from its last checkpoint, and write its four files.

    A diverged cell is a result: its rows so far and its status are written like any other's.
    """
    device = choose_device(config.device)
    float32_only(config.threads)
    for folder in (files.run.parent, files.checkpoints):
        clear_unfinished(folder)
    pixels = load_pixels(pixels_file)
    settings = config.training_of(cell.dataset, cell.network)
    shape = Shape(pixels.channels, pixels.size, len(pixels.class_names))
    owner = tuple(asdict(cell).values())
    network = build(config.networks[cell.network], shape, stream(*owner, "initialisation"))
    method = getattr(config.methods, cell.method).model_dump()
    trainer = Trainer(
        network,
        pixels,
        objective(cell.method, method),
        to_normalised(float(cell.epsilon), settings.epsilon_units, pixels.normalisation),
        settings,
        config.datasets[cell.dataset].augmentation,
        owner,
        device,
        stop_requested=stop_on_signals(signal.SIGTERM, signal.SIGUSR1),
    )
    config_hash = digest(training_settings(config, cell))
    log.info("training %s on %s", cell.directory, hardware(device))
    checkpoint = files.checkpoints / f"{config_hash}-{training_code()}.safetensors"
    try:
        outcome = trainer.train(checkpoint)
    except Interrupted:
        log.warning("stopped by a signal; run again to continue from %s", checkpoint)
        raise SystemExit(128 + signal.SIGTERM) from None
    architecture = config.networks[cell.network]
    save_network(files.network, network, architecture, shape, pixels.normalisation)
    _write_rows(cell, outcome, files)
    run = {
        "status": outcome.status,
        "dimension": pixels.dimension,
        "first_order_factor": first_order_factor(cell.method, method),
        "attack_epsilon": trainer.attack_epsilon,
        "epochs": trainer.state.epoch,
        "seconds": outcome.seconds,
        "device": hardware(device),
        "precision": settings.precision,
        "versions": versions(),
        "commit": commit(),
        "training_code": training_code(),
        "config_hash": config_hash,
        "settings": json.loads(training_settings(config, cell)),
    }
    write_json(files.run, run)
    # Those of other settings or older code as well: the cell is done.
    for left in files.checkpoints.glob("*.safetensors"):
        left.unlink(missing_ok=True)
    log.info("%s after %d epochs, %.1f s", outcome.status, trainer.state.epoch, outcome.seconds)


def _write_rows(cell: Cell, outcome: TrainingOutcome, files: CellFiles) -> None:
    write_table(files.epochs, "epochs", [cell.columns() | row for row in outcome.rows])
    rows = [
        cell.columns() | row
        for split, measures in outcome.samples.items()
        for row in _sample_rows(split, measures)
    ]
    write_table(files.samples, "samples", rows)


def _sample_rows(split: str, measures: SampleMeasures) -> list[dict[str, Any]]:
    names = ("label", "prediction", "loss", "grad_l1", "grad_l2")
    columns = zip(*(getattr(measures, name).tolist() for name in names), strict=True)
    return [
        {"split": split, "sample": sample, **dict(zip(names, values, strict=True))}
        for sample, values in enumerate(columns)
    ]


def choose_device(wanted: str) -> str:
    """Return ``cuda`` or ``cpu``; raises RuntimeError where a wanted GPU is not there."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("Config key 'device' is 'cuda', but no CUDA device is available.")
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted


def float32_only(threads: int) -> None:
    """Fix the thread count and rule out TF32, so that a cell's numbers can be had again.

    The process also keeps its freed memory, which changes its speed alone.
    """
    keep_freed_memory()
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def stop_on_signals(*signals: signal.Signals) -> Callable[[], bool]:
    """Return a function that tells whether one of the signals has come since.

    A scheduler sends them before the end of the allotted time: the state is written then.
    """
    received: list[int] = []
    if threading.current_thread() is threading.main_thread():
        for number in signals:
            signal.signal(number, lambda came, frame: received.append(came))
    return lambda: bool(received)
