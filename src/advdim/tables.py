"""The tables: one declared schema each, with unit and meaning, and the way from cells to them.

Column names are declared here and nowhere else. Fractions are in [0, 1]; gradient norms are in
nats per normalised unit.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from advdim.config.bounds import BOUND_NAMES
from advdim.files import atomic


@dataclass(frozen=True)
class Column:
    """One column: name, Arrow type, unit and meaning."""

    name: str
    type: pa.DataType
    unit: str
    meaning: str

    def field(self) -> pa.Field:
        """Return the Arrow field with unit and meaning in its metadata."""
        return pa.field(self.name, self.type, metadata={"unit": self.unit, "meaning": self.meaning})


TEXT, WHOLE, REAL, FLAG = pa.string(), pa.int64(), pa.float64(), pa.bool_()


def listed(element: pa.DataType) -> pa.DataType:
    """Return the type of a list of values under the name that Parquet gives them."""
    return pa.list_(pa.field("element", element))


IDENTITY_COLUMNS = (
    Column("dataset", TEXT, "", "dataset name in the configuration"),
    Column("network", TEXT, "", "network name in the configuration"),
    Column("size", WHOLE, "pixels", "edge of the input image"),
    Column("method", TEXT, "", "training regulariser"),
    Column("epsilon", REAL, "normalised units", "regularisation strength epsilon_inf"),
    Column("seed", WHOLE, "", "seed of the cell's random streams"),
)
CELL_KEYS = [column.name for column in IDENTITY_COLUMNS]
MEASURE_COLUMNS = (
    Column("accuracy", REAL, "fraction", "share of correct predictions, before attack"),
    Column("loss", REAL, "nats", "mean cross-entropy"),
    Column("grad_l1", REAL, "nats per normalised unit", "E||dL/dx||_1 at the image"),
    Column("grad_l2", REAL, "nats per normalised unit", "E||dL/dx||_2 at the image"),
    Column("grad_l1_untied", REAL, "nats per normalised unit", "E||dL/dx||_1, ties broken"),
    Column("grad_l2_untied", REAL, "nats per normalised unit", "E||dL/dx||_2, ties broken"),
    Column("grad_nonzero", REAL, "fraction", "share of gradient coordinates that are not 0"),
    Column("vulnerability", REAL, "fraction", "share of predictions changed by raising the loss"),
    Column("damage", REAL, "nats", "mean increase of the loss under the attack"),
    Column("adversarial_accuracy", REAL, "fraction", "share of correct predictions under attack"),
)
EPOCH_COLUMNS = (
    Column("epoch", WHOLE, "", "from 0; -1 is at initialisation, after one batch-norm pass"),
    Column("split", TEXT, "", "train or test"),
    *MEASURE_COLUMNS,
    Column("learning_rate", REAL, "", "learning rate of the epoch"),
    Column("seconds", REAL, "s", "training time so far"),
    Column("summarised", FLAG, "", "one of the last epochs, over which statistics are taken"),
)
SAMPLE_COLUMNS = (
    Column("split", TEXT, "", "train or test"),
    Column("sample", WHOLE, "", "index in the stored split"),
    Column("label", WHOLE, "", "true class"),
    Column("prediction", WHOLE, "", "predicted class, before attack"),
    Column("loss", REAL, "nats", "cross-entropy"),
    Column("grad_l1", REAL, "nats per normalised unit", "||dL/dx||_1"),
    Column("grad_l2", REAL, "nats per normalised unit", "||dL/dx||_2"),
)
RUN_COLUMNS = (
    Column("experiments", listed(TEXT), "", "experiments that use the cell"),
    Column("status", TEXT, "", "done, diverged or failed"),
    Column("dimension", WHOLE, "", "d = channels * size * size"),
    Column(
        "dampening",
        REAL,
        "",
        "predicted factor of average pools on the input gradient at initialisation: 1/sqrt(a) for "
        "each over a nodes; null: unknown",
    ),
    Column("first_order_factor", REAL, "", "of epsilon_p E||dL/dx||_q in the training objective"),
    Column("attack_epsilon", REAL, "normalised units", "l-inf threshold of the test attack"),
    Column("epochs", WHOLE, "", "epochs trained"),
    Column("seconds", REAL, "s", "training and measuring time"),
    Column("device", TEXT, "", "hardware the cell was trained on"),
    Column("precision", TEXT, "", "arithmetic of training"),
    Column("versions", TEXT, "", "versions of Python and the libraries, as JSON"),
    Column("commit", TEXT, "", "git commit of the code"),
    Column("training_code", TEXT, "", "hash of the training code"),
    Column("config_hash", TEXT, "", "hash of the settings that the cell depends on"),
)
LISTED = "first at epsilon, then at each further threshold"
ATTACK_COLUMNS = (
    Column("attack", TEXT, "", "attack of the registry"),
    Column("norm", TEXT, "", "norm of the attack's ball: linf or l2"),
    Column("target", TEXT, "", "class the attack moves away from: prediction or label"),
    Column("dimension", WHOLE, "", "d = channels * size * size"),
)
ATTACKED_COLUMNS = (
    Column("sample", WHOLE, "", "index in the stored test images"),
    Column("label", WHOLE, "", "true class"),
    Column("prediction", WHOLE, "", "predicted class, before attack"),
    Column("adversarial_prediction", WHOLE, "", "predicted class, under attack"),
    Column("norm_linf", REAL, "normalised units", "l-inf norm of the smallest adversarial found"),
    Column("norm_l2", REAL, "normalised units", "l2 norm of the smallest adversarial found"),
    Column("loss", REAL, "nats", "cross-entropy with the label, before attack"),
    Column("adversarial_loss", REAL, "nats", "cross-entropy with the label, under attack"),
    Column("first_order", REAL, "nats", "epsilon_p ||dL/dx||_q (Lemma 2)"),
    Column("snr_db", REAL, "dB", "20 log10 of ||x||_2 over the perturbation's norm (Appendix C)"),
    Column("thresholds", listed(REAL), "normalised units", f"l-inf thresholds, {LISTED}"),
    Column("success", listed(FLAG), "", f"an adversarial was found, {LISTED}"),
    Column("adversarial_predictions", listed(WHOLE), "", f"predicted class, {LISTED}"),
    Column("adversarial_losses", listed(REAL), "nats", f"cross-entropy, {LISTED}"),
)
ATTACK_SUMMARY_COLUMNS = (
    Column("threshold", REAL, "normalised units", "l-inf threshold epsilon_inf"),
    Column("radius", REAL, "normalised units", "epsilon_p = epsilon_inf d^(1/p), attack's norm"),
    Column("reported", FLAG, "", "the threshold at which the attack is reported"),
    Column("samples", WHOLE, "", "images attacked"),
    Column("vulnerability", REAL, "fraction", "share of predictions that the attack changes"),
    Column("success", REAL, "fraction", "share of images with an adversarial (of the target)"),
    Column("accuracy", REAL, "fraction", "share of correct predictions, before attack"),
    Column("adversarial_accuracy", REAL, "fraction", "share of correct predictions under attack"),
    Column("ascended", WHOLE, "", "images whose target is the label: the attack ascends the loss"),
    Column("damage", REAL, "nats", "mean increase of the loss over the ascended images"),
    Column("first_order", REAL, "nats", "mean epsilon_p ||dL/dx||_q over the ascended images"),
    Column("norm_linf_median", REAL, "normalised units", "median over images of norm_linf"),
    Column("norm_l2_median", REAL, "normalised units", "median over images of norm_l2"),
    Column("found", REAL, "fraction", "share of images with any adversarial"),
)
LADDER_COLUMNS = (
    Column("dimension", WHOLE, "", "d = channels * size * size"),
    Column("rung", TEXT, "", "gradient, or the attack, from weak to strong"),
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
        Column(kind, REAL, "normalised units", f"sound lower bound {kind}; null: not computed")
        for kind in BOUND_NAMES
    ),
    Column("best_attack_l2", REAL, "normalised units", "smallest verified adversarial l2 norm"),
    Column("best_attack", TEXT, "", "attack that found it"),
    Column("fgsm_l2", REAL, "normalised units", "l2 norm of FGSM's, up to its largest epsilon"),
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
CLAIM_COLUMNS = (
    Column("claim", TEXT, "", "key of the claim"),
    Column("experiment", TEXT, "", "experiment that it is judged on; empty: none draws its figure"),
    Column("sentence", TEXT, "", "what is claimed, in plain words"),
    Column("source", TEXT, "", "paper, and section, figure or theorem"),
    Column("figure", TEXT, "", "figure that shows it"),
    Column("statistic", TEXT, "", "what is estimated"),
    Column("estimate", REAL, "of the statistic", "the statistic on all data; NaN: undetermined"),
    Column("ci_low", REAL, "of the statistic", "lower end of the 95 % bootstrap interval"),
    Column("ci_high", REAL, "of the statistic", "upper end of the 95 % bootstrap interval"),
    Column("expected", TEXT, "", "range in which the claim holds, in words"),
    Column("expected_low", REAL, "of the statistic", "its lower end"),
    Column("expected_high", REAL, "of the statistic", "its upper end"),
    Column("unit", TEXT, "", "what the bootstrap draws"),
    Column("count", WHOLE, "", "number of units"),
    Column("verdict", TEXT, "", "holds, fails or undecided"),
    Column("reason", TEXT, "", "why"),
)
# Of those that are written as Python objects.
ROWS_IN_MEMORY = 2_000
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
    Column("value", REAL, "per normalised unit", "mean over the test images measured"),
)
QUANTILES = {"median": 0.5, "q10": 0.1, "q90": 0.9}


def _summary_columns() -> Iterator[Column]:
    for prefix, where in (("", "test"), ("train_", "train")):
        for column in MEASURE_COLUMNS:
            for suffix in QUANTILES:
                meaning = f"{suffix} over the summarised epochs, {where}: {column.meaning}"
                yield Column(f"{prefix}{column.name}_{suffix}", REAL, column.unit, meaning)


SUMMARY_NAMES = [column.name for column in _summary_columns()]
TABLES: dict[str, tuple[Column, ...]] = {
    "epochs": (*IDENTITY_COLUMNS, *EPOCH_COLUMNS),
    "cells": (*IDENTITY_COLUMNS, *RUN_COLUMNS, *_summary_columns()),
    "samples": (*IDENTITY_COLUMNS, *SAMPLE_COLUMNS),
    "attacks": (*IDENTITY_COLUMNS, *ATTACK_COLUMNS, *ATTACKED_COLUMNS),
    "attack_summaries": (*IDENTITY_COLUMNS, *ATTACK_COLUMNS, *ATTACK_SUMMARY_COLUMNS),
    "ladder": (*IDENTITY_COLUMNS, *LADDER_COLUMNS),
    "examples": (*IDENTITY_COLUMNS, *EXAMPLE_COLUMNS),
    "claims": CLAIM_COLUMNS,
    "bounds": (*IDENTITY_COLUMNS, *BOUND_COLUMNS),
    "bound_summaries": (*IDENTITY_COLUMNS, *BOUND_SUMMARY_COLUMNS),
    "initialisation": INITIALISATION_COLUMNS,
}


def schema(table: str) -> pa.Schema:
    """Return the declared Arrow schema of a table."""
    return pa.schema([column.field() for column in TABLES[table]])


def write_table(path: str | Path, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows atomically under the declared schema; unknown columns are an error.

    Rows may come from a generator: only some thousand are in memory at a time.
    """
    declared, waiting = schema(table), iter(rows)
    with (
        atomic(path) as temporary,
        pq.ParquetWriter(temporary, declared, compression="zstd") as writer,
    ):
        while chunk := list(itertools.islice(waiting, ROWS_IN_MEMORY)):
            unknown = {name for row in chunk for name in row} - set(declared.names)
            if unknown:
                raise ValueError(f"Table {table!r} has no column {sorted(unknown)[0]!r}.")
            writer.write_table(pa.Table.from_pylist(chunk, schema=declared))


