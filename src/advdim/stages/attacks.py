"""The stages that attack a trained cell, and that keep some of its perturbed images."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from advdim.attacks.base import Attack, norms
from advdim.attacks.evaluate import default_ceiling, evaluate_attack, predict
from advdim.attacks.own import own_attack
from advdim.attacks.registry import ATTACKS
from advdim.config import Config
from advdim.config.own import OwnAttack
from advdim.data.batches import Batches
from advdim.data.pixels import Pixels, load_pixels
from advdim.networks.build import load_network
from advdim.stages.training import choose_device, float32_only
from advdim.sweep import Cell
from advdim.tables import write_table
from advdim.units import Normalisation, threshold, to_normalised

log = logging.getLogger(__name__)


def attack_cell(
    config: Config,
    cell: Cell,
    name: str,
    network_file: str | Path,
    pixels_file: str | Path,
    run_file: str | Path,
    output: str | Path,
) -> None:
    """Attack a trained cell's test images and write one row per image.

    A cell that diverged has no rows. Raises AttackViolation where a reported adversarial fails its
    verification, and then writes nothing.
    """
    if diverged(run_file):
        log.info("%s diverged: no rows", cell.directory)
        write_table(output, "attacks", [])
        return
    device = choose_device(config.device)
    float32_only(config.threads)
    settings = config.attacks
    network, _, normalisation = load_network(network_file)
    network.to(device)
    pixels = load_pixels(pixels_file)
    inputs, labels = first_inputs(pixels, settings.images, device)
    attack = configured_attack(config, name)
    columns = evaluate_attack(
        network,
        inputs,
        labels,
        attack,
        settings.epsilon_of(cell.network),
        settings.thresholds,
        normalisation=normalisation,
        units=settings.epsilon_units,
        target=settings.target,
        box=settings.box,
        seed=settings.seed,
        batch_size=settings.batch_size,
    )
    constant = {
        **cell.columns(),
        "attack": name,
        "norm": attack.norm,
        "target": settings.target,
        "dimension": pixels.dimension,
        "thresholds": [
            to_normalised(value, settings.epsilon_units, normalisation)
            for value in (settings.epsilon_of(cell.network), *settings.thresholds)
        ],
    }
    values = zip(*(column.tolist() for column in columns.values()), strict=True)
    write_table(
        output, "attacks", [constant | dict(zip(columns, row, strict=True)) for row in values]
    )
    log.info(
        "%s on %d images: %.1f %% of predictions changed",
        name,
        len(labels),
        100 * (columns["adversarial_prediction"] != columns["prediction"]).mean(),
    )


def write_examples(
    config: Config,
    cells: Sequence[Cell],
    network_files: Sequence[str | Path],
    pixels_files: Sequence[str | Path],
    run_files: Sequence[str | Path],
    output: str | Path,
) -> None:
    """Write the smallest adversarials of the first test images of some cells, as images.

    Images are in units of the pixel range. Diverged cells have no rows.
    """
    device = choose_device(config.device)
    float32_only(config.threads)
    attack = configured_attack(config, config.attacks.examples.attack)
    files = zip(cells, network_files, pixels_files, run_files, strict=True)
    rows: list[dict[str, Any]] = []
    for cell, network_file, pixels_file, run_file in files:
        if not diverged(run_file):
            network, _, normalisation = load_network(network_file)
            network.to(device)
            pixels = load_pixels(pixels_file)
            found = _examples(config, attack, network, pixels, normalisation, device)
            rows += [cell.columns() | row for row in found]
    write_table(output, "examples", rows)


def _examples(
    config: Config,
    attack: Attack,
    network: nn.Module,
    pixels: Pixels,
    normalisation: Normalisation,
    device: str,
) -> Iterator[dict[str, Any]]:
    settings = config.attacks
    inputs, labels = first_inputs(pixels, settings.examples.images, device)
    prediction, _ = predict(network, inputs, len(inputs))
    order = float("inf") if attack.norm == "linf" else 2.0
    ceiling = threshold(default_ceiling(inputs, normalisation), pixels.dimension, order)
    box = normalisation.box(inputs) if settings.box else None
    batches = attack.batches(network, inputs, prediction, settings.seed, settings.batch_size, box)
    smallest = torch.cat([attack.find(batch, [], ceiling).smallest for batch in batches])
    adversarial, _ = predict(network, smallest, len(inputs))
    clean, perturbed = normalisation.invert(inputs), normalisation.invert(smallest)
    for k in range(len(inputs)):
        yield {
            "attack": attack.name,
            "sample": k,
            "channels": pixels.channels,
            "label": pixels.class_names[int(labels[k])],
            "prediction": pixels.class_names[int(prediction[k])],
            "adversarial_prediction": pixels.class_names[int(adversarial[k])],
            "found": bool(adversarial[k] != prediction[k]),
            "norm_linf": float(norms(perturbed[k : k + 1] - clean[k : k + 1], "linf")),
            "clean": clean[k].flatten().tolist(),
            "perturbed": perturbed[k].flatten().tolist(),
        }


def configured_attack(config: Config, name: str) -> Attack:
    """Return an attack of the registry, or one's own, as the configuration asks for it."""
    settings = getattr(config.attacks.options, name)
    if isinstance(settings, OwnAttack):
        return own_attack(name, settings.norm, settings.module, settings.arguments)
    return ATTACKS[name].configured(**settings.model_dump(exclude_none=True))


def first_inputs(pixels: Pixels, limit: int | None, device: str) -> tuple[Tensor, Tensor]:
    """Return the first test images as normalised inputs (N, C, size, size), and labels (N,)."""
    parts = list(Batches(pixels, "test", device).ordered(256, limit))
    return torch.cat([inputs for inputs, _ in parts]), torch.cat([labels for _, labels in parts])


def diverged(run_file: str | Path) -> bool:
    """Tell whether a cell's training diverged."""
    return json.loads(Path(run_file).read_text())["status"] != "done"
