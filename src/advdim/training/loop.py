"""The training loop of one cell: descent, schedule, measurements and checkpoints."""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from torch import nn
from tqdm import tqdm

from advdim.config.data import Augmentation
from advdim.config.training import Training
from advdim.data.batches import Batches
from advdim.data.pixels import SPLITS, Pixels
from advdim.measures.vulnerability import SampleMeasures, accuracy, measure
from advdim.networks.build import to_device
from advdim.networks.precision import arithmetic, float32_only, precision_used
from advdim.streams import stream, stream_seed
from advdim.training.checkpoint import TrainingState, resume, save_checkpoint
from advdim.training.descent import Descent
from advdim.training.recording import Recorded, recordable_stream
from advdim.training.regularisers import Objective

log = logging.getLogger(__name__)
MEASURED_SPLITS = ("train", "test")
T = TypeVar("T")


class Interrupted(Exception):
    """Training was asked to stop; the checkpoint holds all that was done."""


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
        attack_threshold: float,
        settings: Training,
        augmentation: Augmentation,
        owner: tuple[object, ...],
        device: torch.device | str = "cpu",
        checkpoint_seconds: float = 120.0,
        stop_requested: Callable[[], bool] = lambda: False,
        has_statistics: bool = False,
        recorded: bool = False,
    ) -> None:
        """Take a network, its data, and an objective of ``training.regularisers``.

        ``epsilon`` and ``attack_threshold``, l-inf, are in normalised units; ``owner`` names the
        random streams. Between batches, ``stop_requested`` is asked and, every
        ``checkpoint_seconds``, the state is written. A network that ``has_statistics`` brings those
        of its batch norms, as pre-trained ones do. ``recorded`` says that a GPU may repeat a
        step from a recording: network and objective neither wait for it nor look into tensors.
        """
        self.arithmetic = arithmetic(precision_used(settings.precision, device), network)
        precision = self.arithmetic.precision
        self.network = to_device(network, device, precision)
        self.batches = {split: Batches(pixels, split, device, precision) for split in SPLITS}
        self.objective = objective
        self.epsilon = epsilon
        self.settings = settings
        self.augmentation = augmentation
        self.owner = owner
        self.device = torch.device(device)
        self.checkpoint_seconds = checkpoint_seconds
        self.stop_requested = stop_requested
        self.attack_threshold = attack_threshold
        self.has_statistics = has_statistics
        self.recorded = recorded and self.device.type == "cuda"
        self.state = TrainingState(
            self.network,
            Descent(network.parameters(), settings.momentum, settings.weight_decay),
            attack=torch.Generator(self.device),
            objective_sum=torch.zeros((), dtype=torch.float64, device=self.device),
        )
        self._rate = math.nan
        self._step: Callable[[torch.Tensor, torch.Tensor], None] = self._learn
        self._checkpoint: Path | None = None
        self._started = self._saved = time.monotonic()

    def train(self, checkpoint: Path | None = None) -> TrainingOutcome:
        """Train to the end, from the checkpoint where there is one.

        Each epoch: halve the learning rate if it is time and go back to the best weights; one
        pass of SGD; validate; measure if this epoch is measured. A loss that is not finite, or
        a network that answers no image, ends the cell as ``diverged``, with its rows so far. Raises
        Interrupted, after writing the checkpoint, where ``stop_requested`` says so.
        """
        float32_only()
        devices = [self.device] if self.device.type == "cuda" else []
        with recordable_stream(self.device), torch.random.fork_rng(devices=devices):
            return self._train(checkpoint)

    def _train(self, checkpoint: Path | None) -> TrainingOutcome:
        state, settings = self.state, self.settings
        self._checkpoint, self._saved = checkpoint, time.monotonic()
        resumed = bool(checkpoint and resume(checkpoint, state))
        self._started = time.monotonic() - state.seconds
        if resumed:
            log.info("resumed at batch %d of epoch %d", state.batch, state.epoch + 1)
        status: Literal["done", "diverged"] = "done"
        try:
            if not resumed:
                if not self.has_statistics:
                    self._fill_batch_norm_statistics()
                self._measure(epoch=-1)
            for epoch in tqdm(range(state.epoch, settings.epochs), desc="epochs", disable=None):
                loss = self._train_epoch(epoch)
                validation = self._validate(epoch, loss)
                if not (math.isfinite(loss) and math.isfinite(validation)):
                    fault = "no image has finite logits" if math.isfinite(loss) else f"loss {loss}"
                    log.warning("epoch %d: %s; the cell has diverged", epoch + 1, fault)
                    status = "diverged"
                    break
                state.remember_if_best(validation)
                if settings.measured(epoch):
                    self._measure(epoch)
                self._begin_epoch(epoch + 1)
        except Interrupted:
            # Between two batches the state is whole; before the first row there is none to keep.
            if state.rows:
                self._save()
            raise
        return TrainingOutcome(status, state.rows, state.samples, self._seconds())

    def learning_rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, halved every ``halve_every`` epochs."""
        return float(self.settings.learning_rate * 0.5 ** (epoch // self.settings.halve_every))

    def _train_epoch(self, epoch: int) -> float:
        """Make one pass over the training images, or what is left of it; return the objective."""
        state, settings = self.state, self.settings
        halving = epoch > 0 and epoch % settings.halve_every == 0
        if halving and settings.reload_best and state.best_weights and state.batch == 0:
            # The momentum is kept, as in the authors' code.
            self.network.load_state_dict(state.best_weights)
        self._set_learning_rate(self.learning_rate(epoch))
        order = stream(*self.owner, "batch order and augmentation", epoch)
        if state.batch == 0:
            state.attack.manual_seed(stream_seed(*self.owner, "training attack", epoch))
            self._seed_own_stream(epoch)
        batches = self.batches["train"].drawn(settings.batch_size, self.augmentation, order)
        self.network.train()
        for rows, moves in self._interruptible(itertools.islice(batches, state.batch, None)):
            self._step(rows, moves)
            state.images_seen += len(rows)
            state.batch += 1
            if time.monotonic() - self._saved >= self.checkpoint_seconds:
                self._save()
        return float(state.objective_sum) / state.images_seen

    def _seed_own_stream(self, epoch: int) -> None:
        """Seed what a network draws by itself, as dropout does; -1: before the first epoch."""
        torch.manual_seed(stream_seed(*self.owner, "network", epoch))

    def _set_learning_rate(self, rate: float) -> None:
        if rate == self._rate:
            return
        self._rate = rate
        # a recording holds the rate as a number
        self._step = Recorded(self._learn, self.state.attack) if self.recorded else self._learn

    def _learn(self, rows: torch.Tensor, moves: torch.Tensor) -> None:
        """Make one step of SGD on the images of these rows, moved so."""
        state = self.state
        inputs, labels = self.batches["train"].augmented(rows, moves, self.augmentation)
        state.descent.forget_gradients()
        with self.arithmetic.step():
            objective = self._objective(inputs, labels)
            objective.backward()
        state.descent.step(self._rate)
        # stays on the device: reading it here would wait for the step to end
        state.objective_sum += objective.detach().double() * len(labels)

    def _objective(self, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return self.objective(
            self.network,
            inputs,
            labels,
            self.epsilon,
            random=self.state.attack,
            crafting=self.arithmetic.crafting,
        )

    def _begin_epoch(self, epoch: int) -> None:
        state = self.state
        state.epoch, state.batch, state.images_seen = epoch, 0, 0
        state.objective_sum.zero_()

    def _validate(self, epoch: int, loss: float) -> float:
        batches = self.batches["validation"].ordered(self.settings.measurement.batch_size)
        validation = accuracy(self.network, self._interruptible(batches))
        log.info(
            "epoch %d/%d: objective %.4f, validation accuracy %.4f, %.1f s",
            epoch + 1, self.settings.epochs, loss, validation, self._seconds(),
        )  # fmt: skip
        return validation

    def _seconds(self) -> float:
        return time.monotonic() - self._started

    def _save(self) -> None:
        if self._checkpoint:
            self.state.seconds = self._seconds()
            save_checkpoint(self._checkpoint, self.state)
            self._saved = time.monotonic()

    def _interruptible(self, batches: Iterable[T]) -> Iterator[T]:
        for batch in batches:
            if self.stop_requested():
                raise Interrupted("stopped between two batches")
            yield batch

    @torch.no_grad()
    def _fill_batch_norm_statistics(self) -> None:
        """Make one pass in training mode without learning, before anything is measured."""
        self.network.train()
        self._seed_own_stream(-1)
        order = stream(*self.owner, "batch norm pass")
        batches = self.batches["train"].shuffled(self.settings.batch_size, self.augmentation, order)
        for inputs, _ in self._interruptible(batches):
            self.network(inputs)

    def _measure(self, epoch: int) -> None:
        """Add a row for train and for test, measured alike: no augmentation, as many images.

        Of a training split smaller than that, all are measured.
        """
        settings, rows = self.settings.measurement, []
        count = settings.images or len(self.batches["test"])
        for split in MEASURED_SPLITS:
            self.state.samples[split] = measure(
                self.network,
                self._interruptible(self.batches[split].ordered(settings.batch_size, count)),
                settings,
                self.attack_threshold,
                noise=stream(split, "tie noise"),
                start=stream(*self.owner, split, "test attack", device=self.device),
            )
            rows.append(
                {
                    "epoch": epoch,
                    "split": split,
                    **self.state.samples[split].averages(),
                    "learning_rate": self.learning_rate(max(epoch, 0)),
                    "seconds": 0.0 if epoch < 0 else self._seconds(),
                    "summarised": self.settings.summarised(epoch),
                }
            )
        self.state.rows += rows
