"""Claims of ICML 2019, Section 3: gradients at initialisation, whatever the architecture."""

from __future__ import annotations

import math

import pandas as pd

from advdim.claims.base import Claim, Tables
from advdim.claims.statistics import exponent
from advdim.exponents import PREDICTED, predicted_exponent

SENTENCES = {
    "loss_l1": "The l1-norm of the loss gradient grows like sqrt(d) at initialisation.",
    "loss_l2": "The l2-norm of the loss gradient does not depend on d at initialisation.",
    "logit_l2": "The l2-norm of a logit's gradient does not depend on d at initialisation.",
    "logit_mean": "The coordinates of a logit's gradient are of order 1/sqrt(d) at initialisation.",
}


def _rows(tables: Tables, experiment: str, statistic: str) -> pd.DataFrame:
    rows = tables["initialisation"]
    chosen = (rows["experiment"] == experiment) & (rows["statistic"] == f"{statistic}_untied")
    return rows[chosen]


def _largest_deviation(rows: pd.DataFrame, predicted: float) -> float:
    """Return how far the exponent of the worst network is from the prediction.

    Average pools over maps that grow with d take away what Appendix B says.
    """
    found = [
        abs(exponent(group, "value") - predicted_exponent(group, predicted))
        for _, group in rows.groupby("network")
    ]
    return float(max(found)) if found and all(map(math.isfinite, found)) else math.nan


def _claim(statistic: str, sentence: str) -> Claim:
    predicted = PREDICTED[statistic]
    return Claim(
        f"initial_{statistic}",
        f"{sentence[:-1]}, whatever the architecture (but for average pools over growing maps).",
        "ICML 2019, Theorems 4 and 5, Appendix B",
        "initialisation_norms",
        ("initialisation",),
        f"largest distance of a network's exponent in d from {predicted:g}, less what average "
        "pools take, ties broken",
        0,
        0.1,
        lambda tables, experiment: _rows(tables, experiment, statistic),
        lambda rows: _largest_deviation(rows, predicted),
        units=("seed",),
        strata=("network", "size"),
    )


CLAIMS = tuple(_claim(statistic, sentence) for statistic, sentence in SENTENCES.items())
