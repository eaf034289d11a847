"""Cell-level summaries of the attacks, derived from their per-sample rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from advdim.sweep import IDENTITY

RUNGS = ("fgsm", "pgd_linf", "fmn_linf", "autoattack_linf")
GRADIENTS = ("grad_l1", "grad_l1_untied")


def summarise_attack(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield one row per threshold from the per-sample rows of one (cell, attack).

    Vulnerability counts changed *predictions* (Definition 1), and success is one of them; images
    without a prediction before attack are left out of both, and of what smallest adversarials are
    summed up in. Damage and its first-order prediction
    are averaged over the same images: those whose loss the attack raises, since elsewhere Lemma 2
    says nothing.
    """
    if rows.empty:
        return
    first = rows.iloc[0]
    thresholds = np.asarray(first["thresholds"])
    root = float(first["dimension"]) ** 0.5 if first["norm"] == "l2" else 1.0
    predictions = np.stack(rows["adversarial_predictions"].to_list())
    losses = np.stack(rows["adversarial_losses"].to_list())
    success = np.stack(rows["success"].to_list())
    label, prediction = rows["label"].to_numpy(), rows["prediction"].to_numpy()
    of_label = np.stack(rows["label_attack_predictions"].to_list())
    ascended = rows["ascended"].to_numpy(dtype=bool)
    # -1 is none
    predicted = prediction >= 0
    loss, first_order = rows["loss"].to_numpy(), rows["first_order"].to_numpy()
    shared = {
        **{name: first[name] for name in (*IDENTITY, "attack", "effort", "norm", "dimension")},
        "flags": list(first["flags"]),
        "samples": len(rows),
        "accuracy": float(np.mean(label == prediction)),
        "ascended": int(ascended.sum()),
        "norm_linf_median": _median(rows["norm_linf"][predicted]),
        "norm_l2_median": _median(rows["norm_l2"][predicted]),
        "found": _mean(rows["norm_linf"].notna()[predicted].to_numpy()),
    }
    # One that is given again is the same.
    for k in sorted(np.unique(thresholds, return_index=True)[1]):
        threshold = thresholds[k]
        # a first-order prediction is proportional to its threshold
        first_orders = first_order * (threshold / thresholds[0])
        yield {
            **shared,
            "threshold": float(threshold),
            "radius": float(threshold * root),
            "reported": k == 0,
            "vulnerability": _mean((predictions[:, k] != prediction)[predicted]),
            "vulnerability_of_label": _mean((of_label[:, k] != prediction)[predicted]),
            "success": _mean(success[:, k][predicted]),
            "adversarial_accuracy": float(np.mean(of_label[:, k] == label)),
            "damage": _mean((losses[:, k] - loss)[ascended]),
            "first_order": _mean(first_orders[ascended]),
        }


def ladder(cells: pd.DataFrame, summaries: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield, per cell, the gradient norm and what attacks of rising strength make of it.

    Only cells under at least one of the rungs' attacks appear. An attack has two rows: the
    vulnerability at the reported threshold, which ends at 1, and one over the median smallest
    l-inf norm, which does not.
    """
    rungs = summaries[summaries["reported"] & summaries["attack"].isin(RUNGS)]
    attacked = cells.merge(rungs[IDENTITY].drop_duplicates())
    for _, cell in attacked.iterrows():
        identity = {name: cell[name] for name in IDENTITY} | {"dimension": cell["dimension"]}
        for measure in GRADIENTS:
            value = float(cell[f"{measure}_median"])
            yield {**identity, "rung": "gradient", "effort": "", "measure": measure, "value": value}
        of_cell = rungs[(rungs[IDENTITY] == cell[IDENTITY]).all(axis=1)]
        for attack in RUNGS:
            for _, row in of_cell[of_cell["attack"] == attack].iterrows():
                values = {
                    "vulnerability": row["vulnerability"],
                    "inverse_norm": _inverse(row["norm_linf_median"]),
                }
                for measure, value in values.items():
                    named = {"rung": attack, "effort": row["effort"], "measure": measure}
                    yield {**identity, **named, "value": float(value)}


def _median(norms: pd.Series) -> float:
    """Return the median with infinity where nothing was found; NaN where it is infinite."""
    median = float(norms.fillna(np.inf).median())
    return median if np.isfinite(median) else float("nan")


def _inverse(norm: float) -> float:
    # 0 where most images count as adversarial from the start: no distance to speak of
    return 1 / norm if norm > 0 else float("nan")


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
