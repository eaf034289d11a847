"""Claims about attacks: ICML 2019, Lemma 2 and Appendix Figure 4, and what strong attacks add."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from advdim.claims import needs
from advdim.claims.base import Claim, Tables
from advdim.claims.rows import summaries, undefended
from advdim.claims.statistics import either_sign, exponent, rank_correlation
from advdim.sweep import IDENTITY

REFERENCE = "pgd_linf"
# Attacks with enough effort to trust the smallest perturbation that they find.
STRONG = ("fmn_linf", "autoattack_linf")
TABLES = ("cells", "attack_summaries")


def _reported(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = summaries(tables, experiment)
    rows = needs.some_change_by_attack(rows[rows["reported"]])
    if 0 < len(rows.drop_duplicates(IDENTITY)) < 3:
        raise needs.Undecidable("it takes three networks to rank")
    return rows


def _by_attack(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return, per network, its gradient norm and its vulnerability under each attack."""
    rows = _reported(tables, experiment)
    return rows.pivot_table(
        index=[*IDENTITY, "grad_l1_median"], columns="attack", values="vulnerability"
    ).reset_index()


def _with_reference(tables: Tables, experiment: str) -> pd.DataFrame:
    needs.attacks(summaries(tables, experiment), REFERENCE)
    rows = _by_attack(tables, experiment)
    if len(rows) and len(_attacks(rows)) < 2:
        raise needs.Undecidable(f"no attack ran beside {REFERENCE}")
    return rows


def _attacks(rows: pd.DataFrame) -> list[str]:
    return [str(name) for name in rows if name not in {*IDENTITY, "grad_l1_median"}]


def _smallest_threshold(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return PGD's rows at each network's smallest threshold, where Lemma 2 speaks."""
    rows = needs.attacks(summaries(tables, experiment), REFERENCE)
    rows = rows[(rows["attack"] == REFERENCE) & (rows["first_order"] > 0)]
    smallest = rows.groupby(IDENTITY)["threshold"].transform("min")
    rows = rows[rows["threshold"] == smallest]
    return rows.assign(ratio=rows["damage"] / rows["first_order"])


def _inverse_norms(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return one over the median smallest l-inf norm, of usual training, per network and attack."""
    rows = summaries(tables, experiment)
    rows = needs.sizes(undefended(rows[rows["reported"]]))
    if len(rows) and not rows["attack"].isin(STRONG).any():
        raise needs.Undecidable(f"no network was attacked by {' or '.join(STRONG)}")
    return rows.assign(inverse_norm=1 / rows["norm_linf_median"].where(lambda norm: norm > 0))


def _of_strong_attacks(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = _inverse_norms(tables, experiment)
    return rows[rows["attack"].isin(STRONG)]


def _beside_reference(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = needs.attacks(_inverse_norms(tables, experiment), REFERENCE)
    return rows[rows["attack"].isin([REFERENCE, *STRONG])]


def _agreement(rows: pd.DataFrame) -> dict[str, float]:
    """Return the rank correlation of each attack's vulnerabilities with PGD's."""
    others = [name for name in _attacks(rows) if name != REFERENCE]
    return {name: rank_correlation(rows[REFERENCE], rows[name]) for name in others}


def _follows_gradients(rows: pd.DataFrame) -> dict[str, float]:
    """Return the rank correlation, per attack, of vulnerability and gradient norm."""
    return {name: rank_correlation(rows["grad_l1_median"], rows[name]) for name in _attacks(rows)}


def _first_order_deviations(rows: pd.DataFrame) -> dict[str, float]:
    """Return, per size, how far the damage is from its first-order prediction (log)."""
    means = np.log(rows.groupby("size")["ratio"].mean())
    return either_sign({f"size {size}": float(deviation) for size, deviation in means.items()})


def _growth(rows: pd.DataFrame) -> float:
    return exponent(rows, "inverse_norm")


def _growth_beside_reference(rows: pd.DataFrame) -> dict[str, float]:
    growth = {str(attack): _growth(of_attack) for attack, of_attack in rows.groupby("attack")}
    reference = growth.pop(REFERENCE, math.nan)
    return either_sign({attack: found - reference for attack, found in growth.items()})


CLAIMS = (
    Claim(
        "first_order_holds_for_small_thresholds",
        "For small thresholds the damage is its first-order prediction.",
        "ICML 2019, Lemma 2",
        "first_order_damage",
        TABLES,
        "largest absolute log, over sizes, of PGD's damage over epsilon ||dL/dx||_1 at the "
        "smallest threshold",
        -math.inf, 0.15,
        _smallest_threshold, _first_order_deviations, "largest",
    ),
    Claim(
        "attacks_agree",
        "All attacks rank the networks' vulnerabilities alike.",
        "ICML 2019, Appendix, Figure 4a",
        "attack_agreement",
        TABLES,
        "smallest rank correlation, over attacks, with the vulnerability under PGD",
        0.8, math.inf,
        _with_reference, _agreement, "smallest", correlation=True,
    ),
    Claim(
        "every_attack_follows_gradients",
        "Under every attack the vulnerability follows the gradient norm.",
        "ICML 2019, Appendix, Figure 4b",
        "attack_agreement",
        TABLES,
        "smallest rank correlation, over attacks, of vulnerability and gradient norm",
        0.8, math.inf,
        _by_attack, _follows_gradients, "smallest", correlation=True,
    ),
    Claim(
        "law_survives_strong_attacks",
        "Under the strongest attacks, too, the smallest perturbation shrinks like 1/sqrt(d).",
        "ICML 2019, Corollary 6, beyond the paper's attacks",
        "attack_ladder",
        TABLES,
        "exponent in d of one over the median smallest l-inf norm found by the attack",
        0.35, 0.65,
        _of_strong_attacks, _growth, each="attack",
    ),
    Claim(
        "law_is_not_an_artefact_of_pgd",
        "Stronger attacks see the same growth with the dimension as PGD.",
        "ICML 2019, Corollary 6, beyond the paper's attacks",
        "attack_ladder",
        TABLES,
        "largest absolute difference, over strong attacks, of their exponent and PGD's",
        -math.inf, 0.1,
        _beside_reference, _growth_beside_reference, "largest",
    ),
)  # fmt: skip
