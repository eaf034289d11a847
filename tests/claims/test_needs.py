"""What a run cannot decide by construction, it says in a sentence."""

from __future__ import annotations

import pytest

from advdim.claims.registry import CLAIMS
from advdim.claims.verdicts import claim_rows

from . import null_worlds, worlds


def reason(name, tables):
    (claim,) = [claim for claim in CLAIMS if claim.name == name]
    rows = list(claim_rows([claim], tables, {"here": [claim.figure]}, {}))
    assert {row["verdict"] for row in rows} == {"undecided"}
    return rows[0]["reason"]


def only(table, **values):
    """Return the worlds' tables, of one table those rows that have these values."""
    made = worlds.tables(1, seeds=3)
    made["cells"]["experiments"] = [["here"]] * len(made["cells"])
    made["initialisation"]["experiment"] = "here"
    for column, chosen in values.items():
        made[table] = made[table][made[table][column].isin(chosen)]
    return made


def networks(network, **values):
    return only("cells", network=[network], **values)


ONE_SIZE, NO_PGD = "it takes 2 sizes, and the run has 1", "no network was trained by pgd_linf"


@pytest.mark.parametrize(
    ("claim", "tables", "sentence"),
    [
        ("gradients_grow_after_training", networks("pooled", size=[8]), ONE_SIZE),
        ("growth_is_linear_in_root_dimension", networks("pooled", size=[8, 16]),
         "it takes 3 sizes, and the run has 2"),
        ("original_beats_downsampled", networks("pooled", size=[8]), ONE_SIZE),
        ("growth_falls_with_strength", networks("pooled", epsilon=[0.0]), NO_PGD),
        ("growth_falls_with_strength", networks("pooled", epsilon=[0.0, 0.01]),
         "it takes 3 strengths at several sizes, and the run has 2"),
        ("strong_training_breaks_the_growth", networks("pooled", epsilon=[0.0]), NO_PGD),
        ("strong_training_costs_accuracy", networks("pooled", epsilon=[0.0]), NO_PGD),
        ("growth_survives_below_0005", networks("pooled", epsilon=[0.0, 0.01]),
         "it takes a strength up to 0.0002 at several sizes"),
        ("growth_is_broken_beyond_0005", networks("pooled", epsilon=[0.0, 0.0001]),
         "it takes a strength from 0.0013 on at several sizes"),
        ("trade_offs_are_independent_of_dimension", networks("pooled", size=[8]), ONE_SIZE),
        ("duals_coincide_l2", networks("strided", method=["none", "grad_l1", "grad_l2"]),
         "no network was trained by aug_l2"),
        ("cross_lipschitz_costs_accuracy", networks("strided", method=["none", "grad_l1"]),
         "no network was trained by cross_lipschitz"),
        ("pgd_is_twice_as_strong", networks("strided", method=["none", "aug_linf"]),
         "no network was trained by pgd_linf"),
        ("strength_lowers_gradients", networks("strided", epsilon=[0.0]),
         "it takes 3 strengths, and the run has 1"),
        ("other_pools_do_not_dampen", networks("max"),
         "it takes 2 architectures, and the run has 1"),
        ("average_pools_keep_gradients_small", only("cells", network=["max", "strided2"]),
         "no network has more average pooling than the others"),
        ("dampening_at_initialisation", only("initialisation", network=["dense"]),
         "all networks average alike"),
        ("initial_loss_l1", only("initialisation", size=[8]), ONE_SIZE),
        ("initial_loss_l1", only("initialisation", network=["residual"]),
         "no network of the experiment is within the theorems' hypotheses"),
        ("initial_loss_l1_beyond", only("initialisation", network=["dense"]),
         "no network of the experiment is beyond the theorems"),
        ("law_survives_strong_attacks", only("attack_summaries", attack=["fgsm", "pgd_linf"]),
         "no network was attacked by fmn_linf or autoattack_linf"),
        ("law_is_not_an_artefact_of_pgd", only("attack_summaries", attack=["fgsm", "fmn_linf"]),
         "no network was attacked by pgd_linf"),
        ("attacks_agree", only("attack_summaries", attack=["pgd_linf"]),
         "no attack ran beside pgd_linf"),
        ("attacks_agree", only("attack_summaries", attack=["fgsm"]),
         "no network was attacked by pgd_linf"),
        ("every_attack_follows_gradients",
         only("attack_summaries", size=[8], epsilon=[0.0], seed=[0]),
         "it takes four networks to rank"),
        ("vulnerability_follows_the_loss", only("epochs", network=["pooled"], epoch=[7, 8]),
         "it takes three measured epochs"),
        ("loss_rises_again", only("epochs", split=["train"]), "no data"),
        ("error_keeps_falling", only("epochs", network=["pooled"], epoch=[0, 1, 2]),
         "the mean test loss of a setting is lowest in the last epoch"),
    ],
)  # fmt: skip
def test_a_run_says_why_it_cannot_decide(claim, tables, sentence):
    assert reason(claim, tables) == sentence


