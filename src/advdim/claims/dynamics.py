"""Claims of ICML 2019, Appendix, Figures 7 to 10, 12 and 13: training, epoch by epoch."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from advdim.claims.base import Claim, Select, Tables
from advdim.claims.rows import KEYS, epochs, last_epochs, undefended
from advdim.claims.statistics import exponent, rank_correlation


def _overfitting(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return, per undefended cell, how measures at its lowest test loss differ from the last.

    Cells whose test loss is lowest in the last epoch say nothing on what comes after.
    """
    rows = undefended(epochs(tables, experiment))
    rows = rows[(rows["split"] == "test") & (rows["epoch"] >= 0)]
    found = []
    for identity, group in rows.groupby(KEYS):
        group = group.sort_values("epoch")
        best, last = group.iloc[int(group["loss"].argmin())], group.iloc[-1]
        later = last["epoch"] > best["epoch"]
        found.append(
            {
                **dict(zip(KEYS, identity, strict=True)),
                "loss_rise": last["loss"] - best["loss"],
                "error_change": best["accuracy"] - last["accuracy"] if later else math.nan,
                "early_share": best["vulnerability"] / last["vulnerability"]
                if later and last["vulnerability"] > 0
                else math.nan,
            }
        )
    return pd.DataFrame(found)


