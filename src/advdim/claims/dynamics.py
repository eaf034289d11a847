"""Claims of ICML 2019, Appendix, Figures 7 to 10, 12 and 13: training, epoch by epoch."""

from __future__ import annotations

import math

import pandas as pd

from advdim.claims import needs
from advdim.claims.base import Claim, Select, Tables
from advdim.claims.intervals import Estimate
from advdim.claims.rows import epochs, last_epochs, trained_by_pgd, undefended
from advdim.claims.statistics import exponent, rank_correlation
from advdim.sweep import IDENTITY
from advdim.tables.lowest_loss import at_lowest_loss


def _overfitting(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return, per undefended network, how measures at its lowest test loss differ from the last."""
    rows = undefended(epochs(tables, experiment)).sort_values("epoch")
    rows = rows[(rows["split"] == "test") & (rows["epoch"] >= 0)]
    best = at_lowest_loss(rows)
    last = rows.drop_duplicates(IDENTITY, keep="last").set_index(IDENTITY).loc[best.index]
    return pd.DataFrame(
        {
            "later": last["epoch"] > best["epoch"],
            "loss_rise": last["loss"] - best["loss"],
            "error_change": best["accuracy"] - last["accuracy"],
            "early_share": best["vulnerability"] / last["vulnerability"],
            "vulnerability": last["vulnerability"],
        }
    ).reset_index()


def _overfitted(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return those networks whose lowest loss has epochs after it."""
    rows = _overfitting(tables, experiment)
    if len(rows) and not rows["later"].any():
        raise needs.Undecidable("the test loss of every network is lowest in the last epoch")
    return rows[rows["later"]]


def _stopped(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = needs.some_change(_overfitted(tables, experiment))
    return rows[rows["vulnerability"] > 0]


def _gaps(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return test and train gradient norms of the last epochs of usual training, and their gap."""
    rows = undefended(epochs(tables, experiment))
    rows = rows[rows["summarised"]]
    wide = rows.pivot_table(
        index=[*IDENTITY, "dimension", "epoch"], columns="split", values="grad_l1_untied"
    ).reset_index()
    if wide.empty:
        return wide
    return wide.assign(gap=wide["test"] - wide["train"], ratio=wide["test"] / wide["train"])


def _gaps_by_size(tables: Tables, experiment: str) -> pd.DataFrame:
    return needs.sizes(_gaps(tables, experiment))


def _correlations(first: str, second: str, split: str = "test") -> Select:
    """Return a selection of undefended networks with the rank correlation over their epochs."""

    def select(tables: Tables, experiment: str) -> pd.DataFrame:
        rows = undefended(epochs(tables, experiment))
        rows = rows[(rows["split"] == split) & (rows["epoch"] >= 0)]
        rows = rows.assign(accuracy_damage=rows["accuracy"] - rows["adversarial_accuracy"])
        if len(rows) and rows["epoch"].nunique() < 3:
            raise needs.Undecidable("it takes three measured epochs")
        found = [
            (*identity, rank_correlation(group[first], group[second]))
            for identity, group in rows.groupby(IDENTITY)
        ]
        return pd.DataFrame(found, columns=[*IDENTITY, "correlation"]).dropna()

    return select


def _norm_ratios(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = needs.sizes(last_epochs(tables, experiment))
    return rows.assign(ratio=rows["grad_l1_untied"] / rows["grad_l2_untied"])


def _robustly_trained(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = needs.strengths(needs.sizes(trained_by_pgd(tables, experiment)), 2)
    return rows[rows["epsilon"] > 0]


def _advantage_of_the_original(rows: pd.DataFrame) -> dict[str, float]:
    """Return by how much the largest size's adversarial accuracy exceeds each other size's."""
    means = rows.groupby("dimension")["adversarial_accuracy"].mean()
    *others, largest = means.index
    return {f"{size} inputs": float(means[largest] - means[size]) for size in others}


def _mean(column: str) -> Estimate:
    return lambda rows: float(rows[column].mean())


def _claim(
    name: str,
    figure: str,
    sentence: str,
    source: str,
    statistic: str,
    low: float,
    high: float,
    select: Select,
    estimate: Estimate,
    extreme: str = "",
    range_source: str = "ours",
) -> Claim:
    return Claim(
        name, sentence, f"ICML 2019, {source}", figure, ("cells", "epochs"), statistic, low, high,
        select, estimate, extreme, range_source,
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
        "mean over networks of the rank correlation of damage and test loss over epochs",
        0.5, math.inf,
        _correlations("damage", "loss"), _mean("correlation"),
    ),
    _claim(
        "loss_rises_again",
        "training_curves",
        "The test cross-entropy rises late in training.",
        "Appendix, Figure 8c",
        "rise of the test loss from its minimum to the last epoch, in nats",
        0.01, math.inf,
        _overfitting, _mean("loss_rise"),
    ),
    _claim(
        "error_keeps_falling",
        "training_curves",
        "The test error keeps falling where the cross-entropy rises.",
        "Appendix, Figure 8a",
        "change of the test error from the minimum of the test loss to the last epoch",
        -math.inf, 0,
        _overfitted, _mean("error_change"), range_source="paper",
    ),
    _claim(
        "early_stopping_defends",
        "early_stopping",
        "Stopping at the lowest test cross-entropy lowers the vulnerability.",
        "Appendix, Figure 10",
        "vulnerability at the lowest test loss over that of the last epoch",
        -math.inf, 1,
        _stopped, _mean("early_share"), range_source="paper",
    ),
    _claim(
        "test_gradients_exceed_train",
        "train_test_gradients",
        "After training, gradients are larger on test images than on training images.",
        "Appendix, Figure 12",
        "mean ratio of test and train gradient norms, ties broken",
        1.05, math.inf,
        _gaps, _mean("ratio"),
    ),
    _claim(
        "gap_grows_with_dimension",
        "train_test_gradients",
        "The gap between test and train gradient norms grows like sqrt(d).",
        "Appendix, Figure 12",
        "exponent of the gap in d",
        0.35, 0.65,
        _gaps_by_size, lambda rows: exponent(rows, "gap"),
    ),
    _claim(
        "original_beats_downsampled",
        "downsampling",
        "PGD training on the original images beats PGD training on downsampled versions.",
        "Appendix, Figure 13",
        "adversarial accuracy, mean over PGD's strengths, at the largest size less that at another",
        0, math.inf,
        _robustly_trained, _advantage_of_the_original, "smallest", "paper",
    ),
    _claim(
        "loss_and_accuracy_damage_differ",
        "loss_and_accuracy_damage",
        "The damage to the loss and the damage to the accuracy are not equivalent.",
        "Appendix, Figure 9b",
        "mean over networks of their rank correlation over epochs",
        -math.inf, 0.9,
        _correlations("damage", "accuracy_damage"), _mean("correlation"),
    ),
    _claim(
        "test_gradients_rise",
        "train_test_gradients",
        "During usual training the gradients on test images grow.",
        "Appendix, Figure 12",
        "mean over networks of the rank correlation of gradient norm and epoch, test",
        0, math.inf,
        _correlations("grad_l1_untied", "epoch"), _mean("correlation"), range_source="paper",
    ),
    _claim(
        "train_gradients_fall",
        "train_test_gradients",
        "During usual training the gradients on training images shrink.",
        "Appendix, Figure 12",
        "mean over networks of the rank correlation of gradient norm and epoch, train",
        -math.inf, 0,
        _correlations("grad_l1_untied", "epoch", "train"), _mean("correlation"),
        range_source="paper",
    ),
)  # fmt: skip
