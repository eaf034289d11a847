"""Claims of ICML 2019 on PGD: what robustness costs, and how strong PGD is."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from advdim.claims import needs
from advdim.claims.base import Claim, Tables
from advdim.claims.rows import last_epochs
from advdim.claims.statistics import means_by, means_of

# The share of the vulnerability whose removal is to be cheap, and the accuracy that is cheap.
MUCH, LITTLE = 0.3, 0.02


def _pgd_and_augmentation(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = needs.methods(last_epochs(tables, experiment), "pgd_linf", "aug_linf")
    rows = rows[rows["method"].isin(["pgd_linf", "aug_linf"])]
    return needs.strengths(rows, 2)


def _pgd_curve(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return usual training and PGD, where strengths stand near enough to what is asked."""
    rows = needs.some_change(needs.strengths(last_epochs(tables, experiment), 2))
    rows = needs.methods(rows, "none", "pgd_linf")
    rows = rows[rows["method"].isin(["none", "pgd_linf"])]
    if len(rows):
        _check_strengths(rows)
    return rows


def _check_strengths(rows: pd.DataFrame) -> None:
    """Refuse to judge by interpolation alone: one neighbour cheap and the other not."""
    shares, lost = _shares_left(rows), _accuracy_lost(rows)
    if shares.isna().any():
        return
    if not (shares < 1 - MUCH).any():
        raise needs.Undecidable(f"no strength of PGD removes {MUCH:.0%} of the vulnerability")
    after = int(np.argmax(shares < 1 - MUCH))
    cheap, dear = lost.iloc[after - 1], lost.iloc[after]
    if cheap <= LITTLE < dear:
        raise needs.Undecidable(
            f"it takes a strength of PGD between {shares.index[after - 1]:g} and "
            f"{shares.index[after]:g}, which removes {1 - shares.iloc[after]:.0%} of the "
            f"vulnerability and costs {100 * dear:.1f} points"
        )


def _shares_left(rows: pd.DataFrame) -> pd.Series:
    means = means_by(rows, "vulnerability", "epsilon")
    return means.div(means[means.columns[0]], axis=0).mean()


def _accuracy_lost(rows: pd.DataFrame) -> pd.Series:
    means = means_by(rows, "accuracy", "epsilon")
    return -means.sub(means[means.columns[0]], axis=0).mean()


def _price_of_robustness(rows: pd.DataFrame) -> float:
    """Return the accuracy lost where PGD has removed much; linear between strengths."""
    shares, lost = _shares_left(rows).to_numpy(), _accuracy_lost(rows).to_numpy()
    enough = np.flatnonzero(shares < 1 - MUCH)
    if not len(enough):
        return math.nan
    after = enough[0]
    return float(np.interp(1 - MUCH, shares[[after, after - 1]], lost[[after, after - 1]]))


def _strength_factor(rows: pd.DataFrame) -> float:
    """Return by how much weaker PGD may be than augmentation for the same gradient norm."""
    means = means_of(rows, "grad_l1", ["network", "size", "method", "epsilon"])
    if means.isna().any():
        return math.nan
    found = [
        factor
        for _, alike in means.groupby(level=["network", "size"])
        for factor in _log_factors(alike.droplevel(["network", "size"]))
    ]
    return math.exp(np.mean(found)) if found else math.nan


def _log_factors(means: pd.Series) -> np.ndarray:
    """Return, per strength of augmentation, the log of that over the PGD strength of its norm."""
    if not {"pgd_linf", "aug_linf"} <= set(means.index.get_level_values("method")):
        return np.array([])
    pgd, augmented = means["pgd_linf"], means["aug_linf"]
    order = np.argsort(pgd.to_numpy())
    norms, strengths = pgd.to_numpy()[order], np.log(pgd.index.to_numpy(float))[order]
    inside = augmented[augmented.between(norms.min(), norms.max())]
    return np.log(inside.index.to_numpy(float)) - np.interp(inside.to_numpy(), norms, strengths)


CLAIMS = (
    Claim(
        name="robustness_is_cheap_at_first",
        sentence="A strength exists that lowers the vulnerability much and the accuracy little.",
        source="ICML 2019, Section 4.2, Figure 2c (here of the networks of Figure 1)",
        statistic=f"accuracy lost where PGD has removed {MUCH:.0%} of the vulnerability",
        low=-math.inf, high=LITTLE,
        select=_pgd_curve, estimate=_price_of_robustness, figure="regularisation_methods",
    ),
    Claim(
        name="pgd_is_twice_as_strong",
        sentence="At equal strength PGD regularises about twice as much as one-step augmentation.",
        source="ICML 2019, Equation 5 against Section 4.1 (no factor 1/2)",
        statistic="ratio of strengths of augmentation and PGD at equal gradient norm",
        low=1.3, high=3,
        select=_pgd_and_augmentation, estimate=_strength_factor, figure="matched_strengths",
    ),
)  # fmt: skip
