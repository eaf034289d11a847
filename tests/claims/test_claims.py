from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from advdim.catalogue.figures import FIGURES
from advdim.claims import READ_TABLES
from advdim.claims.base import Claim, judge, judge_rows
from advdim.claims.registry import CLAIMS
from advdim.claims.verdicts import adjusted, claim_rows, expected_text
from advdim.sweep import IDENTITY
from advdim.tables import TABLES, write_table

from . import null_worlds, worlds

NAMES = [claim.name for claim in CLAIMS]
UNIVERSAL = {claim.name for claim in CLAIMS if claim.universal}
OF_ONE = re.compile("_of_(dense|residual|pgd_linf|fmn_linf|autoattack_linf)$")


def verdicts(tables):
    """Return the rows by claim; those about one network or attack each count for their claim."""
    rows = list(claim_rows(CLAIMS, tables, worlds.FIGURES, {}))
    assert len({row["claim"] for row in rows}) == len(rows)
    return {OF_ONE.sub("", row["claim"]): row for row in rows}


@pytest.fixture(scope="module")
def judged():
    return {
        "true": verdicts(worlds.tables(1, seeds=3)),
        "false": verdicts(worlds.tables(0, seeds=3)),
        "few": verdicts(worlds.tables(1, seeds=2)),
    }


@pytest.mark.parametrize("claim", NAMES)
def test_a_true_claim_holds(judged, claim):
    row = judged["true"][claim]
    if claim in UNIVERSAL:
        assert row["reason"] == "no counter-example, which does not prove a theorem"
        assert (row["verdict"], row["verdict_adjusted"]) == ("undecided", "undecided")
        return
    assert (row["verdict"], row["verdict_adjusted"]) == ("holds", "holds")
    assert row["reason"].split(";")[0] == "the interval lies in the claimed range"
    assert row["expected_low"] <= row["ci_low"] <= row["ci_high"] <= row["expected_high"]
    assert (row["networks"], row["p_value"] < 0.05) == (3, True)


@pytest.mark.parametrize("claim", NAMES)
def test_a_false_claim_fails(judged, claim):
    row = judged["false"][claim]
    assert (row["verdict"], row["verdict_adjusted"]) == ("fails", "fails")


@pytest.mark.parametrize("claim", sorted(set(NAMES) - UNIVERSAL))
def test_two_networks_decide_nothing(judged, claim):
    row = judged["few"][claim]
    assert row["verdict"] == row["verdict_adjusted"] == "undecided"
    assert row["reason"] == "2 networks of a setting, 3 are needed"
    assert math.isfinite(row["estimate"])
    assert math.isnan(row["ci_low"])
    assert math.isnan(row["p_value"])


@pytest.mark.parametrize("seeds", [3, 2])
def test_settings_with_few_networks_are_left_out_where_the_others_decide(seeds):
    tables = worlds.tables(1, seeds)
    (claim,) = [claim for claim in CLAIMS if claim.name == "strength_lowers_gradients"]
    complete = judge(claim, tables, "regularisation")
    cells = tables["cells"]
    grows = (cells["method"] == "grad_l1") & (cells["epsilon"] == worlds.STRENGTHS[-1])
    first = cells[grows & (cells["seed"] == 0) & (cells["network"] == "strided")]
    under_way = {
        name: pd.concat([rows, _of(rows, first).assign(epsilon=1.0)], ignore_index=True)
        for name, rows in tables.items()
        if name in claim.tables
    }
    found = judge(claim, {**tables, **under_way}, "regularisation")
    if seeds == 3:
        assert (found.verdict, found.estimate) == (complete.verdict, complete.estimate)
        assert found.reason.endswith("; left out: 1 setting with fewer than 3 networks")
    else:
        assert (found.verdict, found.networks) == ("undecided", 1)


