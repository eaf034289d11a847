"""How measures of invented networks vary by chance.

Between networks of a setting, and from epoch to epoch of a network, they are multiplied by random
factors: of the network (log-normal), and of its epochs (a stationary AR(1) of their logarithm).
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from advdim.sweep import IDENTITY

# Measures that follow the size of a network's gradients, and how much less than these others vary.
OF_GRADIENTS = ("grad_l1", "grad_l1_untied", "grad_l2", "grad_l2_untied", "vulnerability", "damage")
CALM = {"loss": 0.03, "accuracy": 0.1, "adversarial_accuracy": 0.1, "vulnerability": 0.5}
AUTOCORRELATION = 0.8


def sizes_of_gradients(epochs, random):
    """Return a standard normal number per network."""
    networks = epochs[IDENTITY].drop_duplicates()
    return pd.Series(
        random.standard_normal(len(networks)), index=pd.MultiIndex.from_frame(networks)
    )


def vary(rows, measures, spread, random, sizes=None):
    """Multiply measures by factors of the network and, where there are epochs, of the epoch."""
    starts = ~rows.duplicated(IDENTITY)
    number = np.cumsum(starts.to_numpy()) - 1 if "epoch" in rows else rows.groupby(
        IDENTITY, sort=False
    ).ngroup().to_numpy()  # fmt: skip
    common = 0.0
    if sizes is not None:
        common = sizes.reindex(pd.MultiIndex.from_frame(rows.loc[starts, IDENTITY])).to_numpy()
    for name in measures:
        scale = spread * CALM.get(name, 1.0)
        own = random.standard_normal(number.max() + 1) * (0.3 if sizes is not None else 1)
        # Several rows of a network without epochs (attacks, statistics) vary of themselves, too.
        logarithm = (common + own)[number]
        if "epoch" in rows:
            logarithm = logarithm + _autoregressive(rows, random)
        elif len(number) > number.max() + 1:
            logarithm = logarithm + 0.3 * random.standard_normal(len(rows))
        rows[name] *= np.exp(scale * logarithm)


def _autoregressive(rows, random):
    """Return a stationary AR(1) of variance 1 over the epochs of each network and split."""
    values = random.standard_normal(len(rows))
    starts = (~rows.duplicated([*IDENTITY, "split"])).to_numpy()
    innovation = math.sqrt(1 - AUTOCORRELATION**2)
    epoch = np.arange(len(rows)) - np.maximum.accumulate(np.where(starts, np.arange(len(rows)), 0))
    for step in range(1, epoch.max() + 1):
        (here,) = np.nonzero(epoch == step)
        values[here] = AUTOCORRELATION * values[here - 1] + innovation * values[here]
    return values