@pytest.mark.parametrize(
    ("share", "sentence"),
    [(0.004, "the attack changes 0.4% of the predictions, too few to tell networks apart"),
     (0.995, "the attack changes 99.5% of the predictions, too many to tell networks apart")],
)  # fmt: skip
@pytest.mark.parametrize(
    "claim",
    ["vulnerability_grows_after_training", "strength_lowers_vulnerability", "accuracy_is_alike",
     "vulnerability_follows_gradients", "average_pools_are_less_vulnerable",
     "early_stopping_defends", "robustness_is_cheap_at_first"],
)  # fmt: skip
def test_a_threshold_that_changes_nothing_or_all_decides_nothing(claim, share, sentence):
    tables = worlds.tables(1, seeds=3)
    tables["epochs"]["vulnerability"] = share
    tables["cells"]["experiments"] = [["here"]] * len(tables["cells"])
    assert reason(claim, tables) == sentence


def test_a_share_that_cannot_double_says_nothing_of_growth():
    tables = only("cells", network=["pooled"])
    epochs = tables["epochs"]
    epochs["vulnerability"] = 0.2 + 0.001 * epochs["size"]
    # eight times the edge, and so the share
    assert reason("vulnerability_grows_after_training", tables) == (
        "21% of the predictions change at the smallest size already, and no share grows 8-fold "
        "from there: it takes a lower threshold"
    )


def test_pgd_that_removes_little_does_not_tell_its_price():
    tables = only("cells", network=["strided"], epsilon=[0.0, 0.01])
    assert reason("robustness_is_cheap_at_first", tables) == (
        "no strength of PGD removes 30% of the vulnerability"
    )


def test_strengths_of_pgd_far_apart_do_not_tell_its_price():
    tables = only("cells", network=["strided"], method=["none", "pgd_linf"])
    strongest = tables["cells"]["epsilon"].max()
    tables["cells"] = tables["cells"][tables["cells"]["epsilon"].isin([0, strongest])]
    epochs = tables["epochs"]
    removed = (epochs["method"] == "pgd_linf") & (epochs["epsilon"] == strongest)
    epochs.loc[~removed, ["accuracy", "vulnerability"]] = 0.6, 0.4
    epochs.loc[removed, ["accuracy", "vulnerability"]] = 0.55, 0.2
    assert reason("robustness_is_cheap_at_first", tables) == (
        f"it takes a strength of PGD between 0 and {strongest:g}, which removes 50% of the "
        "vulnerability and costs 5.0 points"
    )


def test_a_method_of_one_strength_says_nothing_of_more():
    tables = only("cells", network=["strided"])
    cells = tables["cells"]
    strengths = sorted(cells["epsilon"].unique())

    def at(method, strength):
        return (cells["method"] == method) & (cells["epsilon"] == strength)

    plain = cells["method"] == "none"
    weak = at("grad_l1", strengths[1])
    tables["cells"] = cells[
        plain | weak | at("grad_l1", strengths[2]) | at("grad_l2", strengths[1])
    ]
    (claim,) = [claim for claim in CLAIMS if claim.name == "strength_lowers_gradients"]
    (row,) = claim_rows([claim], tables, {"here": [claim.figure]}, {})
    assert row["count"] == len(tables["cells"]) - at("grad_l2", strengths[1]).sum()
    tables["cells"] = cells[plain | weak | at("grad_l2", strengths[2])]
    assert reason("strength_lowers_gradients", tables) == (
        "no method was trained at 3 strengths, usual training included"
    )


def test_an_edge_moves_to_the_statistic():
    (claim,) = [claim for claim in CLAIMS if claim.name == "gradients_are_isotropic"]
    assert null_worlds.at_the_edge(claim, 1.05).high == 1.05
    assert null_worlds.at_the_edge(claim, 0.85).low == 0.85


@pytest.mark.parametrize(
    "claim",
    [
        "growth_falls_with_strength", "strong_training_breaks_the_growth",
        "growth_survives_below_0005", "growth_is_broken_beyond_0005",
        "trade_offs_are_independent_of_dimension",
        "strong_training_costs_accuracy", "original_beats_downsampled",
    ],
)  # fmt: skip
def test_sentences_on_pgd_are_judged_on_pgd(claim):
    others = worlds.tables(1, seeds=3)
    for table in others.values():
        table.replace({"method": {"pgd_linf": "grad_l1"}}, inplace=True)
    others["cells"]["experiments"] = [["here"]] * len(others["cells"])
    assert reason(claim, others) == NO_PGD