def test_settings_of_other_claims_and_experiments_are_not_counted_as_left_out():
    rows = [
        {"experiment": experiment, "network": network, "size": size, "seed": seed, "x": 0.5}
        for experiment, network, size, seeds in (
            ("one", "n", 8, 4), ("one", "n", 16, 4), ("one", "n", 32, 1), ("two", "m", 8, 1),
            ("two", "o", 8, 2),
        )
        for seed in range(seeds)
    ]  # fmt: skip
    claim, _ = invented([])
    claim = replace(
        claim,
        tables=("initialisation",),
        select=lambda tables, experiment: tables["initialisation"].query(
            "experiment == @experiment"
        ),
    )
    found = judge(claim, {"initialisation": pd.DataFrame(rows)}, "one")
    assert found.verdict == "holds"
    assert found.reason.endswith("; left out: 1 setting with fewer than 3 networks")


def test_where_the_others_are_undecided_their_interval_is_shown():
    rows = [
        {"network": "n", "size": size, "seed": seed, "x": float(seed)}
        for size, seeds in ((8, 3), (16, 1))
        for seed in range(seeds)
    ]
    claim = replace(
        invented([])[0],
        tables=("cells",),
        select=lambda tables, _: tables["cells"],
        estimate=lambda rows: rows["x"].mean(),
        low=1.0,
        high=np.inf,
    )
    found = judge(claim, {"cells": pd.DataFrame(rows)}, "one")
    assert (found.verdict, found.networks, found.estimate) == ("undecided", 3, 1.0)
    assert found.ci_low < 1.0 < found.ci_high
    assert found.reason == (
        "the interval reaches an end of the claimed range; "
        "left out: 1 setting with fewer than 3 networks"
    )


def _of(rows, cells):
    return rows.merge(cells[IDENTITY])


def test_at_an_end_of_their_range_claims_stay_undecided():
    """The truth of each claim, on many networks, is made an end of its range."""
    statistical = [claim for claim in CLAIMS if not claim.universal]
    many, few = null_worlds.world(0.75, 60, 0), null_worlds.world(0.75, 3, 1)
    found = [
        judge(
            null_worlds.at_the_edge(claim, null_worlds.statistic(claim, many)),
            few,
            null_worlds.PLACE[claim.figure],
        ).verdict
        for claim in statistical
    ]
    # One in twenty is expected; claims share networks, so they err together.
    assert found.count("undecided") > 0.8 * len(statistical)


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_last_epochs_of_one_network_are_a_spread_and_no_interval(seeds):
    tables = worlds.tables(1, seeds, spread=0.05)
    (claim,) = [claim for claim in CLAIMS if claim.name == "gradients_are_isotropic"]
    row = judge(claim, tables, "regularisation")
    epochs = tables["epochs"].merge(tables["cells"][[*IDENTITY, "dimension"]])
    epochs = epochs[epochs["summarised"] & (epochs["split"] == "test")]
    epochs = epochs[epochs["network"] == "strided"]
    isotropic = np.sqrt(2 * epochs["dimension"] / math.pi)
    ratio = epochs["grad_l1"] / epochs["grad_l2"] / isotropic
    per_epoch = ratio.groupby(epochs["epoch"]).mean()
    assert row.epoch_low == pytest.approx(per_epoch.quantile(0.1))
    assert row.epoch_high == pytest.approx(per_epoch.quantile(0.9))
    assert (row.verdict == "undecided") == (seeds == 1)
    settings = len(epochs[["method", "epsilon"]].drop_duplicates())
    assert (row.networks, row.count) == (seeds, settings * seeds)


@pytest.mark.parametrize("claim", CLAIMS, ids=NAMES)
def test_epochs_are_given_where_a_claim_is_about_the_last_ones(judged, claim):
    row = judged["true"][claim.name]
    if claim.figure in {"input_dimension", "regularisation_methods"}:
        assert row["epoch_low"] <= row["epoch_high"]
    if "epochs" not in claim.tables:
        assert math.isnan(row["epoch_low"])


@pytest.mark.parametrize("claim", CLAIMS, ids=NAMES)
def test_without_data_a_claim_is_undecided(claim):
    nothing = {name: table.iloc[:0] for name, table in worlds.tables(1, seeds=1).items()}
    judgement = judge(claim, nothing, "dimension")
    assert (judgement.verdict, judgement.reason) == ("undecided", "no data")


