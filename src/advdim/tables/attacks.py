"""Tables ``attacks``, ``attack_summaries``, ``ladder``, ``examples``: under evaluation attacks."""

from __future__ import annotations

import pyarrow as pa

from advdim.tables.columns import EFFORT, FLAG, FLAGS, REAL, TEXT, WHOLE, Column, listed

LISTED = "first at the reported threshold, then at each further one"
ON_PREDICTION = "under an attack on the prediction"
ON_LABEL = "under an attack on the label's loss"
ATTACK_COLUMNS = (
    Column("attack", TEXT, "", "attack of the registry"),
    EFFORT,
    FLAGS,
    Column("norm", TEXT, "", "norm of the attack's ball: linf or l2"),
    Column("dimension", WHOLE, "", "d = channels * size * size"),
)
ATTACKED_COLUMNS = (
    Column("sample", WHOLE, "", "index in the stored test images"),
    Column("label", WHOLE, "", "true class"),
    Column("prediction", WHOLE, "", "predicted class, before attack; -1: none"),
    Column("adversarial_prediction", WHOLE, "", f"predicted class, {ON_PREDICTION}"),
    Column("norm_linf", REAL, "normalised units", "l-inf norm of the smallest adversarial found"),
    Column("norm_l2", REAL, "normalised units", "l2 norm of the smallest adversarial found"),
    Column("loss", REAL, "nats", "cross-entropy with the label, before attack"),
    Column("adversarial_loss", REAL, "nats", f"the same, {ON_LABEL}"),
    Column("ascended", FLAG, "", "that attack raises the loss; no: it stops at wrong images"),
    Column("first_order", REAL, "nats", "epsilon_p ||dL/dx||_q (Lemma 2)"),
    Column("snr_db", REAL, "dB", "20 log10 of ||x||_2 over the perturbation's norm (Appendix C)"),
    Column("thresholds", listed(REAL), "normalised units", f"l-inf thresholds, {LISTED}"),
    Column("success", listed(FLAG), "", f"an adversarial was found, {LISTED}"),
    Column(
        "adversarial_predictions", listed(WHOLE), "", f"predicted class, {ON_PREDICTION}, {LISTED}"
    ),
    Column("label_attack_predictions", listed(WHOLE), "", f"predicted class, {ON_LABEL}, {LISTED}"),
    Column("adversarial_losses", listed(REAL), "nats", f"cross-entropy, {ON_LABEL}, {LISTED}"),
)
ATTACK_SUMMARY_COLUMNS = (
    Column("threshold", REAL, "normalised units", "l-inf threshold epsilon_inf"),
    Column("radius", REAL, "normalised units", "epsilon_p = epsilon_inf d^(1/p), attack's norm"),
    Column("reported", FLAG, "", "the threshold at which the attack is reported"),
    Column("samples", WHOLE, "", "images attacked"),
    Column(
        "vulnerability",
        REAL,
        "fraction",
        f"share of predictions that change {ON_PREDICTION} (ICML 2019, Definition 1)",
    ),
    Column(
        "vulnerability_of_label",
        REAL,
        "fraction",
        f"share of predictions that change {ON_LABEL} (the authors' code)",
    ),
    Column("success", REAL, "fraction", "share of images with an adversarial"),
    Column("accuracy", REAL, "fraction", "share of correct predictions, before attack"),
    Column("adversarial_accuracy", REAL, "fraction", f"share of correct predictions {ON_LABEL}"),
    Column("ascended", WHOLE, "", "images whose loss the attack raises: some stop at wrong ones"),
    Column("damage", REAL, "nats", "mean increase of the label's loss over the ascended images"),
    Column("first_order", REAL, "nats", "mean epsilon_p ||dL/dx||_q over the ascended images"),
    Column("norm_linf_median", REAL, "normalised units", "median over images of norm_linf"),
    Column("norm_l2_median", REAL, "normalised units", "median over images of norm_l2"),
    Column("found", REAL, "fraction", "share with any adversarial, of images with a prediction"),
)
LADDER_COLUMNS = (
    Column("dimension", WHOLE, "", "d = channels * size * size"),
    Column("rung", TEXT, "", "gradient, or the attack, from weak to strong"),
    EFFORT,
    Column("measure", TEXT, "", "what value is: a measure, or inverse_norm"),
    Column(
        "value",
        REAL,
        "of the measure",
        "inverse_norm: one over the median smallest l-inf norm; both grow like sqrt(d) by the law",
    ),
)
EXAMPLE_COLUMNS = (
    Column("attack", TEXT, "", "attack of the registry"),
    Column("sample", WHOLE, "", "index in the stored test images"),
    Column("channels", WHOLE, "", "1 or 3"),
    Column("label", TEXT, "", "name of the true class"),
    Column("prediction", TEXT, "", "name of the predicted class, before attack"),
    Column("adversarial_prediction", TEXT, "", "the same for the smallest adversarial found"),
    Column("found", FLAG, "", "an adversarial was found"),
    Column("norm_linf", REAL, "pixel range", "largest change of a pixel"),
    Column("clean", listed(pa.float32()), "pixel range", "the image, channels x size x size"),
    Column("perturbed", listed(pa.float32()), "pixel range", "the smallest adversarial, likewise"),
)
