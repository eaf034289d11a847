"""A cell's state between two batches, in one safetensors file that is written atomically."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from advdim.data.pixels import SPLITS
from advdim.measures.vulnerability import SampleMeasures
from advdim.tensor_files import DamagedFileError, read_tensors, write_tensors
from advdim.training.descent import Descent

log = logging.getLogger(__name__)
PROGRESS = (
    "epoch",
    "batch",
    "images_seen",
    "best_accuracy",
    "rows",
    "seconds",
)


@dataclass
class TrainingState:
    """All that training carries from one batch to the next.

    Random streams are named by cell, purpose and epoch; only ``attack``, the training attack's,
    and PyTorch's own, which a network may draw from, have a state worth keeping within an epoch,
    as replaying their draws would mean learning again.
    ``objective_sum`` stays on the device, in float64: a step waits for nothing.
    """

    network: nn.Module
    descent: Descent
    attack: torch.Generator
    objective_sum: torch.Tensor
    epoch: int = 0
    batch: int = 0
    images_seen: int = 0
    best_accuracy: float = -1.0
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    samples: dict[str, SampleMeasures] = field(default_factory=dict)
    seconds: float = 0.0

    def remember_if_best(self, accuracy: float) -> None:
        """Keep a copy of the weights where the validation accuracy is the best so far."""
        if accuracy > self.best_accuracy:
            self.best_accuracy = accuracy
            weights = self.network.state_dict().items()
            self.best_weights = {name: value.detach().clone() for name, value in weights}


def save_checkpoint(path: Path, state: TrainingState) -> None:
    """Write the state; a reader sees the old file or the new one, never a part.

    A checkpoint that cannot be written is reported and forgone: it costs time, not the cell.
    """
    tensors = {f"network.{name}": value for name, value in state.network.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in state.best_weights.items()}
    parameters = dict(state.network.named_parameters())
    for name, parameter in parameters.items():
        if parameter in state.descent.velocities:
            tensors[f"velocity.{name}"] = state.descent.velocities[parameter]
    for split, measures in state.samples.items():
        tensors |= {f"samples.{split}.{name}": value for name, value in vars(measures).items()}
    tensors |= {"objective_sum": state.objective_sum, "attack": state.attack.get_state()}
    tensors |= {f"drawn.{name}": value for name, value in _own_streams(state).items()}
    progress = {name: getattr(state, name) for name in PROGRESS}
    try:
        write_tensors(path, tensors, progress)
    except OSError as error:
        log.warning("Checkpoint %s cannot be written (%s); training goes on.", path, error)


def resume(path: Path, state: TrainingState) -> bool:
    """Bring ``state`` to the checkpoint at ``path``; return False where there is none to use.

    A damaged checkpoint costs the time since the start, not the cell: it is reported and ignored.
    """
    if not path.exists():
        return False
    try:
        tensors, progress = read_tensors(path)
    except DamagedFileError as error:
        log.warning("Checkpoint %s is damaged (%s); the cell starts again.", path, error)
        return False
    weights = _part(tensors, "network")
    state.network.load_state_dict(weights)
    device = next(iter(state.network.state_dict().values())).device
    state.best_weights = {name: t.to(device) for name, t in _part(tensors, "best").items()}
    parameters = dict(state.network.named_parameters())
    for name, velocity in _part(tensors, "velocity").items():
        # It takes the parameter's memory layout, as it would have had without a stop.
        kept = torch.empty_like(parameters[name], requires_grad=False).copy_(velocity)
        state.descent.velocities[parameters[name]] = kept
    state.objective_sum.copy_(tensors["objective_sum"])
    state.attack.set_state(tensors["attack"])
    _set_own_streams(state, _part(tensors, "drawn"))
    samples = _part(tensors, "samples")
    for split in SPLITS:
        if measures := _part(samples, split):
            state.samples[split] = SampleMeasures(**measures)
    for name in PROGRESS:
        setattr(state, name, progress[name])
    return True


def _own_streams(state: TrainingState) -> dict[str, torch.Tensor]:
    """Return the state of PyTorch's own streams, on the processor and on the device."""
    streams = {"cpu": torch.get_rng_state()}
    if state.attack.device.type == "cuda":
        streams["cuda"] = torch.cuda.get_rng_state(state.attack.device)
    return streams


def _set_own_streams(state: TrainingState, streams: dict[str, torch.Tensor]) -> None:
    torch.set_rng_state(streams["cpu"])
    if state.attack.device.type == "cuda":
        torch.cuda.set_rng_state(streams["cuda"], state.attack.device)


def _part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    start = prefix + "."
    return {name.removeprefix(start): t for name, t in tensors.items() if name.startswith(start)}
