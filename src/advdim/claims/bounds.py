"""Claims of NIPS 2017, and what sound bounds say about the dimension."""

from __future__ import annotations

import numpy as np
import pandas as pd

from advdim.claims.base import Claim, Tables
from advdim.claims.rows import KEYS, cells, undefended
from advdim.claims.statistics import exponent

TABLES = ("cells", "bounds")
# One bound at every size: the largest of several would mix their looseness with the dimension.
CERTIFIED = "operator_norms"


def _attacked(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return the images of an experiment for which an attack found an adversarial."""
    rows = tables["bounds"].merge(cells(tables, experiment)[KEYS], on=KEYS)
    return rows[rows["best_attack_l2"].notna()]


def _certified(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = undefended(tables["bounds"].merge(cells(tables, experiment)[KEYS], on=KEYS))
    return rows.assign(per_coordinate=rows[CERTIFIED] / np.sqrt(rows["dimension"]))


def _violated(rows: pd.DataFrame) -> float:
    return float(rows["published_violated"].astype(float).mean())


def _decades(rows: pd.DataFrame) -> float:
    rows = rows[(rows["published"] > 0) & rows["fgsm_l2"].gt(0)]
    return float(np.median(np.log10(rows["fgsm_l2"] / rows["published"])))


CLAIMS = (
    Claim(
        "published_bound_holds",
        "No adversarial perturbation of the LeNet is smaller than the published lower bound.",
        "NIPS 2017, Theorems 4.1 to 4.4",
        "bound_histograms",
        TABLES,
        "share of images with a verified adversarial below the published bound",
        0, 0,
        _attacked, _violated,
    ),
    Claim(
        "published_bound_holds_for_one_convolution",
        "No adversarial perturbation of a single convolution is smaller than the published bound.",
        "NIPS 2017, Theorem 4.2",
        "counter_example",
        TABLES,
        "share of images with a verified adversarial below the published bound",
        0, 0,
        _attacked, _violated,
    ),
    Claim(
        "published_bound_is_far_below_attacks",
        "The lower bounds are orders of magnitude below what fast gradient sign finds.",
        "NIPS 2017, Section 5 and Figure 4",
        "bound_histograms",
        TABLES,
        "median log10 of the norm that FGSM finds over the published bound",
        2, np.inf,
        _attacked, _decades,
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
        strata=("dimension",),
    ),
)  # fmt: skip
