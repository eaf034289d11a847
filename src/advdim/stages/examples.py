"""The stage that keeps some perturbed images of some cells, to be looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from advdim.attacks.base import Attack, find_adversarials
from advdim.attacks.evaluate import default_ceiling, predict
from advdim.config import Config
from advdim.data.batches import first_inputs
from advdim.data.pixels import Pixels, load_pixels
from advdim.networks.answers import NO_PREDICTION
from advdim.networks.build import load_network, to_device
from advdim.networks.perturbations import ORDERS, norms
from advdim.records import read_record
from advdim.stages.attack import configured_attack
from advdim.stages.machine import reproducible
from advdim.sweep import Cell
from advdim.tables import write_table
from advdim.units import Normalisation, threshold, to_normalised


def write_examples(
    config: Config,
    cells: Sequence[Cell],
    network_files: Sequence[str | Path],
    pixels_files: Sequence[str | Path],
    run_files: Sequence[str | Path],
    output: str | Path,
    *,
    device: str = "cpu",
    threads: int = 1,
) -> None:
    """Write the smallest adversarials of the first test images of some cells, as images.

    Images are in units of the pixel range. Cells that diverged or failed have no rows.
    """
    reproducible(threads)
    attack = configured_attack(config, config.attacks.examples.attack)
    files = zip(cells, network_files, pixels_files, run_files, strict=True)
    rows: list[dict[str, Any]] = []
    for cell, network_file, pixels_file, run_file in files:
        record = read_record(run_file)
        if record and record["status"] == "done":
            network, _, normalisation = load_network(network_file)
            to_device(network, device)
            pixels = load_pixels(pixels_file)
            found = _examples(config, cell, attack, network, pixels, normalisation, device)
            rows += [cell.columns() | row for row in found]
    write_table(output, "examples", rows)


def _examples(
    config: Config,
    cell: Cell,
    attack: Attack,
    network: nn.Module,
    pixels: Pixels,
    normalisation: Normalisation,
    device: str,
) -> Iterator[dict[str, Any]]:
    settings = config.attacks
    inputs, labels = first_inputs(pixels, settings.examples.images, device)
    prediction, _ = predict(network, inputs, len(inputs))
    order = ORDERS[attack.norm]
    ceiling = threshold(default_ceiling(inputs, normalisation), pixels.dimension, order)
    box = normalisation.box(inputs) if settings.box else None
    batches = attack.batches(network, inputs, prediction, settings.seed, settings.batch_size, box)
    # Some attacks find what they find at thresholds only.
    radii = [
        threshold(to_normalised(value, config.units, normalisation), pixels.dimension, order)
        for value in (settings.threshold_of(cell.network), *settings.thresholds)
    ]
    smallest = torch.cat(
        [find_adversarials(attack, batch, radii, ceiling).smallest for batch in batches]
    )
    adversarial, _ = predict(network, smallest, len(inputs))
    clean, perturbed = normalisation.invert(inputs), normalisation.invert(smallest)
    for k in range(len(inputs)):
        yield {
            "attack": attack.name,
            "sample": k,
            "channels": pixels.channels,
            "label": pixels.class_names[int(labels[k])],
            "prediction": _name(pixels, prediction[k]),
            "adversarial_prediction": _name(pixels, adversarial[k]),
            "found": bool(adversarial[k] != prediction[k]),
            "norm_linf": float(norms(perturbed[k : k + 1] - clean[k : k + 1], "linf")),
            "clean": clean[k].flatten().tolist(),
            "perturbed": perturbed[k].flatten().tolist(),
        }


def _name(pixels: Pixels, prediction: torch.Tensor) -> str:
    return "none" if prediction == NO_PREDICTION else pixels.class_names[int(prediction)]
