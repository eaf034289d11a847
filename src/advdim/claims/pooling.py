"""Claims of the preprint, Figure 3, and ICML 2019, Appendix B: average pools dampen gradients."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pandas as pd

from advdim.claims import needs
from advdim.claims.base import Claim, Tables
from advdim.claims.intervals import Estimate
from advdim.claims.rows import epochs, undefended
from advdim.claims.statistics import differences, ratios, slope

APPENDIX = "ICML 2019, Appendix B; preprint, Section 3"
FIGURE_3 = "preprint, Figure 3"


def _epochs(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return the test rows of usual training, and which networks' average pools dampen more."""
    rows = undefended(epochs(tables, experiment)).dropna(subset=["dampening"])
    rows = needs.networks(rows[rows["split"] == "test"])
    return rows.assign(
        dampened=rows["dampening"] < rows.groupby("size")["dampening"].transform("max")
    )


def _with_average_pools(rows: pd.DataFrame) -> pd.DataFrame:
    if len(rows) and not rows["dampened"].any():
        raise needs.Undecidable("no network has more average pooling than the others")
    return rows


def _fresh(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = _with_average_pools(_epochs(tables, experiment))
    return rows[rows["epoch"] == -1].assign(share=lambda r: r["grad_l1_untied"] / r["dampening"])


def _fresh_without_average_pools(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = _epochs(tables, experiment)
    return needs.networks(rows[(rows["epoch"] == -1) & ~rows["dampened"]])


def _trained(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = _epochs(tables, experiment)
    return rows[rows["summarised"]]


def _trained_with_average_pools(tables: Tables, experiment: str) -> pd.DataFrame:
    return _with_average_pools(_trained(tables, experiment))


def _attacked(tables: Tables, experiment: str) -> pd.DataFrame:
    return needs.some_change(_trained_with_average_pools(tables, experiment))


def _initial(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = tables["initialisation"]
    chosen = (rows["experiment"] == experiment) & (rows["statistic"] == "logit_l2_untied")
    rows = rows[chosen].dropna(subset=["dampening"])
    if len(rows) and rows["dampening"].nunique() < 2:
        raise needs.Undecidable("all networks average alike")
    return rows


def _ratio(value: str) -> Estimate:
    """Return the estimate: a dampened network's mean over another's, the mean over all pairs."""

    def estimate(rows: pd.DataFrame) -> float:
        dampened = set(rows.loc[rows["dampened"].astype(bool), "network"])
        pairs = ratios(rows, value, "network").items()
        found = [math.log(r) for (a, b), r in pairs if a in dampened and b not in dampened]
        return math.exp(np.mean(found)) if found else math.nan

    return estimate


def _ratios_of_norms(rows: pd.DataFrame) -> dict[str, float]:
    """Return all ratios of two networks' mean gradient norms: the largest is their spread."""
    found = ratios(rows, "grad_l1_untied", "network")
    return {f"{a} over {b}": ratio for (a, b), ratio in found.items()}


def _slope_in_dampening(rows: pd.DataFrame) -> float:
    """Return the slope of log norm in log predicted dampening, over networks and sizes."""
    means = rows.groupby(["network", "size"])[["dampening", "value"]].mean()
    return slope(np.log(means["dampening"].to_numpy()), np.log(means["value"].to_numpy()))


_claim = partial(Claim, figure="pooling")

CLAIMS = (
    _claim(
        name="average_pools_dampen_as_predicted",
        sentence="An average pool over a nodes divides gradients at initialisation by sqrt(a).",
        source=f"{APPENDIX} (in networks with batch norm, which the theorem leaves out)",
        statistic="gradient norm with average pools over its prediction from the others, before "
        "training",
        low=0.8, high=1.25,
        select=_fresh, estimate=_ratio("share"),
    ),
    _claim(
        name="other_pools_do_not_dampen",
        sentence="Strided and max pools leave gradients at initialisation alike.",
        source=APPENDIX,
        statistic="largest over smallest gradient norm among networks without average pools, "
        "before training",
        low=-math.inf, high=1.5,
        select=_fresh_without_average_pools, estimate=_ratios_of_norms, extreme="largest",
    ),
    _claim(
        name="average_pools_keep_gradients_small",
        sentence="After training, gradients are smaller with average pools than without.",
        source=FIGURE_3,
        statistic="gradient norm with average pools over that of the other networks",
        low=-math.inf, high=0.9,
        select=_trained_with_average_pools, estimate=_ratio("grad_l1_untied"),
    ),
    _claim(
        name="average_pools_are_less_vulnerable",
        sentence="After training, networks with average pools are less vulnerable than the others.",
        source=FIGURE_3,
        statistic="vulnerability with average pools over that of the other networks",
        low=-math.inf, high=0.9,
        select=_attacked, estimate=_ratio("vulnerability"),
    ),
    _claim(
        name="pools_have_close_accuracies",
        sentence="The accuracies of networks that differ in their pools are close.",
        source=FIGURE_3,
        statistic="largest difference of accuracy between networks",
        low=-math.inf, high=0.05,
        select=_trained,
        estimate=lambda rows: differences(rows, "accuracy", "network"),
        extreme="largest",
    ),
    Claim(
        name="dampening_at_initialisation",
        sentence="An average over a nodes divides gradients at initialisation by sqrt(a), in any "
        "network.",
        source=APPENDIX, figure="initialisation_dampening", tables=("initialisation",),
        statistic="slope of the logarithm of a logit's gradient norm in that of the predicted "
        "factor",
        low=0.8, high=1.2,
        select=_initial, estimate=_slope_in_dampening,
    ),
)  # fmt: skip
