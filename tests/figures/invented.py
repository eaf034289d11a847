"""Invented tables that keep to the first order and to the law exactly, and figures of them."""

import functools
import itertools

import numpy as np
import pandas as pd
import pyarrow as pa

from advdim.catalogue.figures import FIGURES
from advdim.catalogue.methods import METHODS, first_order_factor
from advdim.config.sweep import FigureSettings
from advdim.config.training import Methods
from advdim.sweep import IDENTITY
from advdim.tables import MEASURE_COLUMNS, schema, summarise
from advdim.tables.attack_summaries import ladder
from advdim.tables.exponents import PREDICTED


def synthetic_tables(status="done"):
    """Return a fresh copy of the invented tables."""
    tables = {name: table.copy() for name, table in invented_tables().items()}
    tables["cells"]["status"] = status
    return tables


@functools.cache
def invented_tables():
    """Cells in which the gradient norm is sqrt(d) / (1 + 100 epsilon) exactly."""
    epochs, cells = [], []
    trained = itertools.product(list(METHODS)[1:], (0.001, 0.01, 0.1))
    grid = itertools.product([("none", 0.0), *trained], (8, 16, 32), (0, 1))
    for (method, epsilon), size, seed in grid:
        identity = {
            "dataset": "d", "network": "n", "size": size,
            "method": method, "epsilon": epsilon, "seed": seed,
        }  # fmt: skip
        norm = size / (1 + 100 * epsilon)
        measures = {column.name: 0.5 for column in MEASURE_COLUMNS}
        measures |= {
            "grad_l1": norm, "grad_l1_untied": 2 * norm, "grad_l2": norm / 10,
            "vulnerability": norm / 40, "accuracy": 0.9 - epsilon, "damage": 0.004 * 2 * norm,
            "adversarial_accuracy": 0.4 - epsilon,
        }  # fmt: skip
        rows = [
            {
                **identity, "epoch": epoch, "split": split, "summarised": epoch > 0,
                **{k: v * (1 + 0.01 * epoch) for k, v in measures.items()},
            }
            for epoch in range(-1, 5)
            for split in ("train", "test")
        ]  # fmt: skip
        epochs += rows
        options = getattr(Methods(), method).model_dump() if epsilon else {}
        cells.append(
            {
                **identity, "dimension": size**2, "experiments": ["e"],
                "dampening": 0.5, "attack_threshold": 0.004,
                "first_order_factor": first_order_factor(method, options),
                **summarise(pd.DataFrame(rows)),
            }
        )  # fmt: skip
    tables = {"cells": pd.DataFrame(cells), "epochs": pd.DataFrame(epochs)}
    tables["initialisation"] = initialisation_table()
    return tables | attack_tables(tables["cells"])


def bound_rows(cells):
    """Certified radii of 1e-4 and adversarials of .1 at every size, and a violated bound."""
    identity = ["dataset", "network", "size", "method", "epsilon", "seed", "dimension"]
    rows = [
        {
            **{name: cell[name] for name in identity}, "sample": k, "pixel_scale": 0.3,
            "published": 1e-6 if k else 0.2, "sound": 2e-4, "operator_norms": 1e-4 * (1 + k / 10),
            "label": 1, "prediction": int(k < 4),
            "best_attack_l2": 0.1 * (1 + k / 10), "fgsm_l2": 0.2 if k else np.nan,
            "attacked": True, "published_violated": not k,
        }
        for cell in cells.to_dict("records")
        for k in range(5)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def initialisation_table():
    """Two networks that keep to the theorems exactly, up to a factor per seed."""
    grid = itertools.product(("a", "b"), (8, 16, 32), (0, 1), PREDICTED, ("", "_untied"))
    rows = [
        {
            "experiment": "e", "dataset": "d", "network": network, "size": size, "seed": seed,
            "dimension": size**2, "statistic": statistic + suffix, "dampening": 1.0,
            "value": (1 + seed) * size ** (2 * PREDICTED[statistic]),
        }
        for network, size, seed, statistic, suffix in grid
    ]  # fmt: skip
    return pd.DataFrame(rows)


ATTACKS = ("fgsm", "pgd_linf", "autoattack_linf", "gradient_l2", "deepfool_l2")


THRESHOLDS = (0.001, 0.01, 0.1)


def attack_tables(cells):
    """Attacks that keep to the first order exactly, until all predictions have changed."""
    identity = ["dataset", "network", "size", "method", "epsilon", "seed", "dimension"]
    summaries, examples = [], []
    for cell in cells.to_dict("records"):
        same = {name: cell[name] for name in identity}
        for attack, threshold in itertools.product(ATTACKS, THRESHOLDS):
            predicted = threshold * cell["grad_l1_median"]
            summaries.append(
                {
                    **same, "attack": attack, "norm": attack.split("_")[-1].replace("fgsm", "linf"),
                    "effort": "5 steps" if attack.startswith("auto") else "",
                    "threshold": threshold, "reported": threshold == 0.01,
                    "vulnerability": min(predicted, 1.0), "damage": predicted,
                    "first_order": predicted, "norm_linf_median": 1 / cell["grad_l1_median"],
                }
            )  # fmt: skip
        if cell["method"] == "none" and cell["seed"] == 0:
            pixels = np.linspace(0, 1, 3 * cell["size"] ** 2, dtype=np.float32)
            examples += [
                {
                    **{name: same[name] for name in IDENTITY}, "attack": "pgd_linf", "sample": k,
                    "channels": 3, "label": "one",
                    "prediction": "one", "adversarial_prediction": "two", "found": k < 2,
                    "norm_linf": 0.01, "clean": pixels, "perturbed": pixels + 0.01,
                }
                for k in range(3)
            ]  # fmt: skip
    summaries = pd.DataFrame(summaries)
    return {
        "attack_summaries": summaries,
        "ladder": pd.DataFrame(ladder(cells, summaries)),
        "examples": pd.DataFrame(examples),
        "bounds": bound_rows(cells),
    }


def as_declared(name, table):
    """Return a table as a figure's stage reads it: these columns, these types, null elsewhere."""
    declared = schema(name)
    assert set(table.columns) <= set(declared.names), set(table.columns) - set(declared.names)
    columns = [
        pa.array(list(table[field.name]), field.type, from_pandas=True)
        if field.name in table
        else pa.nulls(len(table), field.type)
        for field in declared
    ]
    return pa.Table.from_arrays(columns, schema=declared).to_pandas()


def draw(name, tables):
    """Draw a figure from the tables that it names, and nothing else."""
    entry = FIGURES[name]
    tables = {table: as_declared(table, tables[table]) for table in entry.tables}
    return entry.load()(tables, FigureSettings())