def test_a_claim_whose_figure_no_experiment_draws_is_not_asked():
    row = next(claim_rows(CLAIMS, worlds.tables(1, seeds=1), {"other": []}, {}))
    assert (row["verdict"], row["verdict_adjusted"]) == ("not asked", "not asked")
    assert row["experiment"] == ""
    assert row["reason"] == "no experiment draws the figure"


def test_every_claim_is_complete():
    assert len(set(NAMES)) == len(NAMES) >= 55
    for claim in CLAIMS:
        assert claim.figure in FIGURES
        assert set(claim.tables) <= set(TABLES)
        assert claim.low <= claim.high
        assert claim.sentence.endswith(".")
        assert claim.range_source in {"paper", "ours"}
        assert claim.extreme in {"", "largest", "smallest"}
    assert set(READ_TABLES) == {table for claim in CLAIMS for table in claim.tables}


def test_rows_are_those_that_the_table_declares(judged, tmp_path):
    write_table(tmp_path / "claims.parquet", "claims", judged["true"].values())
    assert set(judged["true"]["initial_loss_l1"]) == {column.name for column in TABLES["claims"]}


def invented(values, low=0.4, high=0.6, **settings):
    """Return a claim on the mean of one value per network, and its rows."""
    claim = Claim(
        name="c", sentence="s.", source="p", figure="f", tables=(), statistic="mean", low=low,
        high=high, select=lambda tables, experiment: pd.DataFrame(),
        estimate=lambda rows: float(rows["x"].mean()), **settings,
    )  # fmt: skip
    return claim, pd.DataFrame({"size": 8, "seed": range(len(values)), "x": values})


@pytest.mark.parametrize(
    ("values", "verdict"),
    [([0.49, 0.5, 0.51], "holds"), ([0.8, 0.9, 1.0], "fails"), ([0.2, 0.5, 0.9], "undecided")],
)
def test_verdicts(values, verdict):
    judgement = judge_rows(*invented(values))
    assert judgement.verdict == verdict
    assert (judgement.p_value < 0.05) == (verdict != "undecided")


def test_an_end_of_the_range_decides_nothing_even_without_variation():
    judgement = judge_rows(*invented([0.6, 0.6, 0.6]))
    assert (judgement.verdict, judgement.p_value) == ("undecided", 1)


def test_one_counter_example_refutes_a_theorem():
    claim, rows = invented([0.0, 0.1], low=-math.inf, high=0, universal=True)
    assert judge_rows(claim, rows).verdict == "fails"
    assert judge_rows(claim, rows[:1]).verdict == "undecided"


def test_an_undetermined_statistic_decides_nothing():
    judgement = judge_rows(*invented([0.5, 0.5, math.nan, math.nan][2:] * 2))
    assert (judgement.verdict, judgement.reason) == (
        "undecided",
        "the data do not determine the statistic",
    )


def test_the_adjusted_verdict_takes_all_claims_into_account():
    rows = [{"p_value": 0.04, "verdict": "holds"}, {"p_value": 0.2, "verdict": "undecided"},
            {"p_value": math.nan, "verdict": "undecided"}, {"p_value": 0.001, "verdict": "fails"},
            {"p_value": math.nan, "verdict": "fails"},
            {"p_value": math.nan, "verdict": "not asked"}]  # fmt: skip
    # Benjamini and Hochberg: .04 * 3 / 2 = .06, .001 * 3 / 1 = .003.
    assert [row["verdict_adjusted"] for row in adjusted(rows)] == [
        "undecided", "undecided", "undecided", "fails", "fails", "not asked",
    ]  # fmt: skip
    assert adjusted(rows[:1])[0]["verdict_adjusted"] == "holds"


def test_ranges_in_words():
    assert expected_text(-math.inf, 0.15) == "at most 0.15"
    assert expected_text(0.01, math.inf) == "at least 0.01"
    assert expected_text(0, 1) == "0 to 1"


