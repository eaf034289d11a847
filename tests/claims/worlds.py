"""Tables of invented sweeps: every claim true, every claim false, or anywhere between."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pandas as pd

from advdim.sweep import IDENTITY
from advdim.tables.exponents import PREDICTED

from .variation import OF_GRADIENTS, sizes_of_gradients, vary

FIGURES = {
    "regularisation": ["regularisation_methods", "matched_strengths"],
    "dimension": ["input_dimension", "attack_ladder", "attack_thresholds", "first_order_damage",
                  "attack_agreement", "bound_histograms", "counter_example", "certified_dimension",
                  "initialisation_norms", "initialisation_dampening", "regularisation_by_size",
                  "training_curves", "loss_and_accuracy_damage", "early_stopping",
                  "train_test_gradients", "downsampling"],
    "pools": ["pooling"],
}  # fmt: skip
EXPERIMENTS = {"strided": "regularisation", "pooled": "dimension"}
METHODS = ("grad_l1", "grad_l2", "aug_linf", "aug_l2", "pgd_linf", "cross_lipschitz")
STRENGTHS = (0.01, 0.05, 0.2)
SIZES = (8, 16, 32, 64)
PGD = (0.0, 0.0001, 0.0005, 0.01)
EPOCHS, SUMMARISED = 10, 5
ATTACK_EPSILON = 0.004
# exponent of the gradient norm in d per PGD strength
EXPONENTS = {True: (0.5, 0.35, 0.05, -0.1), False: (0.0, 0.05, 0.3, 0.5)}
STATISTICS = ("loss_l1", "loss_l2", "logit_l2", "logit_mean")
SETTING = [key for key in IDENTITY if key != "seed"]


def tables(
    truth: float = 1.0, seeds: int = 4, spread: float = 0.003, seed: int = 3
) -> dict[str, pd.DataFrame]:
    """Return the tables that claims read, of ``seeds`` networks per setting.

    At ``truth`` 1 all claims are true, at 0 none, and between measures are interpolated. ``spread``
    is the standard deviation of the logarithm of a gradient norm, between networks and epochs each.
    """
    random = np.random.default_rng(seed)
    epochs = _expanded(_epochs, truth, seeds)
    sizes = sizes_of_gradients(epochs, random)
    vary(epochs, list(OF_GRADIENTS), spread, random, sizes)
    vary(epochs, ["loss", "accuracy", "adversarial_accuracy"], spread, random)
    cells = _cells_of(epochs)
    attacks = _expanded(_attacks, truth, seeds)
    of_attacks = sizes.reindex(pd.MultiIndex.from_frame(attacks[IDENTITY])).to_numpy()
    attacks[["vulnerability", "damage", "first_order"]] *= np.exp(spread * of_attacks)[:, None]
    attacks["norm_linf_median"] *= np.exp(-spread * of_attacks)
    vary(attacks, ["vulnerability", "damage", "norm_linf_median"], spread / 10, random)
    bounds = _expanded(_bounds, truth, seeds)
    vary(bounds, ["operator_norms", "fgsm_l2"], spread, random)
    initialisation = _expanded(_initialisation, truth, seeds)
    vary(initialisation, ["value"], spread, random)
    return {
        "cells": cells,
        "epochs": epochs.drop(columns=["dimension", "dampening", "attack_threshold"]),
        "attack_summaries": attacks,
        "bounds": bounds,
        "initialisation": initialisation.drop(columns=["method", "epsilon"]),
    }


def _expanded(rows_of, truth, seeds):
    """Return the interpolated rows of each seed, networks in blocks and epochs in order."""
    rows = _interpolated(rows_of, truth)
    every = pd.concat([rows.assign(seed=seed) for seed in range(seeds)], ignore_index=True)
    order = [name for name in ("split", "epoch") if name in every]
    return every.sort_values([*SETTING, "seed", *order], ignore_index=True) if order else every


@cache
def _interpolated(rows_of, truth):
    true, false = pd.DataFrame(rows_of(True)), pd.DataFrame(rows_of(False))
    mixed = (true if truth >= 0.5 else false).copy()
    for name in true.select_dtypes("floating"):
        if not true[name].equals(false[name]):
            mixed[name] = truth * true[name] + (1 - truth) * false[name]
            both = (true[name] > 0) & (false[name] > 0)
            geometric = true[name] ** truth * false[name].where(both, 1) ** (1 - truth)
            mixed[name] = geometric.where(both, mixed[name])
    return mixed


def _epochs(true):
    return [*_regularised(true), *_trained(true), *_pools(true)]


def _regularised(true):
    dimension = 3 * 32 * 32
    isotropic = math.sqrt(2 * dimension / math.pi)
    points = [("none", 0.0), *((method, e) for method in METHODS for e in STRENGTHS)]
    for method, epsilon in points:
        rank = METHODS.index(method) if method in METHODS else 0
        strength = epsilon * (2 if method == "pgd_linf" and true else 1)
        if true:
            grad = 20 / (1 + 10 * strength)
            vulnerability = 0.02 * grad
            accuracy = 0.7 - 0.1 * math.exp(-12 * vulnerability)
            accuracy -= 0.05 if method == "cross_lipschitz" else 0
            grad_l2 = grad / isotropic / 0.95
        else:
            # PGD is no stronger than one-step augmentation
            curve = METHODS.index("aug_linf") if method == "pgd_linf" else rank
            grad = (2 + 100 * strength) * 2.0 ** (-curve if epsilon else 0)
            vulnerability = 0.1 + 0.1 * rank + epsilon
            accuracy = (0.4, 0.6, 0.8, 0.5, 0.3, 0.95)[rank] - epsilon
            if method == "pgd_linf":
                vulnerability = 0.09 - 0.3 * epsilon
            if method == "cross_lipschitz":
                vulnerability = 0.15 + epsilon / 10
            scatter = (7 * rank + 5 * int(100 * epsilon)) % 4
            grad_l2 = grad / isotropic * 3 * (1 + 0.5 * (rank % 2)) * (1 + scatter)
        for epoch in range(EPOCHS - SUMMARISED, EPOCHS):
            yield {
                "dataset": "invented", "network": "strided", "size": 32, "method": method,
                "epsilon": epsilon, "epoch": epoch, "split": "test", "summarised": True,
                "dimension": dimension, "attack_threshold": 0.02, "dampening": 1.0,
                "grad_l1": grad, "grad_l1_untied": grad, "grad_l2": grad_l2,
                "grad_l2_untied": grad_l2, "vulnerability": vulnerability, "accuracy": accuracy,
                "damage": 0.02 * grad, "loss": 1.0, "adversarial_accuracy": accuracy / 2,
            }  # fmt: skip


def _trained(true):
    for size in SIZES:
        for epsilon, power in zip(PGD, EXPONENTS[true], strict=True):
            for epoch in range(EPOCHS):
                for split in ("train", "test"):
                    yield {
                        "dataset": "invented", "network": "pooled", "size": size,
                        "method": "pgd_linf" if epsilon else "none", "epsilon": epsilon,
                        "epoch": epoch, "split": split, "dimension": 3 * size**2,
                        "dampening": 1.0, "attack_threshold": ATTACK_EPSILON,
                        "summarised": epoch >= EPOCHS - SUMMARISED,
                        **_measures(true, size, epsilon, power, epoch, split),
                    }  # fmt: skip


def _measures(true, size, epsilon, power, epoch, split):
    dimension = 3 * size**2
    # falls until epoch 2, then rises
    loss = 1 + 0.02 * (epoch - 2) ** 2
    step = PGD.index(epsilon)
    if true:
        grad = 5 * 2.0**-step * dimension**power * (0.5 + loss / 2)
        accuracy = 0.7 + 0.002 * epoch - (0, 0, 0.005, 0.05)[step]
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
        vulnerability = min(0.9, 0.004 * grad * (2 - 0.05 * epoch))
        grad *= 1 - 0.002 * epoch if split == "test" else 1 + 0.002 * epoch
        accuracy_damage = 0.1 * damage
    grad *= (0.6 if true else 0.96) if split == "train" else 1
    return {
        "loss": loss, "accuracy": accuracy, "grad_l1": grad, "grad_l1_untied": grad,
        "grad_l2": grad * (dimension**-0.5 if true else 0.1), "vulnerability": vulnerability,
        "damage": damage, "adversarial_accuracy": accuracy - accuracy_damage
        + (0.1 if true else -0.1) * SIZES.index(size),
        "grad_l2_untied": grad * (dimension**-0.5 if true else 0.1),
    }  # fmt: skip


def _pools(true):
    """Networks that differ in their pools, before training and in the last epochs."""
    fresh = {"average": 1 / 8, "max": 1.0, "strided2": 1.0} if true else {
        "average": 1.0, "max": 3.0, "strided2": 1.0,
    }  # fmt: skip
    trained = 0.5 if true else 1.5
    for network, factor in fresh.items():
        averaged = network == "average"
        for epoch in (-1, 8, 9):
            later = trained if averaged else 1.0
            grad = 10 * (factor if epoch == -1 else later)
            yield {
                "dataset": "invented", "network": network, "size": 32, "method": "none",
                "epsilon": 0.0, "epoch": epoch, "split": "test", "dimension": 3 * 32**2,
                "summarised": epoch > 0, "loss": 1.0, "attack_threshold": ATTACK_EPSILON,
                "dampening": 1 / 32 if averaged else 1 / 4, "grad_l1": grad,
                "grad_l1_untied": grad, "grad_l2": grad / 50, "grad_l2_untied": grad / 50,
                "vulnerability": 0.2 * later, "damage": 0.1,
                "accuracy": 0.7 + (0.2 if averaged and not true else 0.0),
                "adversarial_accuracy": 0.5,
            }  # fmt: skip


def _cells_of(epochs):
    rows = epochs[epochs["summarised"] & (epochs["split"] == "test")]
    constant = [*IDENTITY, "dimension", "dampening", "attack_threshold"]
    cells = rows.groupby(constant)[["grad_l1"]].median().add_suffix("_median").reset_index()
    used = [[EXPERIMENTS.get(network, "pools")] for network in cells["network"]]
    return cells.assign(experiments=used, status="done")


def _attacks(true):
    last = {
        (row["size"], row["epsilon"]): row
        for row in _trained(true)
        if row["summarised"] and row["split"] == "test"
    }
    for cell in last.values():
        for number, attack in enumerate(("fgsm", "pgd_linf", "fmn_linf", "autoattack_linf")):
            grad, dimension = cell["grad_l1"], cell["dimension"]
            power = 0.5 if true else (0.0, 0.2, -0.1, -0.1)[number]
            vulnerability = 0.001 * grad if true or number != 1 else 0.1 / (1 + grad / 50)
            if not true and number >= 2:
                vulnerability = 0.02 + 4 / (50 + grad)
            for threshold in (0.001, 0.01):
                first_order = threshold * grad
                yield {
                    **{key: cell[key] for key in SETTING}, "attack": attack, "norm": "linf",
                    "dimension": dimension, "threshold": threshold, "reported": threshold == 0.01,
                    "vulnerability": vulnerability, "first_order": first_order,
                    "damage": first_order * (1 if true else 2),
                    "norm_linf_median": 0.1 * dimension**-power,
                }  # fmt: skip


def _bounds(true):
    for size in SIZES:
        for epsilon in PGD:
            # over sqrt(d), the certified radius shrinks like d^(-1/2), or not at all
            certified = 1e-2 * (3 * size**2) ** (0.0 if true else 0.5)
            for sample in range(5):
                yield {
                    "dataset": "invented", "network": "pooled", "size": size,
                    "method": "pgd_linf" if epsilon else "none", "epsilon": epsilon,
                    "dimension": 3 * size**2, "sample": sample, "published": 1e-3 if true else 1.0,
                    "best_attack_l2": 0.5, "fgsm_l2": 0.6, "published_violated": not true,
                    "operator_norms": certified,
                }  # fmt: skip


def _initialisation(true):
    for network in ("dense", "residual"):
        for size in SIZES:
            dampening = 4 / size if network == "residual" else 1.0
            # the theorems' network breaks the law, the other one is not dampened
            off = 0.0 if true or network == "residual" else -0.4
            for statistic, predicted in PREDICTED.items():
                value = (3.0 * size**2) ** (predicted + off) * (dampening if true else 1.0)
                yield {
                    "experiment": "dimension", "dataset": "invented", "network": network,
                    "size": size, "dimension": 3 * size**2, "method": "none", "epsilon": 0.0,
                    "statistic": f"{statistic}_untied", "value": value, "dampening": dampening,
                    "beyond": "residual connections" if network == "residual" else None,
                }  # fmt: skip
