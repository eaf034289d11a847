"""Tables ``epochs``, ``samples`` and ``cells``: what is measured of every trained network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from advdim.tables.columns import FLAG, FLAGS, REAL, TEXT, WHOLE, Column, listed

if TYPE_CHECKING:
    import pandas as pd

MEASURE_COLUMNS = (
    Column("accuracy", REAL, "fraction", "share of correct predictions, before attack"),
    Column("loss", REAL, "nats", "mean cross-entropy"),
    Column("grad_l1", REAL, "nats per normalised unit", "E||dL/dx||_1 at the image"),
    Column("grad_l2", REAL, "nats per normalised unit", "E||dL/dx||_2 at the image"),
    Column("grad_l1_untied", REAL, "nats per normalised unit", "E||dL/dx||_1, ties broken"),
    Column("grad_l2_untied", REAL, "nats per normalised unit", "E||dL/dx||_2, ties broken"),
    Column("grad_nonzero", REAL, "fraction", "share of gradient coordinates that are not 0"),
    Column(
        "vulnerability",
        REAL,
        "fraction",
        "share of predictions, right or wrong before, changed by an attack on the prediction "
        "(ICML 2019, Definition 1)",
    ),
    Column(
        "vulnerability_of_label",
        REAL,
        "fraction",
        "share of predictions changed by an attack on the label's loss (the authors' code)",
    ),
    Column(
        "damage",
        REAL,
        "nats",
        "mean increase of the label's loss under an attack on it (ICML 2019, Definition 1)",
    ),
    Column(
        "adversarial_accuracy",
        REAL,
        "fraction",
        "share of correct predictions under an attack on the label's loss",
    ),
)
EPOCH_COLUMNS = (
    Column("epoch", WHOLE, "", "from 0; -1 is at initialisation, after one batch-norm pass"),
    Column("split", TEXT, "", "train or test"),
    *MEASURE_COLUMNS,
    Column("learning_rate", REAL, "", "learning rate of the epoch"),
    Column("seconds", REAL, "s", "training time so far"),
    Column("summarised", FLAG, "", "one of the last epochs, over which statistics are taken"),
)
SAMPLE_COLUMNS = (
    Column("split", TEXT, "", "train or test"),
    Column("sample", WHOLE, "", "index in the stored split"),
    Column("label", WHOLE, "", "true class"),
    Column("prediction", WHOLE, "", "predicted class, before attack"),
    Column("loss", REAL, "nats", "cross-entropy"),
    Column("grad_l1", REAL, "nats per normalised unit", "||dL/dx||_1"),
    Column("grad_l2", REAL, "nats per normalised unit", "||dL/dx||_2"),
)
RUN_COLUMNS = (
    Column("experiments", listed(TEXT), "", "experiments that use the cell"),
    Column("status", TEXT, "", "done, diverged or failed"),
    FLAGS,
    Column("dimension", WHOLE, "", "d = channels * size * size"),
    Column(
        "dampening",
        REAL,
        "",
        "predicted factor of average pools on the input gradient at initialisation: 1/sqrt(a) for "
        "each over a nodes; null: unknown",
    ),
    Column("first_order_factor", REAL, "", "of epsilon_p E||dL/dx||_q in the training objective"),
    Column("attack_threshold", REAL, "normalised units", "l-inf threshold of the test attack"),
    Column("epochs", WHOLE, "", "epochs trained"),
    Column("seconds", REAL, "s", "training and measuring time"),
    Column("device", TEXT, "", "hardware the cell was trained on"),
    Column("precision", TEXT, "", "arithmetic of training"),
    Column("versions", TEXT, "", "versions of Python and the libraries, as JSON"),
    Column("commit", TEXT, "", "git commit of the code"),
    Column("error", TEXT, "", "why the cell failed; null where it did not"),
    Column("code_hash", TEXT, "", "hash of the code that the cell was trained by"),
    Column("older_code", FLAG, "", "trained by older code than the table's, which was kept"),
    Column("config_hash", TEXT, "", "hash of the settings that the cell depends on"),
)
QUANTILES = {"median": 0.5, "q10": 0.1, "q90": 0.9}


def _summary_columns() -> Iterator[Column]:
    for prefix, where in (("", "test"), ("train_", "train")):
        for column in MEASURE_COLUMNS:
            for suffix in QUANTILES:
                meaning = f"{suffix} over the summarised epochs, {where}: {column.meaning}"
                yield Column(f"{prefix}{column.name}_{suffix}", REAL, column.unit, meaning)


SUMMARY_COLUMNS = tuple(_summary_columns())
SUMMARY_NAMES = [column.name for column in SUMMARY_COLUMNS]


def summarise(epochs: pd.DataFrame) -> dict[str, float]:
    """Return median, 10th and 90th percentile of each measure over the summarised epochs.

    ``epochs`` are one cell's rows; the statistic is that of ICML 2019, Section 4.2. Test measures
    keep their name, those on the training images get the prefix ``train_``. A measure that is NaN
    in one of the epochs has no statistic.
    """
    rows = epochs[epochs["summarised"]]
    summary: dict[str, float] = {}
    for prefix, split in (("", "test"), ("train_", "train")):
        measures = rows.loc[rows["split"] == split, [column.name for column in MEASURE_COLUMNS]]
        quantiles = measures.quantile(list(QUANTILES.values()))
        quantiles.loc[:, measures.isna().any()] = math.nan
        for suffix, quantile in QUANTILES.items():
            values = quantiles.loc[quantile]
            summary |= {f"{prefix}{name}_{suffix}": float(values[name]) for name in values.index}
    return summary