def _gaps(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return test and train gradient norms of the last epochs of usual training, and their gap."""
    rows = undefended(epochs(tables, experiment))
    rows = rows[rows["summarised"]]
    wide = rows.pivot_table(
        index=[*KEYS, "dimension", "epoch"], columns="split", values="grad_l1_untied"
    ).reset_index()
    if wide.empty:
        return wide
    return wide.assign(gap=wide["test"] - wide["train"], ratio=wide["test"] / wide["train"])


def _median_correlation(rows: pd.DataFrame, first: str, second: str) -> float:
    """Return the median, over networks, of the rank correlation of two columns over epochs."""
    found = [
        rank_correlation(group[first], group[second]) for _, group in rows.groupby(["size", "seed"])
    ]
    known = [value for value in found if math.isfinite(value)]
    return float(np.median(known)) if known else math.nan


def _undefended_curve(tables: Tables, experiment: str) -> pd.DataFrame:
    return _curves(tables, experiment, "test")


def _train_curve(tables: Tables, experiment: str) -> pd.DataFrame:
    return _curves(tables, experiment, "train")


def _curves(tables: Tables, experiment: str, split: str) -> pd.DataFrame:
    """Return the epochs of usual training, with what the attack takes from the accuracy."""
    rows = undefended(epochs(tables, experiment))
    rows = rows[(rows["split"] == split) & (rows["epoch"] >= 0)]
    return rows.assign(accuracy_damage=rows["accuracy"] - rows["adversarial_accuracy"])


def _norm_ratios(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = last_epochs(tables, experiment)
    return rows.assign(ratio=rows["grad_l1_untied"] / rows["grad_l2_untied"])


def _advantage_of_the_original(rows: pd.DataFrame) -> float:
    """Return by how much the largest size's best adversarial accuracy exceeds the others'."""
    medians = rows.groupby(["dimension", "epsilon"])["adversarial_accuracy"].median()
    best = medians.groupby("dimension").max()
    return float(best.iloc[-1] - best.iloc[:-1].max()) if len(best) > 1 else math.nan


def _claim(
    name: str,
    figure: str,
    sentence: str,
    source: str,
    statistic: str,
    low: float,
    high: float,
    select: Select,
    estimate: object,
    units: tuple[str, ...] = ("seed", "epoch"),
    strata: tuple[str, ...] = ("dimension",),
) -> Claim:
    return Claim(
        name, sentence, f"ICML 2019, {source}", figure, ("cells", "epochs"), statistic, low, high,
        select,
        estimate,  # type: ignore[arg-type]
        units, strata,
    )  # fmt: skip


CLAIMS = (
    _claim(
        "norm_ratio_grows_with_dimension",
        "regularisation_by_size",
        "The slope of the l1- against the l2-norm of the gradients grows like sqrt(d).",
        "Appendix, Figure 7e (ties broken)",
        "exponent of the ratio of the l1- and the l2-norm in d",
        0.35, 0.65,
        _norm_ratios, lambda rows: exponent(rows, "ratio"),
    ),
    _claim(
        "vulnerability_follows_the_loss",
        "training_curves",
        "Over the epochs the damage follows the test cross-entropy.",
        "Appendix, Figure 8",
        "median over networks of the rank correlation of damage and test loss over epochs",
        0.5, 1,
        _undefended_curve, lambda rows: _median_correlation(rows, "damage", "loss"),
    ),
    _claim(
        "loss_rises_again",
        "training_curves",
        "The test cross-entropy rises late in training.",
        "Appendix, Figure 8c",
        "rise of the test loss from its minimum to the last epoch, in nats",
        0.01, math.inf,
        _overfitting, lambda rows: float(rows["loss_rise"].median()), units=(), strata=(),
    ),
    _claim(
        "error_keeps_falling",
        "training_curves",
        "The test error keeps falling where the cross-entropy rises.",
        "Appendix, Figure 8a",
        "change of the test error from the minimum of the test loss to the last epoch",
        -1, 0,
        _overfitting, lambda rows: float(rows["error_change"].median()), units=(), strata=(),
    ),
    _claim(
        "early_stopping_defends",
        "early_stopping",
        "Stopping at the lowest test cross-entropy lowers the vulnerability.",
        "Appendix, Figure 10",
        "vulnerability at the lowest test loss over that of the last epoch",
        0, 0.95,
        _overfitting, lambda rows: float(rows["early_share"].median()), units=(), strata=(),
    ),
    _claim(
        "test_gradients_exceed_train",
        "train_test_gradients",
        "After training, gradients are larger on test images than on training images.",
        "Appendix, Figure 12",
        "median ratio of test and train gradient norms, ties broken",
        1.05, math.inf,
        _gaps, lambda rows: float(rows["ratio"].median()) if len(rows) else math.nan,
    ),
    _claim(
        "gap_grows_with_dimension",
        "train_test_gradients",
        "The gap between test and train gradient norms grows like sqrt(d).",
        "Appendix, Figure 12",
        "exponent of the gap in d",
        0.35, 0.65,
        _gaps, lambda rows: exponent(rows, "gap"),
    ),
    _claim(
        "original_beats_downsampled",
        "downsampling",
        "PGD training on the original images beats PGD training on downsampled versions.",
        "Appendix, Figure 13",
        "best adversarial accuracy over strengths at the largest size, less that of the others",
        0, 1,
        last_epochs, _advantage_of_the_original, strata=("dimension", "epsilon"),
    ),
    _claim(
        "loss_and_accuracy_damage_differ",
        "loss_and_accuracy_damage",
        "The damage to the loss and the damage to the accuracy are not equivalent.",
        "Appendix, Figure 9b",
        "median over networks of their rank correlation over epochs",
        -1, 0.9,
        _undefended_curve, lambda rows: _median_correlation(rows, "damage", "accuracy_damage"),
    ),
    _claim(
        "test_gradients_rise",
        "train_test_gradients",
        "During usual training the gradients on test images grow.",
        "Appendix, Figure 12",
        "median over networks of the rank correlation of gradient norm and epoch, test",
        0.3, 1,
        _undefended_curve, lambda rows: _median_correlation(rows, "grad_l1_untied", "epoch"),
    ),
    _claim(
        "train_gradients_fall",
        "train_test_gradients",
        "During usual training the gradients on training images shrink.",
        "Appendix, Figure 12",
        "median over networks of the rank correlation of gradient norm and epoch, train",
        -1, -0.3,
        _train_curve, lambda rows: _median_correlation(rows, "grad_l1_untied", "epoch"),
    ),
)  # fmt: skip
