"""The figures: what each is drawn from, and what the papers say that it shows.

A new one is a function in ``advdim.figures`` and an entry here, or in ``figures_of_attacks``.
Captions are reStructuredText.
"""

from __future__ import annotations

from advdim.catalogue.entries import FigureEntry
from advdim.catalogue.figures_of_attacks import ATTACK_FIGURES, BOUND_FIGURES

FIGURES: dict[str, FigureEntry] = {
    entry.name: entry
    for entry in (
        FigureEntry(
            name="regularisation_methods",
            function="advdim.figures.regularisation:regularisation_methods",
            tables=("cells",),
            tells_apart=("methods",),
            title="Figure 1: gradient norms, vulnerability and accuracy of every training method",
            caption="ICML 2019, Figure 1 (Section 4.1). The paper: whatever the method, the "
            "gradient norm (a) and the vulnerability (b) fall with its strength at little cost of "
            "accuracy (c) before they fall together; the vulnerability is one function of the "
            "gradient norm (d), the l2- and l1-norm are proportional (e), and all methods trade "
            "accuracy for vulnerability alike, cross-Lipschitz regularisation apart (f). A point "
            "is a network, a curve a method; strengths are those of Eq. 3, cross-Lipschitz's are "
            "in units of its own.",
        ),
        FigureEntry(
            name="matched_strengths",
            function="advdim.figures.regularisation:matched_strengths",
            tables=("cells",),
            tells_apart=("methods",),
            title="Figure 1a-c with the methods' first-order strengths matched",
            caption="ICML 2019, Figure 1 a-c, with the strength of every method multiplied by "
            "the factor of its first-order term: PGD trains on the whole adversarial loss, the "
            "others on half of it. Where curves that lay apart now coincide, the difference was "
            "one of units.",
        ),
        FigureEntry(
            name="input_dimension",
            function="advdim.figures.dimension:input_dimension",
            tables=("cells", "epochs"),
            title="Figure 2: vulnerability, gradient norms and accuracy against the input "
            "dimension",
            caption="ICML 2019, Figure 2 (Section 4.2). The paper: without strong "
            "regularisation, vulnerability (a) and gradient norm (b) grow linearly in the square "
            "root of the input dimension, the more slowly the stronger PGD is; accuracy depends "
            "on the strength alone (d), and at equal vulnerability larger inputs are no less "
            "accurate (e). Medians and 10th to 90th percentile over the last epochs. The gradient "
            "is shown with ties of copied pixels broken (b) and at the image itself (c), with the "
            "share of its coordinates that are not zero (f).",
        ),
        FigureEntry(
            name="usual_training",
            function="advdim.figures.dimension:usual_training",
            tables=("cells",),
            title="Figure 1 of the preprint, Figures 5 and 6: the dimension after usual training",
            caption="Preprint, Figure 1, and ICML 2019, Appendix, Figures 5 and 6. The papers: "
            "after usual training, vulnerability and gradient norm grow linearly in the square "
            "root of the input dimension, until the damage leaves the linear regime. Grey points "
            "are networks, curves medians over them with 10th and 90th percentile; (d) sets the "
            "damage against its first-order prediction, which it meets on the dashed line: by the "
            "gradient at the image filled, with ties broken open.",
        ),
        FigureEntry(
            name="dimension_growth",
            function="advdim.figures.dimension:dimension_growth",
            tables=("cells",),
            tells_apart=("methods", "sizes"),
            title="Gradient norm and vulnerability against the square root of the dimension, "
            "beside the law",
            caption="ICML 2019, Figure 2 a and b (Section 4.2), with intervals over networks. The "
            "paper: after usual training, gradient norm (a, ties broken) and vulnerability (b) "
            "grow linearly in the square root of the input dimension, the more slowly the stronger "
            "PGD is. Means over networks with 95 % intervals; the dotted line is proportional to "
            "the square root of the dimension and meets usual training at the smallest size.",
        ),
        FigureEntry(
            name="regularisation_by_size",
            function="advdim.figures.dimension:regularisation_by_size",
            tables=("cells", "epochs"),
            title="Figure 7: the panels of Figure 1, a curve per size instead of a method",
            caption="ICML 2019, Appendix, Figure 7: Figure 1 with the size of the input in the "
            "place of the training method. The paper: the same trade-offs at every size; only the "
            "slope of the l2- against the l1-norm (e) depends on the dimension, like that of "
            "independent coordinates (dotted).",
        ),
        FigureEntry(
            name="training_curves",
            function="advdim.figures.dynamics:training_curves",
            tables=("cells", "epochs"),
            title="Figure 8: error, cross-entropy, gradient norm, vulnerability and damage over "
            "the epochs",
            caption="ICML 2019, Appendix, Figure 8. The paper: during usual training the test "
            "error keeps falling while the test cross-entropy rises again, and damage and "
            "vulnerability follow the cross-entropy. Medians over seeds; solid on test, dashed on "
            "training images; a column per PGD strength.",
        ),
        FigureEntry(
            name="loss_and_accuracy_damage",
            function="advdim.figures.dynamics:loss_and_accuracy_damage",
            tables=("cells", "epochs"),
            title="Figure 9: the damage to the loss is not the damage to the accuracy",
            caption="ICML 2019, Appendix, Figure 9. The paper: what an attack adds to the loss "
            "and what it takes from the accuracy are not equivalent. Both over the epochs of "
            "usual training, and one against the other (c), a point per network and "
            "epoch. (d) sets the share of predictions that an attack on the label's loss "
            "changes, which the authors measure, against the vulnerability of Definition 1: on "
            "the diagonal where every prediction is right, below it where many are wrong.",
        ),
        FigureEntry(
            name="early_stopping",
            function="advdim.figures.dynamics:early_stopping",
            tables=("cells", "epochs"),
            title="Figure 10: early stopping as a defence",
            caption="ICML 2019, Appendix, Figure 10. The paper: since vulnerability follows the "
            "cross-entropy, which overfits, stopping early is a defence. A point is a network: "
            "its vulnerability, damage and accuracy at the measured epoch of lowest test "
            "cross-entropy against those of the last epoch. Filled: usual training, open: PGD.",
        ),
        FigureEntry(
            name="train_test_gradients",
            function="advdim.figures.dynamics:train_test_gradients",
            tables=("cells", "epochs"),
            title="Figure 12: gradient norms on test and on train images, and their gap against "
            "dimension",
            caption="ICML 2019, Appendix, Figure 12. The paper: in training, gradient norms fall "
            "on training images and rise on test images, and the gap grows like the square root "
            "of the dimension. Train and test measured alike, in evaluation mode and without "
            "augmentation, ties broken.",
        ),
        FigureEntry(
            name="downsampling",
            function="advdim.figures.dimension:downsampling",
            tables=("cells", "epochs"),
            title="Figure 13: PGD training on original images against downsampled ones",
            caption="ICML 2019, Appendix, Figure 13, on photographs that are downsampled instead "
            "of enlarged. The paper: the same dependence on the dimension as in Figure 2, but PGD "
            "training on the original images beats PGD training on their downsampled versions. "
            "Adversarial accuracy (a) and accuracy against vulnerability (b) over the strengths, "
            "and the best strength's adversarial accuracy (c), per size.",
        ),
        FigureEntry(
            name="pooling",
            function="advdim.figures.pooling:pooling",
            tables=("cells", "epochs"),
            tells_apart=("network", "sizes"),
            title="Figure 3 of the preprint, Appendix B: average, max and strided pooling",
            caption="Preprint, Figure 3, and ICML 2019, Appendix B. The papers: an average pool "
            "over a nodes divides gradients at initialisation by the square root of a, strided "
            "and max pools do not; after training, networks with average pools are much less "
            "vulnerable at close accuracies. The dashes in (a) are the prediction, which does not "
            "know of batch norm: it takes back a part of the dampening. A point is a network, a "
            "bar the median over seeds.",
        ),
        *ATTACK_FIGURES,
        FigureEntry(
            name="initialisation_norms",
            function="advdim.figures.initialisation:initialisation_norms",
            tables=("initialisation",),
            title="Theorems 4 and 5: gradient norms at initialisation against the input dimension",
            caption="ICML 2019, Theorems 4 and 5: at initialisation, without training, the "
            "l1-norm of the loss gradient grows like the square root of the input dimension, its "
            "l2-norm does not depend on it, and its coordinates fall like one over the root; the "
            "gradient of a logit does the same. Each network against the dimension, with the "
            "predicted slopes dotted.",
        ),
        FigureEntry(
            name="initialisation_exponents",
            function="advdim.figures.initialisation:initialisation_exponents",
            tables=("initialisation",),
            title="Where the square-root law holds: exponents at initialisation, per network",
            caption="ICML 2019, Theorems 4 and 5, and networks beyond them: the exponent in the "
            "dimension per network with its 95 % interval over seeds, at the image and with ties "
            "of copied pixels broken, beside the prediction (line). Where an interval misses the "
            "line, the law does not hold; where a network ends in an average over a map that "
            "grows with the input, Appendix B predicts just that (grey bars).",
        ),
        FigureEntry(
            name="initialisation_dampening",
            function="advdim.figures.initialisation:initialisation_dampening",
            tables=("initialisation",),
            title="Appendix B: average pools divide gradients at initialisation, measured and "
            "predicted",
            caption="ICML 2019, Appendix B: an average over a nodes divides gradients by the "
            "square root of a. The l2-norm of a logit's gradient against the product of these "
            "factors; with He initialisation and without batch norm the prediction is the "
            "diagonal, whatever the dimension. Batch norm and other schemes move a network off "
            "it.",
        ),
        *BOUND_FIGURES,
    )
}
