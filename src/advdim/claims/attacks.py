"""Claims about attacks: ICML 2019, Lemma 2 and Appendix Figure 4, and what strong attacks add."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from advdim.claims import needs
from advdim.claims.base import Claim, Tables
from advdim.claims.networks import SETTING
from advdim.claims.rows import summaries, undefended
from advdim.claims.statistics import either_sign, exponent, means_of, rank_correlation
from advdim.sweep import IDENTITY

REFERENCE = "pgd_linf"
# Attacks with enough effort to trust the smallest perturbation that they find.
STRONG = ("fmn_linf", "autoattack_linf")
TABLES = ("cells", "attack_summaries")


def _reported(tables: Tables, experiment: str) -> pd.DataFrame:
    rows = summaries(tables, experiment)
    rows = needs.some_change_by_attack(rows[rows["reported"]])
    if 0 < len(rows.drop_duplicates(IDENTITY)) < 4:
        raise needs.Undecidable("it takes four networks to rank")
    return rows


def _by_attack(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return, per network, its gradient norm and its vulnerability under each attack."""
    rows = _reported(tables, experiment)
    wide = rows.pivot_table(
        index=[*IDENTITY, "grad_l1_median"], columns="attack", values="vulnerability"
    )
    # under way, some networks are not attacked by all
    return wide.dropna().reset_index()


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


def _iterated_with_room(tables: Tables, experiment: str) -> pd.DataFrame:
    """Return iterated attacks on usual training, each at its largest threshold with room to grow.

    One step is blind to the ties of copied pixels.
    """
    rows = needs.sizes(undefended(summaries(tables, experiment)))
    iterated = (REFERENCE, *STRONG)
    if len(rows) and not rows["attack"].isin(iterated).any():
        raise needs.Undecidable(f"no network was attacked by {' or '.join(iterated)}")
    rows = rows[rows["attack"].isin(iterated)]
    found = [_largest_with_room(of_attack) for _, of_attack in rows.groupby("attack")]
    chosen = pd.concat([rows.iloc[:0], *found])
    return needs.room_to_grow(rows) if chosen.empty else chosen


def _largest_with_room(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the largest threshold that leaves room, none where none does."""
    # Thresholds in pixels differ between sizes once they are normalised.
    place = rows.groupby(IDENTITY)["threshold"].rank("dense")
    groups = [rows[place == k] for k in sorted(place.unique(), reverse=True)]
    return next((group for group in groups if needs.has_room(group)), rows.iloc[:0])


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
    """Return PGD and the strong attacks at the sizes of PGD, over which exponents compare."""
    rows = needs.attacks(_inverse_norms(tables, experiment), REFERENCE)
    sizes = rows.loc[rows["attack"] == REFERENCE, "size"]
    return needs.sizes(rows[rows["attack"].isin([REFERENCE, *STRONG]) & rows["size"].isin(sizes)])


def _agreement(rows: pd.DataFrame) -> dict[str, float]:
    """Return the rank correlation of each attack's vulnerabilities with PGD's."""
    others = [name for name in _attacks(rows) if name != REFERENCE]
    return {name: rank_correlation(rows[REFERENCE], rows[name]) for name in others}


def _follows_gradients(rows: pd.DataFrame) -> dict[str, float]:
    """Return the rank correlation, per attack, of vulnerability and gradient norm."""
    return {name: rank_correlation(rows["grad_l1_median"], rows[name]) for name in _attacks(rows)}


def _first_order_deviations(rows: pd.DataFrame) -> dict[str, float]:
    """Return, per size, how far the damage is from its first-order prediction (log)."""
    means = np.log(means_of(rows, "ratio", ["size"]))
    return either_sign({f"size {size}": float(deviation) for size, deviation in means.items()})


def _growth(rows: pd.DataFrame) -> float:
    return exponent(rows, "inverse_norm")


def _growth_beside_reference(rows: pd.DataFrame) -> dict[str, float]:
    """Return, per strong attack, its exponent less PGD's, both over the attack's settings."""
    is_reference = rows["attack"] == REFERENCE
    reference, strong = rows[is_reference], rows[~is_reference]
    return either_sign(
        {
            str(attack): _growth(of) - _growth(reference.merge(of[SETTING].drop_duplicates()))
            for attack, of in strong.groupby("attack")
        }
    )


CLAIMS = (
    Claim(
        name="first_order_holds_for_small_thresholds",
        sentence="For small thresholds the damage is its first-order prediction.",
        source="ICML 2019, Lemma 2",
        figure="first_order_damage",
        tables=TABLES,
        statistic="largest absolute log, over sizes, of PGD's damage over epsilon times the "
        "l1-norm of the gradient, at the smallest threshold",
        low=-math.inf, high=0.15,
        select=_smallest_threshold, estimate=_first_order_deviations, extreme="largest",
    ),
    Claim(
        name="attacks_agree",
        sentence="All attacks rank the networks' vulnerabilities alike.",
        source="ICML 2019, Appendix, Figure 4a",
        figure="attack_agreement",
        tables=TABLES,
        statistic="smallest rank correlation, over attacks, with the vulnerability under PGD",
        low=0.8, high=math.inf,
        select=_with_reference, estimate=_agreement, extreme="smallest", correlation="of ranks",
    ),
    Claim(
        name="every_attack_follows_gradients",
        sentence="Under every attack the vulnerability follows the gradient norm.",
        source="ICML 2019, Appendix, Figure 4b",
        figure="attack_agreement",
        tables=TABLES,
        statistic="smallest rank correlation, over attacks, of vulnerability and gradient norm",
        low=0.8, high=math.inf,
        select=_by_attack, estimate=_follows_gradients, extreme="smallest",
        correlation="of ranks",
    ),
    Claim(
        name="vulnerability_grows_under_attack",
        sentence="After usual training the vulnerability grows like sqrt(d), where a threshold "
        "leaves it room.",
        source="ICML 2019, Section 4.2, Figure 2a",
        figure="attack_thresholds",
        tables=TABLES,
        statistic="exponent in d of the vulnerability, at the attack's largest threshold from "
        "which a share could grow like sqrt(d)",
        low=0.25, high=0.65,
        select=_iterated_with_room, estimate=lambda rows: exponent(rows, "vulnerability"),
        each="attack",
    ),
    Claim(
        name="law_survives_strong_attacks",
        sentence="Under the strongest attacks, too, the smallest perturbation shrinks like "
        "1/sqrt(d).",
        source="ICML 2019, Corollary 6, beyond the paper's attacks",
        figure="attack_ladder",
        tables=TABLES,
        statistic="exponent in d of one over the median smallest l-inf norm found by the attack",
        low=0.35, high=0.65,
        select=_of_strong_attacks, estimate=_growth, each="attack",
    ),
    Claim(
        name="law_is_not_an_artefact_of_pgd",
        sentence="Stronger attacks see the same growth with the dimension as PGD.",
        source="ICML 2019, Corollary 6, beyond the paper's attacks",
        figure="attack_ladder",
        tables=TABLES,
        statistic="largest absolute difference, over strong attacks, of their exponent and PGD's "
        "at the sizes of both",
        low=-math.inf, high=0.1,
        select=_beside_reference, estimate=_growth_beside_reference, extreme="largest",
    ),
)  # fmt: skip