def on_dimension(name, tables, attacks=None):
    (claim,) = [claim for claim in CLAIMS if claim.name == name]
    rows = claim_rows([claim], tables, {"dimension": [claim.figure]}, attacks or {})
    return [(row["verdict"], row["estimate"]) for row in rows]


def test_an_experiment_is_judged_on_its_own_attacks():
    tables = worlds.tables(1, seeds=4)
    alone = on_dimension("attacks_agree", tables)
    # Another experiment attacks two of the networks, and changes nothing.
    attacks = tables["attack_summaries"]
    identity = attacks[IDENTITY].drop_duplicates().iloc[:2]
    more = attacks.merge(identity).assign(attack="boundary_l2", vulnerability=0.0)
    both = {**tables, "attack_summaries": pd.concat([attacks, more], ignore_index=True)}
    own = {"dimension": ["fgsm", "pgd_linf", "fmn_linf", "autoattack_linf"]}
    assert on_dimension("attacks_agree", both, own) == alone
    assert on_dimension("attacks_agree", both) != alone


def test_strong_attacks_are_set_beside_pgd_at_the_sizes_of_both():
    tables = worlds.tables(1, seeds=4)
    attacks = tables["attack_summaries"]
    largest = attacks["size"] == attacks["size"].max()
    # At the largest size, where PGD has not run, FMN and AutoAttack see another growth.
    attacks.loc[largest & (attacks["attack"] != "pgd_linf"), "norm_linf_median"] *= 3
    partly = {**tables, "attack_summaries": attacks[~largest | (attacks["attack"] != "pgd_linf")]}
    smaller = {**tables, "attack_summaries": attacks[~largest]}
    name = "law_is_not_an_artefact_of_pgd"
    assert on_dimension(name, partly) == on_dimension(name, smaller) != on_dimension(name, tables)


def test_lemma_2_is_judged_at_each_networks_smallest_threshold():
    """Thresholds of pixels differ between sizes once they are normalised."""
    tables = worlds.tables(1, seeds=4)
    attacks = tables["attack_summaries"]
    large = attacks["size"] > 8
    attacks.loc[large, "threshold"] *= 1.5
    attacks.loc[large, "damage"] *= 2
    ((verdict, estimate),) = on_dimension("first_order_holds_for_small_thresholds", tables)
    assert verdict == "fails"
    assert estimate == pytest.approx(math.log(2), abs=0.02)


def test_a_network_whose_test_loss_is_no_number_is_left_out():
    tables = worlds.tables(1, seeds=4)
    epochs = tables["epochs"]
    epochs.loc[(epochs["seed"] == 0) & (epochs["split"] == "test"), "loss"] = np.nan
    ((verdict, _),) = on_dimension("loss_rises_again", tables)
    assert verdict == "holds"


def test_the_spread_over_epochs_is_of_one_network_not_between_trainings_of_other_lengths():
    tables = worlds.tables(1, seeds=4, spread=0)
    epochs = tables["epochs"]
    longer = epochs[epochs["network"] == "average"].index
    epochs.loc[longer, "epoch"] += 100 * (epochs.loc[longer, "epoch"] > 0)
    (claim,) = [c for c in CLAIMS if c.name == "average_pools_keep_gradients_small"]
    (row,) = claim_rows([claim], tables, {"pools": [claim.figure]}, {})
    assert row["epoch_low"] == row["epoch_high"] == pytest.approx(row["estimate"])


def test_where_a_setting_is_missing_in_an_epoch_claims_are_judged_all_the_same():
    tables = worlds.tables(1, seeds=4)
    epochs = tables["epochs"]
    early = epochs["epoch"] < worlds.EPOCHS - 1
    gone = early & (epochs["epsilon"] == max(worlds.PGD)) & (epochs["network"] == "pooled")
    gone |= early & (epochs["method"] == "aug_linf")
    tables["epochs"] = epochs[~gone]
    rows = list(claim_rows(CLAIMS, tables, worlds.FIGURES, {}))
    assert len({row["claim"] for row in rows}) >= len(CLAIMS)
