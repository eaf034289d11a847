"""Between bound and attack: no sound bound may exceed a verified adversarial's norm.

All norms are l2, in normalised units.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from advdim.catalogue.bounds import BOUNDS
from advdim.sweep import IDENTITY

TOLERANCE = 1e-6  # relative; norms are taken in float32
GREY_LEVELS = 255.0
# What attacks add to the rows of bounds.
ADDED = ["best_attack_l2", "best_attack", "fgsm_l2", "attacked", "published_violated"]


class BoundViolation(RuntimeError):
    """A sound bound exceeds a verified adversarial's norm; the message names cell and sample."""


def with_attacks(
    bounds: pd.DataFrame, attacks: pd.DataFrame, largest_fgsm: float | None
) -> pd.DataFrame:
    """Return one cell's ``bounds`` with the smallest verified adversarial of each sample.

    ``attacks`` are the cell's per-sample rows, of any attacks. FGSM counts up to ``largest_fgsm``
    grey levels of 255. Samples without an adversarial have NaN; ``attacked`` tells of which of
    them none was found from those that no attack has tried.
    """
    bounds = bounds.drop(columns=ADDED, errors="ignore")
    found = attacks[attacks["norm_l2"].notna()]
    best = found.sort_values("norm_l2", kind="stable").drop_duplicates("sample")
    best = best[["sample", "norm_l2", "attack"]].rename(
        columns={"norm_l2": "best_attack_l2", "attack": "best_attack"}
    )
    fgsm = found.loc[found["attack"] == "fgsm", ["sample", "norm_l2", "norm_linf"]]
    if largest_fgsm is not None and len(bounds):
        grey = fgsm["norm_linf"] * float(bounds["pixel_scale"].iloc[0]) * GREY_LEVELS
        fgsm = fgsm[grey <= largest_fgsm]
    fgsm = fgsm[["sample", "norm_l2"]].rename(columns={"norm_l2": "fgsm_l2"})
    joined = bounds.merge(best, how="left", on="sample").merge(fgsm, how="left", on="sample")
    return joined.assign(
        attacked=joined["sample"].isin(attacks["sample"]),
        published_violated=violated(joined["published"], joined),
    )


def violated(bound: pd.Series, rows: pd.DataFrame) -> pd.Series:
    """Tell per sample whether a bound exceeds the best attack by more than rounding.

    A bound that is negative or not a number counts as violated; one without an attack does not.
    """
    above = bound > rows["best_attack_l2"] * (1 + TOLERANCE)
    return above | bound.isna() | (bound < 0)


def assert_sandwich(rows: pd.DataFrame) -> None:
    """Raise BoundViolation where a sound bound exceeds the best attack, and name the sample."""
    offending = rows[violated(rows["sound"], rows)]
    if len(offending):
        row = offending.iloc[0]
        cell = "/".join(f"{key}={row[key]}" for key in IDENTITY)
        raise BoundViolation(
            f"{cell}, sample {row['sample']}: the sound bound {row['sound_kind']} is "
            f"{row['sound']:.9g}, but {row['best_attack']} found a verified adversarial of norm "
            f"{row['best_attack_l2']:.9g} ({len(offending)} such samples)."
        )


def summarise_bounds(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield one row per quantity from the per-sample rows of one cell, as ``with_attacks`` gives.

    The statistics are those of Tables 1 and 2 of NIPS 2017: norms in grey levels of 255, divided
    by the dimension.
    """
    if rows.empty:
        return
    first = rows.iloc[0]
    shared: dict[str, Any] = {name: first[name] for name in (*IDENTITY, "dimension")}
    shared["accuracy"] = float((rows["label"] == rows["prediction"]).mean())
    columns = {"fgsm": "fgsm_l2", "best_attack": "best_attack_l2", "published": "published"}
    quantities = {name: rows[column] for name, column in columns.items()}
    quantities["sound"] = rows["sound"]
    quantities |= {kind: rows[kind].dropna() for kind in BOUNDS}
    for quantity, values in quantities.items():
        if len(values):
            yield {**shared, "quantity": quantity, **_statistics(quantity, values, rows)}


def certified_accuracies(
    rows: pd.DataFrame, thresholds: Sequence[float]
) -> Iterator[dict[str, Any]]:
    """Yield one row per l-inf threshold from one cell's rows, as ``with_attacks`` gives them.

    The radius is Eq. 3's for l2, ``epsilon sqrt(d)``. A perturbation of l-inf norm epsilon is no
    longer than that, so what is certified there is certified for both norms. Bounds and attacks
    are compared on the images that were attacked; where none was, only certified ones are known.
    """
    if rows.empty:
        return
    rows = compared(rows)
    first = rows.iloc[0]
    right = rows["label"] == rows["prediction"]
    for threshold in sorted(set(thresholds)):
        radius = threshold * math.sqrt(first["dimension"])
        right_under_attack = right & ~(rows["best_attack_l2"] <= radius)
        yield {
            **{name: first[name] for name in (*IDENTITY, "dimension")},
            "threshold": threshold,
            "radius": radius,
            "samples": len(rows),
            "accuracy": float(right.mean()),
            "certified_accuracy": float((right & (rows["sound"] > radius)).mean()),
            "attacked_accuracy": (
                float(right_under_attack.mean()) if rows["attacked"].any() else math.nan
            ),
        }


def compared(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of attacked images, or all where none was attacked."""
    return rows[rows["attacked"]] if rows["attacked"].any() else rows


def _statistics(quantity: str, values: pd.Series, rows: pd.DataFrame) -> dict[str, Any]:
    rows = rows.loc[values.index]
    finite = values[np.isfinite(values)]
    scale = float(rows["pixel_scale"].iloc[0])
    grey = finite * scale * GREY_LEVELS / float(rows["dimension"].iloc[0])
    is_bound = quantity not in {"fgsm", "best_attack"}
    return {
        "samples": len(values),
        "found": len(finite),
        "mean": grey.mean(),
        "median": grey.median(),
        "std": grey.std(ddof=0),
        "min": grey.min(),
        "max": grey.max(),
        "median_pixel": finite.median() * scale,
        "decades": decades(rows["best_attack_l2"], values).median(),
        "decades_fgsm": decades(rows["fgsm_l2"], values).median(),
        "violations": int(violated(values, rows).sum()) if is_bound else 0,
    }


def decades(attack: pd.Series, bound: pd.Series) -> pd.Series:
    """Return log10 of attack over bound, NaN where either is missing, 0 or infinite."""
    usable = np.isfinite(attack) & np.isfinite(bound) & (attack > 0) & (bound > 0)
    ratio = attack.where(usable) / bound.where(usable)
    return ratio.map(np.log10)
