"""Table ``initialisation``: input gradients of networks that are never trained."""

from __future__ import annotations

from advdim.tables.columns import IDENTITY_COLUMNS, REAL, TEXT, WHOLE, Column

INITIALISATION_COLUMNS = (
    Column("experiment", TEXT, "", "name in the configuration's block 'initialisation'"),
    *(column for column in IDENTITY_COLUMNS if column.name not in {"method", "epsilon"}),
    Column("dimension", WHOLE, "", "d = channels * size * size"),
    Column(
        "statistic",
        TEXT,
        "",
        "loss or logit, then l1, l2 or mean (absolute coordinate) of its input gradient; "
        "_untied: ties of equal pixels broken by noise",
    ),
    Column("dampening", REAL, "", "predicted factor of the network's average pools; null: unknown"),
    Column(
        "beyond",
        TEXT,
        "",
        "what puts the network beyond Theorems 4 and 5 of ICML 2019; null: it satisfies them",
    ),
    Column("value", REAL, "per normalised unit", "mean over the test images measured"),
)
