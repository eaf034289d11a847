"""What figures and claims take from the tables alike: chosen rows, and measures made of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from advdim.sweep import IDENTITY

if TYPE_CHECKING:
    import pandas as pd


def cells_of(cells: pd.DataFrame, *experiments: str) -> pd.DataFrame:
    """Return the cells of one or several experiments; a cell may be of many."""
    inside = cells["experiments"].map(lambda names: not set(experiments).isdisjoint(names))
    return cells[inside.astype(bool)]


def last_test_epochs(epochs: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the table ``epochs`` that a network's summary is made of."""
    return epochs[epochs["summarised"] & (epochs["split"] == "test")]


def with_accuracy_damage(epochs: pd.DataFrame) -> pd.DataFrame:
    """Add ``accuracy_damage``, the accuracy less the adversarial accuracy (Figure 9b)."""
    return epochs.assign(accuracy_damage=epochs["accuracy"] - epochs["adversarial_accuracy"])


def early_and_last(epochs: pd.DataFrame) -> pd.DataFrame:
    """Return, per network, test measures at the epoch of lowest test loss and at the last one.

    Columns end in ``_best``, where early stopping would have stopped, and ``_last``. Networks
    without a known loss are left out.
    """
    tested = epochs[epochs["split"] == "test"].sort_values("epoch")
    measures = ["epoch", "loss", "accuracy", "vulnerability", "damage"]
    known = tested.dropna(subset=["loss"])
    best = known.loc[known.groupby(IDENTITY)["loss"].idxmin()].set_index(IDENTITY)[measures]
    last = tested.drop_duplicates(IDENTITY, keep="last").set_index(IDENTITY)[measures]
    return best.add_suffix("_best").join(last.add_suffix("_last")).reset_index()


def train_test_gaps(epochs: pd.DataFrame) -> pd.DataFrame:
    """Return, per network and epoch, gradient norms (ties broken) on test and train images.

    Columns ``test``, ``train``, and ``gap``, the first less the second (Figure 12).
    """
    index = [*IDENTITY, "dimension", "epoch", "summarised"]
    wide = epochs.pivot_table(index=index, columns="split", values="grad_l1_untied")
    wide = wide.reindex(columns=["test", "train"]).dropna().reset_index()
    return wide.assign(gap=wide["test"] - wide["train"])
