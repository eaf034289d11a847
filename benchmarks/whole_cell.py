"""Whole cells trained by the package and by plain research code: time, and what came out.

For each method and seed the same initial network is trained on the dataset of a configuration:
plainly (a loader that transforms images one by one, float32, the step of ``reference.py``), and by
the package at each precision. Each run is a process of its own; processor seconds count, and leave
out measuring. All networks are then measured alike. Prints, per method and variant, the seconds,
their ratio to the first variant's, and each measure over the seeds. JSON goes to ``--json``. With
``--rounded`` a processor rounds by bits as a GPU does at each precision, slowly.

    python benchmarks/whole_cell.py CONFIG --dataset cifar10 --network maxpool8 --size 32 \
        --methods none:0 grad_l1:0.01 pgd_linf:0.0032 --seeds 4
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml
from reference import copy_weights, plain_network, plain_training
from rounding import let_round

from advdim.config import load
from advdim.config.convolutional import ConvolutionalNetwork
from advdim.config.training import Training
from advdim.data.batches import Batches
from advdim.data.prepare import prepare
from advdim.data.torchvision_import import torchvision
from advdim.measures.vulnerability import measure
from advdim.networks.build import Shape, build
from advdim.networks.precision import CRAFTING, precision_used
from advdim.stages.machine import reproducible
from advdim.streams import stream
from advdim.training.loop import Trainer
from advdim.training.regularisers import objective
from advdim.units import to_normalised

VARIANTS = ("plain", *CRAFTING)
MEASURES = (
    "accuracy",
    "loss",
    "grad_l1",
    "grad_l1_untied",
    "vulnerability",
    "vulnerability_of_label",
    "damage",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--network", required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--methods", nargs="+", required=True, metavar="METHOD:EPSILON")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=["plain", "float32"])
    parser.add_argument("--epochs", type=int, help="instead of the configured ones")
    parser.add_argument("--rounded", action="store_true", help="precisions by rounding")
    parser.add_argument("--json", type=Path, help="write every run into this file")
    parser.add_argument("--one", nargs=4, metavar=("VARIANT", "METHOD", "EPSILON", "SEED"))
    settings = parser.parse_args()
    for variant in settings.variants:
        if (
            variant != "plain"
            and not settings.rounded
            and precision_used(variant, "cpu") != variant
        ):
            parser.error(f"a processor trains no {variant}: leave it out, or give --rounded")
    if settings.one:
        print(json.dumps(run_here(settings, *settings.one)))
        return
    rows = [
        run_alone(variant, *method.split(":"), str(seed))
        for method in settings.methods
        for seed in range(settings.seeds)
        for variant in settings.variants
    ]
    if settings.json:
        settings.json.write_text(json.dumps(rows, indent=2))
    print(comparison(pd.DataFrame(rows)).to_string(index=False))


def run_alone(variant: str, method: str, epsilon: str, seed: str) -> dict[str, Any]:
    """Train one network in a fresh process, whose allocator nothing has touched."""
    command = [sys.executable, *sys.argv, "--one", variant, method, epsilon, seed]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    row = dict(json.loads(done.stdout.splitlines()[-1]))
    print(row, file=sys.stderr, flush=True)
    return row


def run_here(
    settings: argparse.Namespace, variant: str, method: str, epsilon: str, seed: str
) -> dict[str, Any]:
    """Train one network; return its seconds and what is measured of it on the test images."""
    config = load(yaml.safe_load(settings.config.read_text()))
    training = config.training_of(settings.dataset, settings.network)
    if settings.epochs:
        training = training.model_copy(update={"epochs": settings.epochs})
    pixels, _ = prepare(config.datasets[settings.dataset], settings.dataset, settings.size)
    architecture = config.networks[settings.network]
    assert isinstance(architecture, ConvolutionalNetwork)
    shape = Shape(pixels.channels, settings.size, len(pixels.class_names))
    initial = build(architecture, shape, stream("benchmark", int(seed)))
    strength = to_normalised(float(epsilon), config.units, pixels.normalisation)
    threshold = to_normalised(training.measurement.threshold, config.units, pixels.normalisation)
    augmentation = config.datasets[settings.dataset].augmentation
    if variant == "plain":
        torch.set_num_threads(config.threads)
        torch.manual_seed(int(seed))
        network: torch.nn.Module = plain_network(
            architecture, pixels.channels, settings.size, shape.classes
        )
        copy_weights(initial, network)
        # seconds that are not of the training
        torchvision("transforms")
        start = time.process_time()
        plain_training(method, network, pixels, augmentation, training, strength)
        seconds = time.process_time() - start
        copy_weights(network, initial)
    else:
        reproducible(config.threads)
        owner = ("benchmark", seed)
        function = objective(method, getattr(config.methods, method).model_dump())
        precision = "float32" if settings.rounded else variant
        own = measuring_little(training).model_copy(update={"precision": precision})
        trainer = Trainer(initial, pixels, function, strength, threshold, own, augmentation, owner)
        if settings.rounded:
            let_round(trainer, variant)
        start = time.process_time()
        trainer.train()
        seconds = time.process_time() - start
    attack = training.measurement
    measured = measure(
        initial,
        Batches(pixels, "test").ordered(attack.batch_size),
        attack,
        threshold,
        stream("noise"),
        stream("start"),
    )
    names = {"variant": variant, "method": f"{method}:{epsilon}", "seed": int(seed)}
    return {**names, "seconds": seconds, **measured.averages()}


def measuring_little(training: Training) -> Training:
    """Return the settings of a training that measures next to nothing on the way."""
    little = {"images": 2, "steps": 1, "every": training.epochs, "summary_epochs": 1}
    measurement = training.measurement.model_copy(update=little)
    return training.model_copy(update={"measurement": measurement})


def comparison(runs: pd.DataFrame) -> pd.DataFrame:
    """Return a row per method and variant: seconds, ratio, and each measure over the seeds.

    All is held to the variant that was named first. A measure is its mean and standard deviation
    and, in brackets, the distance of the means in standard errors of their difference.
    """
    rows = []
    for (method, variant), group in runs.groupby(["method", "variant"], sort=False):
        row: dict[str, Any] = {"method": method, "variant": variant}
        first = runs[(runs["method"] == method) & (runs["variant"] == runs["variant"].iloc[0])]
        row["seconds"] = f"{group['seconds'].median():.1f}"
        row["times as fast"] = f"{first['seconds'].median() / group['seconds'].median():.2f}"
        for name in MEASURES:
            row[name] = f"{group[name].mean():.3g} ± {group[name].std():.2g}"
            error = math.hypot(group[name].sem(), first[name].sem())
            if variant != first["variant"].iloc[0] and error > 0:
                row[name] += f" ({(group[name].mean() - first[name].mean()) / error:+.1f})"
        rows.append(row)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    main()
