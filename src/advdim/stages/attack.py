"""The stage that attacks a trained cell."""

from __future__ import annotations

import logging
from pathlib import Path

from advdim.attacks.base import Attack
from advdim.attacks.evaluate import evaluate_attack
from advdim.attacks.registry import ATTACKS
from advdim.attacks.user import user_attack
from advdim.config import Config
from advdim.config.user_code import UserAttack
from advdim.data.batches import first_inputs
from advdim.data.pixels import load_pixels
from advdim.networks.build import load_network, to_device
from advdim.stages.machine import reproducible
from advdim.sweep import Cell
from advdim.tables import write_table
from advdim.units import to_normalised

log = logging.getLogger(__name__)


def attack_cell(
    config: Config,
    cell: Cell,
    name: str,
    network_file: str | Path,
    pixels_file: str | Path,
    output: str | Path,
    *,
    device: str = "cpu",
    threads: int = 1,
) -> None:
    """Attack a trained cell's test images and write one row per image.

    Raises AttackViolation where a reported adversarial fails its verification, and then writes
    nothing.
    """
    reproducible(threads)
    settings = config.attacks
    network, _, normalisation = load_network(network_file)
    to_device(network, device)
    pixels = load_pixels(pixels_file)
    inputs, labels = first_inputs(pixels, settings.images, device)
    attack = configured_attack(config, name)
    thresholds = [
        to_normalised(value, config.units, normalisation)
        for value in (settings.threshold_of(cell.network), *settings.thresholds)
    ]
    columns = evaluate_attack(
        network,
        inputs,
        labels,
        attack,
        thresholds[0],
        thresholds[1:],
        normalisation=normalisation,
        box=settings.box,
        seed=settings.seed,
        batch_size=settings.batch_size,
    )
    constant = {
        **cell.columns(),
        "attack": name,
        "effort": attack.effort(len(pixels.class_names)),
        "norm": attack.norm,
        "dimension": pixels.dimension,
        "thresholds": thresholds,
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


def configured_attack(config: Config, name: str) -> Attack:
    """Return an attack of the registry, or the user's, as the configuration asks for it."""
    settings = getattr(config.attacks.options, name)
    if isinstance(settings, UserAttack):
        return user_attack(name, settings.norm, settings.module, settings.arguments)
    return ATTACKS[name].configured(**settings.model_dump(exclude_none=True))
