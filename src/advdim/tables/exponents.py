"""Exponents of power laws in the input dimension, with confidence intervals over seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from advdim.tables.intervals import half_width

# ICML 2019, Theorems 4 and 5: ||dL/dx||_q ~ d^(1/q - 1/2), coordinates ~ d^(-1/2).
PREDICTED = {
    f"{of}_{norm}": exponent
    for of in ("loss", "logit")
    for norm, exponent in (("l1", 0.5), ("l2", 0.0), ("mean", -0.5))
}


@dataclass(frozen=True)
class Exponent:
    """The exponent of a power law and the ends of its confidence interval."""

    estimate: float
    low: float
    high: float


def exponent_over_seeds(rows: pd.DataFrame) -> Exponent:
    """Fit value ~ dimension^exponent to rows of (seed, dimension, value) by log-log regression.

    Each seed has its own network draws at every size, so its slope is one independent estimate:
    the 95 % interval is Student's t over the seeds' slopes, NaN with a single seed or dimension.
    """
    slopes = pd.Series(
        [
            np.polyfit(np.log(of_seed["dimension"]), np.log(of_seed["value"]), 1)[0]
            for _, of_seed in rows[rows["value"] > 0].groupby("seed")
            if len(set(of_seed["dimension"])) > 1
        ],
        dtype=float,
    )
    estimate, half = float(slopes.mean()), float(half_width(slopes.std(), len(slopes)))
    return Exponent(estimate, estimate - half, estimate + half)


def undampened(rows: pd.DataFrame, value: str) -> float:
    """Return the median value of the least dampened networks, over their predicted dampening.

    Times a network's own ``dampening`` it is what Appendix B (ICML 2019) predicts for that network;
    NaN where no dampening is known.
    """
    known = rows.dropna(subset=["dampening"])
    if known.empty:
        return float("nan")
    reference = known[known["dampening"] == known["dampening"].max()]
    return float((reference[value] / reference["dampening"]).median())


def predicted_exponent(rows: pd.DataFrame, law: float) -> float:
    """Return the law's exponent, less what average pools over maps that grow with d take away.

    ``rows`` have a network's dimension and its predicted dampening, which is fitted by a power
    law; unknown dampening counts as none.
    """
    known = rows.dropna(subset=["dampening"]).drop_duplicates("dimension")
    if len(known) < 2:
        return law
    slope = np.polyfit(np.log(known["dimension"]), np.log(known["dampening"]), 1)[0]
    return law + float(slope)
