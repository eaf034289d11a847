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
        "published_bound_holds",
        "No adversarial perturbation of a network is smaller than its published lower bound.",
        "NIPS 2017, Theorems 4.1 to 4.4",
        "bound_histograms",
        TABLES,
        "share of images with a verified adversarial below the published bound",
        -math.inf, 0,
        _violations, _violated, range_source="paper", universal=True,
    ),
    Claim(
        "published_bound_holds_for_one_convolution",
        "No adversarial perturbation of a single convolution is smaller than the published bound.",
        "NIPS 2017, Theorem 4.2",
        "counter_example",
        TABLES,
        "share of images with a verified adversarial below the published bound",
        -math.inf, 0,
        _violations, _violated, range_source="paper", universal=True,
    ),
    Claim(
        "published_bound_is_far_below_attacks",
        "The lower bounds are orders of magnitude below what fast gradient sign finds.",
        "NIPS 2017, Section 5 and Figure 4",
        "bound_histograms",
        TABLES,
        "median log10 of the norm that FGSM finds over the published bound",
        2, math.inf,
        _decades, lambda rows: float(rows["decades"].mean()),
    ),
    Claim(
        "certified_radius_shrinks_with_dimension",
        "The certified radius, too, shrinks like 1/sqrt(d) in the units of Eq. 3.",
        "ICML 2019, Corollary 6, with sound bounds in place of attacks",
        "certified_dimension",
        TABLES,
        "exponent in d of the certified l2 radius over sqrt(d)",
        -0.65, -0.35,
        _certified, lambda rows: exponent(rows, "per_coordinate"),
    ),
)  # fmt: skip
