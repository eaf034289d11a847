from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from advdim.config import load
from advdim.measures.flags import NOT_FINITE, SENTENCES, ZERO_GRADIENTS
from advdim.report.doubts import Failure, failures_of, flagged_of
from advdim.results import all_results
from advdim.tables import TABLES


@pytest.fixture
def swept(raw_config, tmp_path):
    """A sweep of which some results have records that say how they ended."""
    raw_config["results"] = str(tmp_path)
    config = load(raw_config)

    def ended(stage, status, because=None):
        result = next(result for result in all_results(config) if result.stage == stage)
        path = result.record(config)
        path.parent.mkdir(parents=True, exist_ok=True)
        record = {"inputs": {}, "status": status, "because": because, "error": f"{stage} broke"}
        path.write_text(json.dumps(record))

    return config, ended


NONE = pd.DataFrame({column.name: [] for column in TABLES["cells"]})


@pytest.mark.parametrize("stage", ["pixels", "attack", "bounds", "initialisation"])
def test_what_failed_by_itself_is_named_with_why(swept, stage):
    config, ended = swept
    assert failures_of(config, NONE) == []
    ended(stage, "failed")
    (failure,) = failures_of(config, NONE)
    assert failure.name.startswith(f"{stage}: ")
    assert (failure.status, failure.why) == ("failed", f"{stage} broke")


def test_what_is_done_or_failed_because_of_another_is_no_failure(swept):
    config, ended = swept
    ended("attack", "done")
    ended("bounds", "failed", because="its network")
    # Networks are known by their table.
    ended("train", "failed")
    assert failures_of(config, NONE) == []


def test_networks_that_ended_badly_are_named_by_their_table(swept):
    row = {
        "dataset": "digits", "network": "maxpool4", "size": 8, "method": "pgd_linf",
        "epsilon": 0.01, "seed": 2,
    }  # fmt: skip
    cells = pd.DataFrame(
        [
            {**row, "status": "done", "error": None},
            {**row, "status": "diverged", "error": None},
            {**row, "seed": 3, "status": "failed", "error": "out of memory"},
        ]
    )
    name = "maxpool4 on digits, 8 pixels, pgd_linf 0.01, seed"
    assert failures_of(swept[0], cells) == [
        Failure(f"{name} 2", "diverged", "its loss is not finite"),
        Failure(f"{name} 3", "failed", "out of memory"),
    ]


def network(seed, flags, **others):
    row = {"dataset": "digits", "network": "n", "size": 8, "method": "none", "epsilon": 0.0}
    return {**row, "seed": seed, "flags": flags, **others}


def test_every_flag_has_its_sentence_its_networks_and_who_saw_it():
    cells = [network(0, np.array([ZERO_GRADIENTS])), network(1, np.array([])), network(2, None)]
    attacks = [
        # One row per threshold.
        network(0, np.array([NOT_FINITE, ZERO_GRADIENTS]), attack="fgsm"),
        network(0, np.array([NOT_FINITE, ZERO_GRADIENTS]), attack="fgsm"),
        network(1, np.array([ZERO_GRADIENTS]), attack="fgsm"),
        network(1, np.array([ZERO_GRADIENTS]), attack="pgd_linf"),
    ]
    tables = {"cells": pd.DataFrame(cells), "attack_summaries": pd.DataFrame(attacks)}
    finite, gradients = flagged_of(tables)
    assert (finite.flag, finite.sentence) == (NOT_FINITE, SENTENCES[NOT_FINITE])
    name = "n on digits, 8 pixels, none 0, seed"
    assert finite.networks == [(f"{name} 0", "fgsm")]
    assert gradients.flag == ZERO_GRADIENTS
    assert gradients.networks == [
        (f"{name} 0", "the measures, fgsm"),
        (f"{name} 1", "fgsm, pgd_linf"),
    ]


def test_without_flags_nothing_is_distrusted():
    rows = pd.DataFrame([network(0, None, attack="fgsm"), network(1, np.array([]), attack="fgsm")])
    assert flagged_of({"cells": rows, "attack_summaries": rows}) == []
