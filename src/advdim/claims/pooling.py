"""Claims of the preprint, Figure 3, and ICML 2019, Appendix B: average pools dampen gradients."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from advdim.claims.base import Claim, Select, Tables
from advdim.claims.rows import KEYS, cells
from advdim.exponents import undampened

TRAINED = ("cells", "epochs")


def _epochs(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return the test rows of usual training, with each network's predicted dampening."""
    of_experiment = cells(tables, experiment)
    plain = of_experiment[of_experiment["method"] == "none"][[*KEYS, "dimension", "dampening"]]
    rows = tables["epochs"].merge(plain, on=KEYS).dropna(subset=["dampening"])
    return rows[rows["split"] == "test"]


def _fresh(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = _epochs(tables, experiment)
    return rows[rows["epoch"] == -1]


def _trained(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = _epochs(tables, experiment)
    return rows[rows["summarised"]]


def _initial(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = tables["initialisation"]
    chosen = (rows["experiment"] == experiment) & (rows["statistic"] == "logit_l2_untied")
    return rows[chosen].dropna(subset=["dampening"])


def _dampened(rows: pd.DataFrame) -> pd.Series:
    """Tell which rows are of networks with more average pooling than others of their size."""
    return rows["dampening"] < rows.groupby("size")["dampening"].transform("max")


def _ratio(rows: pd.DataFrame, value: str) -> float:
    """Return the median of the dampened networks over that of the others."""
    dampened = _dampened(rows)
    if dampened.all() or not dampened.any():
        return math.nan
    others = float(rows.loc[~dampened, value].median())
    return float(rows.loc[dampened, value].median()) / others if others > 0 else math.nan


def _over_prediction(rows: pd.DataFrame) -> float:
    """Return the dampened networks' gradient norm over what is predicted from the others'."""
    dampened = _dampened(rows)
    if dampened.all() or not dampened.any():
        return math.nan
    predicted = undampened(rows, "grad_l1_untied") * rows.loc[dampened, "dampening"]
    return float((rows.loc[dampened, "grad_l1_untied"] / predicted).median())


def _spread_of_the_others(rows: pd.DataFrame) -> float:
    """Return the largest over the smallest median among networks without average pools."""
    others = rows[~_dampened(rows)]
    medians = others.groupby("network")["grad_l1_untied"].median()
    return float(medians.max() / medians.min()) if len(medians) > 1 else math.nan


def _accuracy_difference(rows: pd.DataFrame) -> float:
    medians = rows.groupby("network")["accuracy"].median()
    return float(medians.max() - medians.min()) if len(medians) > 1 else math.nan


def _slope_in_dampening(rows: pd.DataFrame) -> float:
    """Return the slope of log norm in log predicted dampening, over networks and sizes."""
    means = rows.groupby(["network", "size"])[["dampening", "value"]].mean()
    if means["dampening"].nunique() < 2:
        return math.nan
    return float(np.polyfit(np.log(means["dampening"]), np.log(means["value"]), 1)[0])


def _claim(
    name: str,
    sentence: str,
    source: str,
    statistic: str,
    low: float,
    high: float,
    select: Select,
    estimate: object,
) -> Claim:
    return Claim(
        name, sentence, source, "pooling", TRAINED, statistic, low, high, select,
        estimate,  # type: ignore[arg-type]
        units=("seed",), strata=("network", "size"),
    )  # fmt: skip


APPENDIX = "ICML 2019, Appendix B; preprint, Section 3"
FIGURE_3 = "preprint, Figure 3"
CLAIMS = (
    _claim(
        "average_pools_dampen_as_predicted",
        "An average pool over a nodes divides gradients at initialisation by sqrt(a).",
        f"{APPENDIX} (in networks with batch norm, which the theorem leaves out)",
        "gradient norm with average pools over its prediction from the others, before training",
        0.8, 1.25,
        _fresh, _over_prediction,
    ),
    _claim(
        "other_pools_do_not_dampen",
        "Strided and max pools leave gradients at initialisation alike.",
        APPENDIX,
        "largest over smallest gradient norm among networks without average pools, before training",
        1, 1.5,
        _fresh, _spread_of_the_others,
    ),
    _claim(
        "average_pools_keep_gradients_small",
        "After training, gradients are smaller with average pools than without.",
        FIGURE_3,
        "gradient norm with average pools over that of the other networks",
        0, 0.9,
        _trained, lambda rows: _ratio(rows, "grad_l1_untied"),
    ),
    _claim(
        "average_pools_are_less_vulnerable",
        "After training, networks with average pools are less vulnerable than the others.",
        FIGURE_3,
        "vulnerability with average pools over that of the other networks",
        0, 0.9,
        _trained, lambda rows: _ratio(rows, "vulnerability"),
    ),
    _claim(
        "pools_have_close_accuracies",
        "The accuracies of networks that differ in their pools are close.",
        FIGURE_3,
        "largest difference of accuracy between networks",
        0, 0.05,
        _trained, _accuracy_difference,
    ),
    Claim(
        "dampening_at_initialisation",
        "An average over a nodes divides gradients at initialisation by sqrt(a), in any network.",
        APPENDIX, "initialisation_dampening", ("initialisation",),
        "slope of the logarithm of a logit's gradient norm in that of the predicted factor",
        0.8, 1.2,
        _initial, _slope_in_dampening, units=("seed",), strata=("network", "size"),
    ),
)  # fmt: skip
