"""Tables ``bounds``, ``bound_summaries``, ``sandwich``: lower bounds beside the attacks."""

from __future__ import annotations

from advdim.catalogue.bounds import BOUNDS
from advdim.tables.columns import FLAG, REAL, TEXT, WHOLE, Column

BOUND_COLUMNS = (
    Column("dimension", WHOLE, "", "d = channels * size * size"),
    Column("sample", WHOLE, "", "index in the stored test images"),
    Column("label", WHOLE, "", "true class"),
    Column("prediction", WHOLE, "", "predicted class, before attack"),
    Column("pixel_scale", REAL, "pixel range", "one normalised unit; exact if channels share it"),
    Column("published", REAL, "normalised units", "lower bound of NIPS 2017 on the l2 norm"),
    Column("sound", REAL, "normalised units", "largest of the sound lower bounds on the l2 norm"),
    Column("sound_kind", TEXT, "", "name of the largest sound bound"),
    *(
        Column(
            name,
            REAL,
            "normalised units",
            f"sound lower bound {bound.meaning}; null: not computed",
        )
        for name, bound in BOUNDS.items()
    ),
    Column("best_attack_l2", REAL, "normalised units", "smallest verified adversarial l2 norm"),
    Column("best_attack", TEXT, "", "attack that found it"),
    Column("fgsm_l2", REAL, "normalised units", "l2 norm of FGSM's, up to its largest epsilon"),
    Column("attacked", FLAG, "", "some attack has tried this image"),
    Column("published_violated", FLAG, "", "the published bound is above best_attack_l2"),
)
GREY = "grey levels of 255 / d"
BOUND_SUMMARY_COLUMNS = (
    Column("dimension", WHOLE, "", "d = channels * size * size"),
    Column("quantity", TEXT, "", "fgsm, best_attack, published, sound, or a sound bound's name"),
    Column("samples", WHOLE, "", "images for which it was computed"),
    Column("found", WHOLE, "", "of these, how many have a finite value"),
    *(
        Column(name, REAL, GREY, f"{meaning} over images, as in Tables 1 and 2 of NIPS 2017")
        for name, meaning in (
            ("mean", "mean"),
            ("median", "median"),
            ("std", "standard deviation"),
            ("min", "smallest"),
            ("max", "largest"),
        )
    ),
    Column("median_pixel", REAL, "pixel range", "median l2 norm"),
    Column("decades", REAL, "decades", "median of log10 of best_attack_l2 over the quantity"),
    Column("decades_fgsm", REAL, "decades", "median of log10 of fgsm_l2 over the quantity"),
    Column("violations", WHOLE, "", "images whose best attack is smaller than the quantity"),
    Column("accuracy", REAL, "fraction", "share of correct predictions, before attack"),
)
SANDWICH_COLUMNS = (
    Column("dimension", WHOLE, "", "d = channels * size * size"),
    Column("threshold", REAL, "normalised units", "l-inf threshold epsilon of the attacks"),
    Column("radius", REAL, "normalised units", "l2 norm epsilon sqrt(d) (Eq. 3), which holds both"),
    Column(
        "samples", WHOLE, "", "images with lower bounds; of these, the attacked ones where some are"
    ),
    Column("accuracy", REAL, "fraction", "share of correct predictions, before attack"),
    Column(
        "certified_accuracy",
        REAL,
        "fraction",
        "share of images that are right and whose largest sound bound exceeds the radius",
    ),
    Column(
        "attacked_accuracy",
        REAL,
        "fraction",
        "share of images that are right and of which no attack found an adversarial within it",
    ),
)
