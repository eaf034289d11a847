"""The papers' parts, in their order, and which part a claim is about."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

BEYOND_THEOREMS = "beyond the theorems"
INITIALISATION = "ICML 2019, Section 3: at initialisation, Theorems 4 and 5"
INITIALISATION_BEYOND = "ICML 2019, Section 3: networks beyond the theorems"
OTHERS = "Other claims"
# In the order of the papers; the claims of a figure are about its part.
FIGURES_OF_PARTS: dict[str, tuple[str, ...]] = {
    "ICML 2019, Section 2: Lemma 2": ("first_order_damage",),
    INITIALISATION: ("initialisation_norms",),
    INITIALISATION_BEYOND: (),
    "ICML 2019, Section 4.1: training methods, Figure 1": (
        "regularisation_methods",
        "matched_strengths",
    ),
    "ICML 2019, Section 4.2: input dimension, Figure 2": (
        "input_dimension",
        "attack_thresholds",
    ),
    "ICML 2019, Appendix: Figures 4 to 13": (
        "attack_agreement",
        "regularisation_by_size",
        "training_curves",
        "loss_and_accuracy_damage",
        "early_stopping",
        "train_test_gradients",
        "downsampling",
    ),
    "ICML 2019, Appendix B, and its preprint: pooling": ("pooling", "initialisation_dampening"),
    "NIPS 2017: lower bounds": ("bound_histograms", "counter_example"),
    "Beyond the papers": ("attack_ladder", "certified_dimension"),
    OTHERS: (),
}
_PARTS = {figure: part for part, figures in FIGURES_OF_PARTS.items() for figure in figures}


def part_of(figure: str, source: str) -> str:
    """Return the part of the papers that a claim, seen in a figure, is about."""
    part = _PARTS.get(figure, OTHERS)
    beyond = part == INITIALISATION and source.startswith(BEYOND_THEOREMS)
    return INITIALISATION_BEYOND if beyond else part


def by_part(rows: pd.DataFrame) -> Iterable[tuple[str, pd.DataFrame]]:
    """Yield each part that has claims, in the papers' order, with its rows of the table."""
    parts = pd.Series(
        [part_of(*pair) for pair in zip(rows["figure"], rows["source"], strict=True)], rows.index
    )
    for part in FIGURES_OF_PARTS:
        if (of_part := rows[parts == part]).size:
            yield part, of_part
