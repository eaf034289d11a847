"""Which figures exist, and what each is drawn from; importing this loads no plotting library."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FigureEntry:
    """One figure: the function that draws it, the tables it reads, and what it shows."""

    module: str
    function: str
    tables: tuple[str, ...]
    title: str

    @property
    def of_attacks(self) -> bool:
        """Tell whether the figure is drawn from attacks, which its experiment must then name."""
        return bool(set(self.tables) & {"attack_summaries", "ladder", "bounds"})

    @property
    def of_bounds(self) -> bool:
        """Tell whether the figure is drawn from lower bounds, which its experiment must ask for."""
        return "bounds" in self.tables


FIGURES: dict[str, FigureEntry] = {
    "regularisation_methods": FigureEntry(
        "regularisation",
        "regularisation_methods",
        ("cells",),
        "Figure 1: gradient norms, vulnerability and accuracy of every training method",
    ),
    "matched_strengths": FigureEntry(
        "regularisation",
        "matched_strengths",
        ("cells",),
        "Figure 1a-c with the methods' first-order strengths matched",
    ),
    "input_dimension": FigureEntry(
        "dimension",
        "input_dimension",
        ("cells", "epochs"),
        "Figure 2: vulnerability, gradient norms and accuracy against the input dimension",
    ),
    "attack_agreement": FigureEntry(
        "attacks",
        "attack_agreement",
        ("cells", "attack_summaries"),
        "Figure 4: vulnerability under every attack against the gradient norm and each other",
    ),
    "attack_thresholds": FigureEntry(
        "attacks",
        "attack_thresholds",
        ("cells", "attack_summaries"),
        "Vulnerability against the threshold, per attack and size",
    ),
    "first_order_damage": FigureEntry(
        "attacks",
        "first_order_damage",
        ("cells", "attack_summaries"),
        "Measured damage over its first-order prediction: how far Lemma 2 reaches",
    ),
    "attack_ladder": FigureEntry(
        "attacks",
        "attack_ladder",
        ("cells", "ladder"),
        "The square-root law under the gradient norm, FGSM, PGD and AutoAttack on the same cells",
    ),
    "initialisation_norms": FigureEntry(
        "initialisation",
        "initialisation_norms",
        ("initialisation",),
        "Theorems 4 and 5: gradient norms at initialisation against the input dimension",
    ),
    "initialisation_exponents": FigureEntry(
        "initialisation",
        "initialisation_exponents",
        ("initialisation",),
        "Where the square-root law holds: exponents at initialisation, per network",
    ),
    "adversarial_examples": FigureEntry(
        "examples",
        "adversarial_examples",
        ("cells", "examples"),
        "Clean images, adversarial images and their perturbations amplified, per size",
    ),
    "bound_histograms": FigureEntry(
        "bounds",
        "bound_histograms",
        ("cells", "bounds"),
        "Figures 2, 3 and 4 of NIPS 2017: attacks, lower bounds and their log-ratios per image",
    ),
    "counter_example": FigureEntry(
        "bounds",
        "counter_example",
        ("cells", "bounds"),
        "Lower bounds against verified adversarials: Theorem 4.2 of NIPS 2017 is violated",
    ),
    "certified_dimension": FigureEntry(
        "bounds",
        "certified_dimension",
        ("cells", "bounds"),
        "Certified radius and smallest adversarial against the input dimension, as in Eq. 3",
    ),
}