def gather(output: str | Path, table: str, parts: Iterable[str | Path]) -> None:
    """Concatenate per-cell files into one table, one file in memory at a time."""
    declared = schema(table)
    with (
        atomic(output) as temporary,
        pq.ParquetWriter(temporary, declared, compression="zstd") as writer,
    ):
        for batch in _batched((_read(part, declared) for part in parts), rows=100_000):
            writer.write_table(batch)


def write_frames(path: str | Path, table: str, frames: Iterable[pd.DataFrame]) -> None:
    """Write data frames one after another, atomically, under the declared schema."""
    declared = schema(table)
    with (
        atomic(path) as temporary,
        pq.ParquetWriter(temporary, declared, compression="zstd") as writer,
    ):
        for frame in frames:
            writer.write_table(pa.Table.from_pandas(frame, declared, preserve_index=False))


def _read(path: str | Path, declared: pa.Schema) -> pa.Table:
    # A single file is read as it is: its folder's key=value parts are columns in it already.
    with pq.ParquetFile(path) as file:
        return file.read().select(declared.names).cast(declared)


def _batched(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Join small tables so that a sweep of thousands does not make thousands of row groups."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(t.num_rows for t in waiting) >= rows:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def summarise(epochs: pd.DataFrame) -> dict[str, float]:
    """Return median, 10th and 90th percentile of each measure over the summarised epochs.

    ``epochs`` are one cell's rows; the statistic is that of ICML 2019, Section 4.2. Test measures
    keep their name, those on the training images get the prefix ``train_``.
    """
    rows = epochs[epochs["summarised"]]
    summary: dict[str, float] = {}
    for prefix, split in (("", "test"), ("train_", "train")):
        of_split = rows[rows["split"] == split]
        for column in MEASURE_COLUMNS:
            for suffix, quantile in QUANTILES.items():
                value = of_split[column.name].quantile(quantile)
                summary[f"{prefix}{column.name}_{suffix}"] = float(value)
    return summary


def read_table(path: str | Path) -> pd.DataFrame:
    """Read one of the tables as a data frame."""
    return pq.ParquetFile(path).read().to_pandas()


def read_parts(table: str, paths: Iterable[str | Path]) -> pd.DataFrame:
    """Read files of one table, perhaps none, as one data frame."""
    declared = schema(table)
    parts = [_read(path, declared) for path in paths]
    return pa.concat_tables([declared.empty_table(), *parts]).to_pandas()
