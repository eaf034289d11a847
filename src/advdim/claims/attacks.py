"""Claims about attacks: ICML 2019, Lemma 2 and Appendix Figure 4, and what strong attacks add."""

from __future__ import annotations

import math

import pandas as pd

from advdim.claims import needs
from advdim.claims.base import Claim, Tables
from advdim.claims.rows import summaries, undefended
from advdim.claims.statistics import exponent, rank_correlation
from advdim.sweep import IDENTITY

REFERENCE, STRONGEST = "pgd_linf", "autoattack_linf"
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


def _inverse_norms(tables: Tables, experiment: str, *attacks: str) -> pd.DataFrame:
    """Return one over the median smallest l-inf norm, of usual training, per network and attack."""
    rows = summaries(tables, experiment)
    rows = needs.attacks(undefended(rows[rows["reported"]]), *attacks)
    rows = needs.sizes(rows[rows["attack"].isin(attacks)])
    return rows.assign(inverse_norm=1 / rows["norm_linf_median"].where(lambda norm: norm > 0))


def _agreement(rows: pd.DataFrame) -> dict[str, float]:
    """Return the rank correlation of each attack's vulnerabilities with PGD's."""
    others = [name for name in _attacks(rows) if name != REFERENCE]
    return {name: rank_correlation(rows[REFERENCE], rows[name]) for name in others}


def _follows_gradients(rows: pd.DataFrame) -> dict[str, float]:
    """Return the rank correlation, per attack, of vulnerability and gradient norm."""
    return {name: rank_correlation(rows["grad_l1_median"], rows[name]) for name in _attacks(rows)}


def _growth(rows: pd.DataFrame, attack: str) -> float:
    return exponent(rows[rows["attack"] == attack], "inverse_norm")


CLAIMS = (
    Claim(
        "first_order_holds_for_small_thresholds",
        "For small thresholds the damage is its first-order prediction.",
        "ICML 2019, Lemma 2",
        "first_order_damage",
        TABLES,
        "mean of PGD's damage over epsilon ||dL/dx||_1 at the smallest threshold",
        0.85, 1.15,
        _smallest_threshold, lambda rows: float(rows["ratio"].mean()),
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
        "law_survives_autoattack",
        "Under the strongest attack, too, the smallest perturbation shrinks like 1/sqrt(d).",
        "ICML 2019, Corollary 6, beyond the paper's attacks",
        "attack_ladder",
        TABLES,
        "exponent in d of one over the median smallest l-inf norm found by AutoAttack",
        0.35, 0.65,
        lambda tables, experiment: _inverse_norms(tables, experiment, STRONGEST),
        lambda rows: _growth(rows, STRONGEST),
    ),
    Claim(
        "law_is_not_an_artefact_of_pgd",
        "AutoAttack sees the same growth with the dimension as PGD.",
        "ICML 2019, Corollary 6, beyond the paper's attacks",
        "attack_ladder",
        TABLES,
        "exponent under AutoAttack less that under PGD",
        -0.1, 0.1,
        lambda tables, experiment: _inverse_norms(tables, experiment, STRONGEST, REFERENCE),
        lambda rows: _growth(rows, STRONGEST) - _growth(rows, REFERENCE),
    ),
)  # fmt: skip
