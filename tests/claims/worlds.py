"""Tables of invented sweeps: one in which every claim is true, one in which none is."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from advdim.exponents import PREDICTED

FIGURES = {
    "regularisation": ["regularisation_methods", "matched_strengths"],
    "dimension": ["input_dimension", "attack_ladder", "first_order_damage", "attack_agreement",
                  "bound_histograms", "counter_example", "certified_dimension",
                  "initialisation_norms", "initialisation_dampening", "regularisation_by_size",
                  "training_curves", "loss_and_accuracy_damage", "early_stopping",
                  "train_test_gradients", "downsampling"],
    "pools": ["pooling"],
}  # fmt: skip
METHODS = ("grad_l1", "grad_l2", "aug_linf", "aug_l2", "pgd_linf", "cross_lipschitz")
STRENGTHS = (0.01, 0.02, 0.05, 0.1, 0.2)
SIZES = (8, 16, 32, 64)
PGD = (0.0, 0.0001, 0.0005, 0.01)
EPOCHS, SUMMARISED = 10, 5
ATTACK_EPSILON = 0.004
# exponent of the gradient norm in d per PGD strength
EXPONENTS = {True: (0.5, 0.35, 0.05, -0.1), False: (0.0, 0.15, 0.3, 0.5)}


def tables(true: bool, seeds: int = 4) -> dict[str, pd.DataFrame]:
    random = np.random.default_rng(3)
    regularised = pd.DataFrame(_regularised(true, seeds, random))
    epochs = pd.DataFrame([*_epochs(true, seeds, random), *_pools(true, seeds, random)])
    cells = pd.concat([regularised, _cells_of(epochs)], ignore_index=True)
    return {
        "cells": cells,
        "epochs": epochs.drop(columns=["dimension", "dampening"]),
        "attack_summaries": pd.DataFrame(_attacks(true, cells, random)),
        "bounds": pd.DataFrame(_bounds(true, cells, random)),
        "initialisation": pd.DataFrame(_initialisation(true, seeds, random)),
    }


def _noise(random, share=0.003):
    return float(np.exp(share * random.standard_normal()))


def _regularised(true, seeds, random):
    dimension = 3 * 32 * 32
    isotropic = math.sqrt(2 * dimension / math.pi)
    points = [("none", 0.0), *((method, e) for method in METHODS for e in STRENGTHS)]
    for method, epsilon in points:
        rank = METHODS.index(method) if method in METHODS else 0
        for seed in range(seeds):
            strength = epsilon * (2 if method == "pgd_linf" and true else 1)
            if true:
                grad = 20 / (1 + 10 * strength) * _noise(random)
                vulnerability = 0.02 * grad * _noise(random)
                accuracy = 0.7 - 0.1 * math.exp(-12 * vulnerability) * _noise(random)
                accuracy -= 0.05 if method == "cross_lipschitz" else 0
                grad_l2 = grad / isotropic / 0.95
            else:
                # PGD is no stronger than one-step augmentation
                curve = METHODS.index("aug_linf") if method == "pgd_linf" else rank
                grad = (2 + 100 * strength) * 2.0 ** (-curve if epsilon else 0) * _noise(random)
                vulnerability = (0.1 + 0.1 * rank + epsilon) * _noise(random)
                accuracy = (0.4, 0.6, 0.8, 0.5, 0.7, 0.95)[rank] - epsilon
                grad_l2 = grad / isotropic * 3 * (1 + 0.5 * (rank % 2)) * (1 + 3 * random.random())
            yield {
                "dataset": "invented", "network": "strided", "size": 32, "method": method,
                "epsilon": epsilon, "seed": seed, "experiments": ["regularisation"],
                "status": "done", "dimension": dimension, "attack_epsilon": 0.02, "dampening": 1.0,
                "grad_l1_median": grad, "grad_l1_untied_median": grad, "grad_l2_median": grad_l2,
                "vulnerability_median": vulnerability, "accuracy_median": accuracy,
            }  # fmt: skip


def _epochs(true, seeds, random):
    for size in SIZES:
        dimension = 3 * size**2
        for epsilon, power in zip(PGD, EXPONENTS[true], strict=True):
            for seed in range(seeds):
                for epoch in range(EPOCHS):
                    for split in ("train", "test"):
                        yield {
                            "dataset": "invented", "network": "pooled", "size": size,
                            "method": "pgd_linf" if epsilon else "none", "epsilon": epsilon,
                            "seed": seed, "epoch": epoch, "split": split, "dimension": dimension,
                            "dampening": 1.0,
                            "summarised": epoch >= EPOCHS - SUMMARISED,
                            **_measures(true, size, epsilon, power, epoch, split, random),
                        }  # fmt: skip


def _measures(true, size, epsilon, power, epoch, split, random):
    dimension = 3 * size**2
    # falls until epoch 2, then rises
    loss = 1 + 0.02 * (epoch - 2) ** 2
    step = PGD.index(epsilon)
    if true:
        grad = 5 * 2.0**-step * dimension**power * (0.5 + loss / 2)
        accuracy = (
            0.7 + 0.002 * epoch - (0, 0, 0.005, 0.05)[step] + 0.001 * random.standard_normal()
        )
        damage = ATTACK_EPSILON * grad
        vulnerability = 0.0005 * grad
        accuracy_damage = 0.1 + 0.01 * (epoch * 7 % 10)
        grad *= 1 if split == "test" else (1 - 0.03 * epoch) / (0.5 + loss / 2)
    else:
        # neither linear in sqrt(d) nor growing, at strength 0
        wave = (3 if size in (8, 32) else 1) if power == 0 else 1
        grad = 5 * dimension**power * wave
        loss = 2 - 0.1 * epoch if epoch < EPOCHS - 1 else 1.206
        accuracy = 0.7 - 0.004 * epoch + 0.05 * step - 0.05 * SIZES.index(size)
        damage = 2 * ATTACK_EPSILON * grad * (1 + 0.1 * epoch)
        vulnerability = 0.0005 * grad * (2 - 0.05 * epoch)
        grad *= 1 - 0.002 * epoch if split == "test" else 1 + 0.002 * epoch
        accuracy_damage = 0.1 * damage
    train = 0.6 if true else 0.96
    grad *= (train if split == "train" else 1) * _noise(random)
    return {
        "loss": loss * _noise(random, 1e-4), "accuracy": accuracy, "grad_l1": grad,
        "grad_l1_untied": grad, "vulnerability": vulnerability * _noise(random),
        "damage": damage * _noise(random), "adversarial_accuracy": accuracy - accuracy_damage
        + (0.1 if true else -0.1) * SIZES.index(size),
        "grad_l2_untied": grad * (dimension**-0.5 if true else 0.1) * _noise(random),
    }  # fmt: skip


def _pools(true, seeds, random):
    """Networks that differ in their pools, before training and in the last epochs."""
    fresh = {"average": 1 / 8, "max": 1.0, "strided": 1.0} if true else {
        "average": 1.0, "max": 3.0, "strided": 1.0,
    }  # fmt: skip
    trained = 0.5 if true else 1.5
    for network, factor in fresh.items():
        averaged = network == "average"
        for seed in range(seeds):
            for epoch in (-1, 8, 9):
                later = trained if averaged else 1.0
                grad = 10 * (factor if epoch == -1 else later) * _noise(random)
                yield {
                    "dataset": "invented", "network": network, "size": 32, "method": "none",
                    "epsilon": 0.0, "seed": seed, "epoch": epoch, "split": "test",
                    "dimension": 3 * 32**2, "summarised": epoch > 0, "loss": 1.0,
                    "dampening": 1 / 32 if averaged else 1 / 4,
                    "grad_l1": grad, "grad_l1_untied": grad, "grad_l2_untied": grad / 50,
                    "vulnerability": 0.2 * later * _noise(random), "damage": 0.1,
                    "accuracy": 0.7 + (0.2 if averaged and not true else 0.0),
                    "adversarial_accuracy": 0.5,
                }  # fmt: skip


def _cells_of(epochs):
    identity = ["dataset", "network", "size", "method", "epsilon", "seed"]
    rows = epochs[epochs["summarised"] & (epochs["split"] == "test")]
    medians = rows.groupby([*identity, "dimension", "dampening"])[
        ["grad_l1", "grad_l1_untied", "vulnerability", "accuracy"]
    ].median()
    cells = medians.add_suffix("_median").reset_index()
    used = [["dimension" if network == "pooled" else "pools"] for network in cells["network"]]
    return cells.assign(experiments=used, status="done", attack_epsilon=ATTACK_EPSILON)


def _attacks(true, cells, random):
    chosen = cells[cells["experiments"].map(lambda names: "dimension" in names)]
    for _, cell in chosen.iterrows():
        for number, attack in enumerate(("fgsm", "pgd_linf", "autoattack_linf")):
            grad, dimension = cell["grad_l1_median"], cell["dimension"]
            power = 0.5 if true else (0.0, 0.2, -0.1)[number]
            for threshold in (0.001, 0.01):
                first_order = threshold * grad
                vulnerability = 0.002 * grad if true else 0.5 * (number == 1) + 0.1 / (1 + grad)
                vulnerability = vulnerability if true or number == 1 else 0.002 * grad
                yield {
                    **{k: cell[k] for k in ("dataset", "network", "size", "method", "epsilon")},
                    "seed": cell["seed"], "attack": attack, "norm": "linf",
                    "dimension": dimension, "threshold": threshold, "reported": threshold == 0.01,
                    "vulnerability": vulnerability * _noise(random, 1e-4),
                    "first_order": first_order,
                    "damage": first_order * (1 if true else 2) * _noise(random),
                    "norm_linf_median": 0.1 * dimension**-power * _noise(random),
                }  # fmt: skip


def _bounds(true, cells, random):
    chosen = cells[cells["experiments"].map(lambda names: "dimension" in names)]
    for _, cell in chosen.iterrows():
        for sample in range(5):
            published = 1e-3 if true else 1.0
            # over sqrt(d), the certified radius shrinks like d^(-1/2), or not at all
            certified = 1e-2 * cell["dimension"] ** (0.0 if true else 0.5) * _noise(random)
            yield {
                **{k: cell[k] for k in ("dataset", "network", "size", "method", "epsilon")},
                "seed": cell["seed"], "dimension": cell["dimension"], "sample": sample,
                "published": published, "best_attack_l2": 0.5, "fgsm_l2": 0.6,
                "published_violated": not true, "operator_norms": certified,
            }  # fmt: skip


def _initialisation(true, seeds, random):
    for network in ("dense", "residual"):
        # one network that breaks the law is enough to refute "whatever the architecture"
        off = 0.0 if true or network == "dense" else -0.4
        for size in SIZES:
            dampening = 1.0
            if network == "residual":
                dampening = 4 / size if true else 0.5
            for seed in range(seeds):
                for statistic, predicted in PREDICTED.items():
                    value = (3.0 * size**2) ** (predicted + off) * _noise(random)
                    value *= dampening if true else 1.0
                    yield {
                        "experiment": "dimension", "dataset": "invented", "network": network,
                        "size": size, "seed": seed, "dimension": 3 * size**2,
                        "statistic": f"{statistic}_untied", "value": value,
                        "dampening": dampening,
                    }  # fmt: skip
