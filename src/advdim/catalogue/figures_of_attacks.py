"""The figures of attacks, of what they find, and of the lower bounds beside them."""

from __future__ import annotations

from advdim.catalogue.entries import FigureEntry

ATTACK_FIGURES = (
    FigureEntry(
        name="attack_agreement",
        function="advdim.figures.attacks:attack_agreement",
        tables=("cells", "attack_summaries"),
        tells_apart=("network", "methods", "sizes"),
        title="Figure 4: vulnerability under every attack against the gradient norm and each other",
        caption="ICML 2019, Appendix, Figure 4. The paper: other attacks find the same "
        "vulnerability, and it follows the gradient norm under each of them. l-inf attacks, "
        "l2 attacks at the threshold of Eq. 3, and each attack against PGD.",
    ),
    FigureEntry(
        name="attack_thresholds",
        function="advdim.figures.attacks:attack_thresholds",
        tables=("cells", "attack_summaries"),
        title="Vulnerability against the threshold, per attack and size",
        caption="ICML 2019, Lemma 2, over thresholds. Above, the vulnerability per attack "
        "and size; below, the threshold is multiplied by the network's gradient norm: where "
        "the first order decides, the curves of all sizes coincide.",
    ),
    FigureEntry(
        name="first_order_damage",
        function="advdim.figures.attacks:first_order_damage",
        tables=("cells", "attack_summaries"),
        title="Measured damage over its first-order prediction: how far Lemma 2 reaches",
        caption="ICML 2019, Lemma 2: for small thresholds the damage is the threshold times "
        "the dual norm of the gradient. Measured damage over that prediction (1 where it "
        "holds), and one against the other. One-step attacks fall short where ties make the "
        "loss not differentiable.",
    ),
    FigureEntry(
        name="attack_ladder",
        function="advdim.figures.attacks:attack_ladder",
        tables=("cells", "ladder"),
        title="The square-root law under the gradient norm and attacks of rising strength",
        caption="ICML 2019, Corollary 6, beyond the paper's attacks: does the growth with "
        "the dimension belong to the networks or to a weak attack? Gradient norm, "
        "vulnerability, and one over the smallest perturbation found by each attack that ran (of "
        "FGSM, PGD, FMN and AutoAttack), with the growth of the square root of the dimension "
        "dotted.",
    ),
    FigureEntry(
        name="adversarial_examples",
        function="advdim.figures.examples:adversarial_examples",
        tables=("cells", "examples"),
        title="Clean images, adversarial images and their perturbations amplified, per size",
        caption="ICML 2019, Definition 1, seen: clean images, the smallest adversarial "
        "perturbation found, and the perturbation amplified by the factor given, per size.",
    ),
)

BOUND_FIGURES = (
    FigureEntry(
        name="bound_histograms",
        function="advdim.figures.bounds:bound_histograms",
        tables=("cells", "bounds"),
        title="Figures 2, 3 and 4 of NIPS 2017: attacks, lower bounds and their log-ratios "
        "per image",
        caption="NIPS 2017, Figures 2, 3 and 4. The paper: lower bounds lie some four "
        "decades below what attacks find, for every image. Norms of attacks, the published "
        "and the sound lower bounds, and the log-ratio per image.",
    ),
    FigureEntry(
        name="counter_example",
        function="advdim.figures.bounds:counter_example",
        tables=("cells", "bounds"),
        title="Lower bounds against verified adversarials: Theorem 4.2 of NIPS 2017 is violated",
        caption="NIPS 2017, Theorem 4.2 does not hold as stated: images of a network of one "
        "9x9 convolution, trained like any other, whose published lower bound is above a "
        "verified adversarial perturbation (below the diagonal). The sound bounds stay on "
        "their side.",
    ),
    FigureEntry(
        name="certified_accuracy",
        function="advdim.figures.bounds:certified_accuracy",
        tables=("cells", "bounds"),
        title="Accuracy that is certain, and that attacks leave: the truth lies between",
        caption="Beyond the papers (NIPS 2017, Section 5, with sound bounds): the share of "
        "images that are right and stay so whatever the perturbation within the threshold, "
        "below; that are right and stay so under every attack, above. The accuracy under the "
        "best possible attack lies in the band.",
    ),
    FigureEntry(
        name="certified_dimension",
        function="advdim.figures.bounds:certified_dimension",
        tables=("cells", "bounds"),
        title="Certified radius and smallest adversarial against the input dimension, as in Eq. 3",
        caption="Beyond the papers (ICML 2019, Eq. 3, and the sound bounds after NIPS 2017): "
        "a radius that no perturbation can undercut, and the smallest perturbation found, "
        "against the dimension. Do certificates shrink with the dimension as attacks do?",
    ),
)
