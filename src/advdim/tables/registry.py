"""Every table's columns by its name."""

from __future__ import annotations

import pyarrow as pa

from advdim.tables.attacks import (
    ATTACK_COLUMNS,
    ATTACK_SUMMARY_COLUMNS,
    ATTACKED_COLUMNS,
    EXAMPLE_COLUMNS,
    LADDER_COLUMNS,
)
from advdim.tables.bounds import BOUND_COLUMNS, BOUND_SUMMARY_COLUMNS, SANDWICH_COLUMNS
from advdim.tables.cells import EPOCH_COLUMNS, RUN_COLUMNS, SAMPLE_COLUMNS, SUMMARY_COLUMNS
from advdim.tables.claims import CLAIM_COLUMNS
from advdim.tables.columns import IDENTITY_COLUMNS, Column
from advdim.tables.initialisation import INITIALISATION_COLUMNS

TABLES: dict[str, tuple[Column, ...]] = {
    "epochs": (*IDENTITY_COLUMNS, *EPOCH_COLUMNS),
    "cells": (*IDENTITY_COLUMNS, *RUN_COLUMNS, *SUMMARY_COLUMNS),
    "samples": (*IDENTITY_COLUMNS, *SAMPLE_COLUMNS),
    "attacks": (*IDENTITY_COLUMNS, *ATTACK_COLUMNS, *ATTACKED_COLUMNS),
    "attack_summaries": (*IDENTITY_COLUMNS, *ATTACK_COLUMNS, *ATTACK_SUMMARY_COLUMNS),
    "ladder": (*IDENTITY_COLUMNS, *LADDER_COLUMNS),
    "examples": (*IDENTITY_COLUMNS, *EXAMPLE_COLUMNS),
    "claims": CLAIM_COLUMNS,
    "bounds": (*IDENTITY_COLUMNS, *BOUND_COLUMNS),
    "bound_summaries": (*IDENTITY_COLUMNS, *BOUND_SUMMARY_COLUMNS),
    "sandwich": (*IDENTITY_COLUMNS, *SANDWICH_COLUMNS),
    "initialisation": INITIALISATION_COLUMNS,
}
# What a row is, and what a table holds.
CONTENTS: dict[str, tuple[str, str]] = {
    "cells": (
        "network",
        "median, 10th and 90th percentile of every measure over the last epochs; status, seconds, "
        "device, versions, commit",
    ),
    "epochs": ("network, epoch, split", "every measure; epoch -1 is at initialisation"),
    "samples": ("network, image", "prediction, loss, gradient norms"),
    "attacks": (
        "network, attack, image",
        "the smallest adversarial found; predictions and losses at every threshold",
    ),
    "attack_summaries": ("network, attack, threshold", "vulnerability, damage, success"),
    "ladder": (
        "network, measure",
        "what grows with the dimension, from gradient norm to AutoAttack",
    ),
    "bounds": ("network, image", "lower bounds, and the smallest adversarial of all attacks"),
    "bound_summaries": ("network, bound", "the statistics of the tables of NIPS 2017"),
    "sandwich": (
        "network, threshold",
        "share of images that are right and certified, and right under every attack",
    ),
    "initialisation": ("untrained network, size, seed, statistic", "gradient norms"),
    "claims": ("claim, experiment", "estimate, interval, range, verdict"),
    "examples": ("image", "clean and perturbed pixels of the figure `adversarial_examples`"),
}


def schema(table: str) -> pa.Schema:
    """Return the declared Arrow schema of a table."""
    return pa.schema([column.field() for column in TABLES[table]])
