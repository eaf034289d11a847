"""Claims of ICML 2019, Appendix, Figures 7 to 10, 12 and 13: training, epoch by epoch."""

from __future__ import annotations

import math

import pandas as pd

from advdim.claims import needs
from advdim.claims.base import Claim, Select, Tables
from advdim.claims.intervals import Estimate
from advdim.claims.networks import SETTING
from advdim.claims.rows import epochs, last_epochs, trained_by_pgd, undefended
from advdim.claims.statistics import (
    exponent,
    means_by,
    paired_differences,
    rank_correlation,
)
from advdim.sweep import IDENTITY
from advdim.tables.derived import early_and_last, train_test_gaps, with_accuracy_damage


def _tested(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return the test rows of undefended networks, from the first epoch of training on."""
    rows = undefended(epochs(tables, experiment))
    return rows[(rows["split"] == "test") & (rows["epoch"] >= 0)]


def _overfitting(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return, per undefended network, what changes from the epoch of lowest test loss to the last.

    That epoch is told by the other networks of its setting: of its own epochs the lowest is low by
    chance, too, so that the last one would always lie above.
    """
    rows = _tested(tables, experiment)
    rows = rows.assign(others=_mean_of_others(rows))
    known = rows.dropna(subset=["others"])
    last = rows.loc[rows.groupby(IDENTITY)["epoch"].idxmax()].set_index(IDENTITY)
    best = known.loc[known.groupby(IDENTITY)["others"].idxmin()].set_index(IDENTITY)
    last = last.loc[best.index]
    return (
        pd.DataFrame(
            {
                "later": last["epoch"] > best["epoch"],
                "loss_rise": last["loss"] - best["loss"],
                "error_change": best["accuracy"] - last["accuracy"],
            }
        )
        .dropna()
        .reset_index()
    )


def _mean_of_others(rows: pd.DataFrame) -> pd.Series:
    """Return the mean loss, at each row's epoch, of the setting's other networks; NaN for none."""
    losses = rows.groupby([*SETTING, "epoch"])["loss"]
    others = losses.transform("count") - 1
    return (losses.transform("sum") - rows["loss"]) / others.where(others > 0)


def _overfitted(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return those networks after whose others' lowest loss there are epochs."""
    rows = _overfitting(tables, experiment)
    if len(rows) and not rows["later"].any():
        raise needs.Undecidable("the mean test loss of a setting is lowest in the last epoch")
    return rows[rows["later"]]


def _stopped(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return the networks whose own lowest test loss, where one stops, has epochs after it."""
    found = early_and_last(_tested(tables, experiment))
    later = found["epoch_last"] > found["epoch_best"]
    if len(found) and not later.any():
        raise needs.Undecidable("the test loss of every network is lowest in the last epoch")
    found = found[later].rename(columns={"vulnerability_last": "vulnerability"})
    found = needs.some_change(found)
    share = found["vulnerability_best"] / found["vulnerability"]
    return found.assign(early_share=share)[found["vulnerability"] > 0]


def _gaps(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return test and train gradient norms of the last epochs of usual training, and their gap."""
    rows = undefended(epochs(tables, experiment))
    gaps = train_test_gaps(rows[rows["summarised"]])
    return gaps.assign(ratio=gaps["test"] / gaps["train"])


def _gaps_by_size(tables: Tables, experiment: str) -> pd.DataFrame:
    return needs.sizes(_gaps(tables, experiment))


def _correlations(first: str, second: str, split: str = "test") -> Select:
    """Return a selection of undefended networks with the rank correlation over their epochs."""

    def select(tables: Tables, experiment: str) -> pd.DataFrame:
        rows = undefended(epochs(tables, experiment))
        rows = rows[(rows["split"] == split) & (rows["epoch"] >= 0)]
        rows = with_accuracy_damage(rows)
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
    means = means_by(rows, "adversarial_accuracy", "dimension")
    found = paired_differences(means).items()
    return {f"{size} inputs": gain for (a, size), gain in found if a == means.columns[-1]}


def _mean(column: str) -> Estimate:
    return lambda rows: float(rows[column].mean(skipna=False))


CLAIMS = (
    Claim(
        name="norm_ratio_grows_with_dimension",
        figure="regularisation_by_size",
        sentence="The slope of the l1- against the l2-norm of the gradients grows like sqrt(d).",
        source="ICML 2019, Appendix, Figure 7e (ties broken)",
        statistic="exponent of the ratio of the l1- and the l2-norm in d",
        low=0.35, high=0.65,
        select=_norm_ratios, estimate=lambda rows: exponent(rows, "ratio"),
    ),
    Claim(
        name="vulnerability_follows_the_loss",
        figure="training_curves",
        sentence="Over the epochs the damage follows the test cross-entropy.",
        source="ICML 2019, Appendix, Figure 8",
        statistic="mean over networks of the rank correlation of damage and test loss over epochs",
        low=0.5, high=math.inf,
        select=_correlations("damage", "loss"), estimate=_mean("correlation"),
    ),
    Claim(
        name="loss_rises_again",
        figure="training_curves",
        sentence="The test cross-entropy rises late in training.",
        source="ICML 2019, Appendix, Figure 8c",
        statistic="rise of the test loss to the last epoch, from where the setting's other "
        "networks have their minimum, in nats",
        low=0.01, high=math.inf,
        select=_overfitting, estimate=_mean("loss_rise"),
    ),
    Claim(
        name="error_keeps_falling",
        figure="training_curves",
        sentence="The test error keeps falling where the cross-entropy rises.",
        source="ICML 2019, Appendix, Figure 8a",
        statistic="change of the test error to the last epoch, from where the setting's other "
        "networks have the minimum of the test loss",
        low=-math.inf, high=0,
        select=_overfitted, estimate=_mean("error_change"), range_source="paper",
    ),
    Claim(
        name="early_stopping_defends",
        figure="early_stopping",
        sentence="Stopping at the lowest test cross-entropy lowers the vulnerability.",
        source="ICML 2019, Appendix, Figure 10",
        statistic="vulnerability at the lowest test loss over that of the last epoch",
        low=-math.inf, high=1,
        select=_stopped, estimate=_mean("early_share"), range_source="paper",
    ),
    Claim(
        name="test_gradients_exceed_train",
        figure="train_test_gradients",
        sentence="After training, gradients are larger on test images than on training images.",
        source="ICML 2019, Appendix, Figure 12",
        statistic="mean ratio of test and train gradient norms, ties broken",
        low=1.05, high=math.inf,
        select=_gaps, estimate=_mean("ratio"),
    ),
    Claim(
        name="gap_grows_with_dimension",
        figure="train_test_gradients",
        sentence="The gap between test and train gradient norms grows like sqrt(d).",
        source="ICML 2019, Appendix, Figure 12",
        statistic="exponent of the gap in d",
        low=0.35, high=0.65,
        select=_gaps_by_size, estimate=lambda rows: exponent(rows, "gap"),
    ),
    Claim(
        name="original_beats_downsampled",
        figure="downsampling",
        sentence="PGD training on the original images beats PGD training on downsampled versions.",
        source="ICML 2019, Appendix, Figure 13",
        statistic="adversarial accuracy, mean over PGD's strengths, at the largest size less that "
        "at another",
        low=0, high=math.inf,
        select=_robustly_trained, estimate=_advantage_of_the_original, extreme="smallest",
        range_source="paper",
    ),
    Claim(
        name="loss_and_accuracy_damage_differ",
        figure="loss_and_accuracy_damage",
        sentence="The damage to the loss and the damage to the accuracy are not equivalent.",
        source="ICML 2019, Appendix, Figure 9b",
        statistic="mean over networks of their rank correlation over epochs",
        low=-math.inf, high=0.9,
        select=_correlations("damage", "accuracy_damage"), estimate=_mean("correlation"),
    ),
    Claim(
        name="test_gradients_rise",
        figure="train_test_gradients",
        sentence="During usual training the gradients on test images grow.",
        source="ICML 2019, Appendix, Figure 12",
        statistic="mean over networks of the rank correlation of gradient norm and epoch, test",
        low=0, high=math.inf,
        select=_correlations("grad_l1_untied", "epoch"), estimate=_mean("correlation"),
        range_source="paper",
    ),
    Claim(
        name="train_gradients_fall",
        figure="train_test_gradients",
        sentence="During usual training the gradients on training images shrink.",
        source="ICML 2019, Appendix, Figure 12",
        statistic="mean over networks of the rank correlation of gradient norm and epoch, train",
        low=-math.inf, high=0,
        select=_correlations("grad_l1_untied", "epoch", "train"), estimate=_mean("correlation"),
        range_source="paper",
    ),
)  # fmt: skip
