"""Claims of NIPS 2017, and what sound bounds say about the dimension."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from advdim.claims import needs
from advdim.claims.base import Claim, Tables
from advdim.claims.rows import cells, undefended
from advdim.claims.statistics import exponent
from advdim.sweep import IDENTITY

TABLES = ("cells", "bounds")
# One bound at every size: the largest of several would mix their looseness with the dimension.
CERTIFIED = "operator_norms"


def _bounds(tables: Tables, experiment: str) -> pd.DataFrame:
    return tables["bounds"].merge(cells(tables, experiment)[IDENTITY], on=IDENTITY)


def _violations(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return, per network, the share of the attack's adversarials below the published bound."""
    rows = _bounds(tables, experiment)
    rows = rows[rows["best_attack_l2"].notna()].astype({"published_violated": float})
    return rows.groupby(IDENTITY)[["published_violated"]].mean().reset_index()


def _decades(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return, per network, the median over images of log10 of FGSM's norm over the bound."""
    rows = _bounds(tables, experiment)
    rows = rows[(rows["published"] > 0) & rows["fgsm_l2"].gt(0)]
    rows = rows.assign(decades=np.log10(rows["fgsm_l2"] / rows["published"]))
    return rows.groupby(IDENTITY)[["decades"]].median().reset_index()


def _certified(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return, per undefended network, the median certified radius over sqrt(d)."""
    rows = undefended(_bounds(tables, experiment)).dropna(subset=[CERTIFIED])
    rows = rows.assign(per_coordinate=rows[CERTIFIED] / np.sqrt(rows["dimension"]))
    rows = rows.groupby([*IDENTITY, "dimension"])[["per_coordinate"]].median().reset_index()
    return needs.sizes(rows)


def _violated(rows: pd.DataFrame) -> float:
    return float(rows["published_violated"].mean())


CLAIMS = (
    Claim(
        name="published_bound_holds",
        sentence="No adversarial perturbation of a network is smaller than its published lower "
        "bound.",
        source="NIPS 2017, Theorems 4.1 to 4.4",
        figure="bound_histograms",
        tables=TABLES,
        statistic="share of images with a verified adversarial below the published bound",
        low=-math.inf, high=0,
        select=_violations, estimate=_violated, range_source="paper", universal=True,
    ),
    Claim(
        name="published_bound_holds_for_one_convolution",
        sentence="No adversarial perturbation of a single convolution is smaller than the "
        "published bound.",
        source="NIPS 2017, Theorem 4.2",
        figure="counter_example",
        tables=TABLES,
        statistic="share of images with a verified adversarial below the published bound",
        low=-math.inf, high=0,
        select=_violations, estimate=_violated, range_source="paper", universal=True,
    ),
    Claim(
        name="published_bound_is_far_below_attacks",
        sentence="The lower bounds are orders of magnitude below what fast gradient sign finds.",
        source="NIPS 2017, Section 5 and Figure 4",
        figure="bound_histograms",
        tables=TABLES,
        statistic="median log10 of the norm that FGSM finds over the published bound",
        low=2, high=math.inf,
        select=_decades, estimate=lambda rows: float(rows["decades"].mean(skipna=False)),
    ),
    Claim(
        name="certified_radius_shrinks_with_dimension",
        sentence="The certified radius, too, shrinks like 1/sqrt(d) in the units of Eq. 3.",
        source="ICML 2019, Corollary 6, with sound bounds in place of attacks",
        figure="certified_dimension",
        tables=TABLES,
        statistic="exponent in d of the certified l2 radius over sqrt(d)",
        low=-0.65, high=-0.35,
        select=_certified, estimate=lambda rows: exponent(rows, "per_coordinate"),
    ),
)  # fmt: skip
