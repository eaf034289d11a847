"""Claims about attacks: ICML 2019, Lemma 2 and Appendix Figure 4, and what strong attacks add."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from advdim.claims.base import Claim, Tables
from advdim.claims.rows import KEYS, summaries, undefended
from advdim.claims.statistics import exponent, rank_correlation

REFERENCE = "pgd_linf"


def _reported(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = summaries(tables, experiment)
    return rows[rows["reported"]]


def _smallest_threshold(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return PGD's rows at the smallest threshold, where Lemma 2 speaks."""
    rows = summaries(tables, experiment)
    rows = rows[(rows["attack"] == REFERENCE) & (rows["first_order"] > 0)]
    return rows[rows["threshold"] == rows["threshold"].min()]


def _agreement(rows: pd.DataFrame) -> float:
    """Return the smallest rank correlation, over attacks, of vulnerabilities with PGD's."""
    table = rows.pivot_table(index=KEYS, columns="attack", values="vulnerability")
    if REFERENCE not in table or len(table.columns) < 2:
        return math.nan
    others = table.drop(columns=REFERENCE)
    found = [rank_correlation(table[REFERENCE], others[name]) for name in others]
    return float(np.min(found)) if all(map(math.isfinite, found)) else math.nan


def _follows_gradients(rows: pd.DataFrame) -> float:
    """Return the smallest rank correlation, over attacks, of vulnerability and gradient norm."""
    found = [
        rank_correlation(group["vulnerability"], group["grad_l1_median"])
        for _, group in rows.groupby("attack")
    ]
    return float(np.min(found)) if found and all(map(math.isfinite, found)) else math.nan


def _inverse_norms(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return one over the median smallest l-inf norm, of usual training, per cell and attack."""
    rows = undefended(_reported(tables, experiment))
    return rows.assign(inverse_norm=1 / rows["norm_linf_median"].where(lambda norm: norm > 0))


def _growth(rows: pd.DataFrame, attack: str) -> float:
    return exponent(rows[rows["attack"] == attack], "inverse_norm")


CLAIMS = (
    Claim(
        "first_order_holds_for_small_thresholds",
        "For small thresholds the damage is its first-order prediction.",
        "ICML 2019, Lemma 2",
        "first_order_damage",
        ("cells", "attack_summaries"),
        "median of PGD's damage over epsilon ||dL/dx||_1 at the smallest threshold",
        0.85, 1.15,
        _smallest_threshold,
        lambda rows: float((rows["damage"] / rows["first_order"]).median()),
    ),
    Claim(
        "attacks_agree",
        "All attacks rank the networks' vulnerabilities alike.",
        "ICML 2019, Appendix, Figure 4a",
        "attack_agreement",
        ("cells", "attack_summaries"),
        "smallest rank correlation, over attacks, with the vulnerability under PGD",
        0.8, 1,
        _reported, _agreement,
        units=tuple(KEYS),
    ),
    Claim(
        "every_attack_follows_gradients",
        "Under every attack the vulnerability follows the gradient norm.",
        "ICML 2019, Appendix, Figure 4b",
        "attack_agreement",
        ("cells", "attack_summaries"),
        "smallest rank correlation, over attacks, of vulnerability and gradient norm",
        0.8, 1,
        _reported, _follows_gradients,
        units=tuple(KEYS),
    ),
    Claim(
        "law_survives_autoattack",
        "Under the strongest attack, too, the smallest perturbation shrinks like 1/sqrt(d).",
        "ICML 2019, Corollary 6, beyond the paper's attacks",
        "attack_ladder",
        ("cells", "attack_summaries"),
        "exponent in d of one over the median smallest l-inf norm found by AutoAttack",
        0.35, 0.65,
        _inverse_norms, lambda rows: _growth(rows, "autoattack_linf"),
        strata=("dimension", "attack"),
    ),
    Claim(
        "law_is_not_an_artefact_of_pgd",
        "AutoAttack sees the same growth with the dimension as PGD.",
        "ICML 2019, Corollary 6, beyond the paper's attacks",
        "attack_ladder",
        ("cells", "attack_summaries"),
        "exponent under AutoAttack less that under PGD",
        -0.1, 0.1,
        _inverse_norms,
        lambda rows: _growth(rows, "autoattack_linf") - _growth(rows, REFERENCE),
        strata=("dimension", "attack"),
    ),
)  # fmt: skip
