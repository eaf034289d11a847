"""The training loop of one cell: optimiser, schedule, measurements and checkpoints."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn
from tqdm import tqdm

from advdim.config.data import Augmentation
from advdim.config.training import Training
from advdim.data.batches import Batches
from advdim.data.pixels import SPLITS, Pixels
from advdim.measures import SampleMeasures, accuracy, measure
from advdim.streams import stream
from advdim.training.checkpoint import TrainingState, resume, save_checkpoint
from advdim.training.regularisers import Objective
from advdim.units import to_normalised

log = logging.getLogger(__name__)
MEASURED_SPLITS = ("train", "test")


@dataclass(frozen=True)
class TrainingOutcome:
    """A finished cell: its rows (one per epoch and split) and the last sample measurements."""

    status: Literal["done", "diverged"]
    rows: list[dict[str, Any]]
    samples: dict[str, SampleMeasures]
    seconds: float


class Trainer:
    """Trains one network; ``train`` reads from top to bottom as the algorithm."""

    def __init__(
        self,
        network: nn.Module,
        pixels: Pixels,
        objective: Objective,
        epsilon: float,
        settings: Training,
        augmentation: Augmentation,
        owner: tuple[object, ...],
        device: torch.device | str = "cpu",
    ) -> None:
        """Take a network, its data, and ``objective(network, inputs, targets, epsilon, random)``.

        ``epsilon`` is in normalised units; ``owner`` names the random streams.
        """
        self.network = network.to(device)
        self.batches = {split: Batches(pixels, split, device) for split in SPLITS}
        self.objective = objective
        self.epsilon = epsilon
        self.settings = settings
        self.augmentation = augmentation
        self.owner = owner
        self.device = torch.device(device)
        attack = settings.measurement
        self.attack_epsilon = to_normalised(
            attack.epsilon, attack.epsilon_units, pixels.normalisation
        )
        optimiser = torch.optim.SGD(
            network.parameters(),
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
        )
        self.state = TrainingState(self.network, optimiser)
        self.samples: dict[str, SampleMeasures] = {}

    def train(
        self,
        checkpoint: Path | None = None,
        checkpoint_seconds: float = 120.0,
        after_epoch: Callable[[int], None] = lambda epoch: None,
    ) -> TrainingOutcome:
        """Train to the end, from the checkpoint where there is one.

        Each epoch: halve the learning rate if it is time and go back to the best weights; one
        pass of SGD; validate; measure if this epoch is measured. A loss that is not finite ends
        the cell as ``diverged``, with its rows so far.
        """
        state, settings = self.state, self.settings
        saved = started = time.monotonic()
        if checkpoint and resume(checkpoint, state):
            log.info("resumed after %d of %d epochs", state.epoch, settings.epochs)
            started -= state.seconds
        else:
            self._fill_batch_norm_statistics()
            self._measure(epoch=-1, seconds=0.0)
        status: Literal["done", "diverged"] = "done"
        for epoch in tqdm(range(state.epoch, settings.epochs), desc="epochs", disable=None):
            loss = self._train_epoch(epoch)
            state.epoch, state.seconds = epoch + 1, time.monotonic() - started
            if not math.isfinite(loss):
                log.warning("epoch %d: the loss is %s; the cell has diverged", epoch, loss)
                status = "diverged"
                break
            validation = accuracy(
                self.network, self.batches["validation"].ordered(settings.measurement.batch_size)
            )
            state.remember_if_best(validation)
            log.info(
                "epoch %d/%d: objective %.4f, validation accuracy %.4f, %.1f s",
                epoch + 1, settings.epochs, loss, validation, state.seconds,
            )  # fmt: skip
            if settings.measured(epoch):
                self._measure(epoch, state.seconds)
            # The last epoch is not stored: its sample measurements are not in a checkpoint.
            due = time.monotonic() - saved >= checkpoint_seconds
            if checkpoint and due and state.epoch < settings.epochs:
                save_checkpoint(checkpoint, state)
                saved = time.monotonic()
            after_epoch(epoch)
        return TrainingOutcome(status, state.rows, self.samples, state.seconds)

    def learning_rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, halved every ``halve_every`` epochs."""
        return float(self.settings.learning_rate * 0.5 ** (epoch // self.settings.halve_every))

    def _train_epoch(self, epoch: int) -> float:
        """Make one pass over the training images; return the mean objective."""
        state, settings = self.state, self.settings
        halving = epoch > 0 and epoch % settings.halve_every == 0
        if halving and settings.reload_best and state.best_weights:
            # The momentum is kept, as in the authors' code.
            self.network.load_state_dict(state.best_weights)
        for group in state.optimiser.param_groups:
            group["lr"] = self.learning_rate(epoch)
        order = stream(*self.owner, "batch order and augmentation", epoch)
        attack = stream(*self.owner, "training attack", epoch, device=self.device)
        self.network.train()
        total, count = torch.zeros((), device=self.device), 0
        for inputs, labels in self.batches["train"].shuffled(
            settings.batch_size, self.augmentation, order
        ):
            objective = self.objective(self.network, inputs, labels, self.epsilon, random=attack)
            state.optimiser.zero_grad(set_to_none=True)
            objective.backward()
            state.optimiser.step()
            total += objective.detach() * len(labels)
            count += len(labels)
        return float(total) / count

    @torch.no_grad()
    def _fill_batch_norm_statistics(self) -> None:
        """Make one pass in training mode without learning, before anything is measured."""
        self.network.train()
        order = stream(*self.owner, "batch norm pass")
        for inputs, _ in self.batches["train"].shuffled(
            self.settings.batch_size, self.augmentation, order
        ):
            self.network(inputs)

    def _measure(self, epoch: int, seconds: float) -> None:
        """Add a row for train and for test, measured alike: same number, no augmentation."""
        settings = self.settings.measurement
        count = settings.images or len(self.batches["test"])
        for split in MEASURED_SPLITS:
            self.samples[split] = measure(
                self.network,
                self.batches[split].ordered(settings.batch_size, count),
                settings,
                self.attack_epsilon,
                noise=stream(split, "tie noise"),
                start=stream(*self.owner, split, "test attack", device=self.device),
            )
            self.state.rows.append(
                {
                    "epoch": epoch,
                    "split": split,
                    **self.samples[split].averages(),
                    "learning_rate": self.learning_rate(max(epoch, 0)),
                    "seconds": seconds,
                    "summarised": epoch >= 0 and self.settings.summarised(epoch),
                }
            )
