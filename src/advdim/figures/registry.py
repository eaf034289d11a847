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
    "usual_training": FigureEntry(
        "dimension",
        "usual_training",
        ("cells",),
        "Figure 1 of the preprint, Figures 5 and 6: the dimension after usual training",
    ),
    "regularisation_by_size": FigureEntry(
        "dimension",
        "regularisation_by_size",
        ("cells", "epochs"),
        "Figure 7: the panels of Figure 1, a curve per size instead of a method",
    ),
    "training_curves": FigureEntry(
        "dynamics",
        "training_curves",
        ("cells", "epochs"),
        "Figure 8: error, cross-entropy, gradient norm, vulnerability and damage over the epochs",
    ),
    "loss_and_accuracy_damage": FigureEntry(
        "dynamics",
        "loss_and_accuracy_damage",
        ("cells", "epochs"),
        "Figure 9: the damage to the loss is not the damage to the accuracy",
    ),
    "early_stopping": FigureEntry(
        "dynamics",
        "early_stopping",
        ("cells", "epochs"),
        "Figure 10: early stopping as a defence",
    ),
    "train_test_gradients": FigureEntry(
        "dynamics",
        "train_test_gradients",
        ("cells", "epochs"),
        "Figure 12: gradient norms on test and on train images, and their gap against dimension",
    ),
    "downsampling": FigureEntry(
        "dimension",
        "downsampling",
        ("cells", "epochs"),
        "Figure 13: PGD training on original images against downsampled ones",
    ),
    "pooling": FigureEntry(
        "pooling",
        "pooling",
        ("cells", "epochs"),
        "Figure 3 of the preprint, Appendix B: average, max and strided pooling",
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
    "initialisation_dampening": FigureEntry(
        "initialisation",
        "initialisation_dampening",
        ("initialisation",),
        "Appendix B: average pools divide gradients at initialisation, measured and predicted",
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
    "certified_accuracy": FigureEntry(
        "bounds",
        "certified_accuracy",
        ("cells", "bounds"),
        "Accuracy that is certain, and that attacks leave: the truth lies between",
    ),
    "certified_dimension": FigureEntry(
        "bounds",
        "certified_dimension",
        ("cells", "bounds"),
        "Certified radius and smallest adversarial against the input dimension, as in Eq. 3",
    ),
}
