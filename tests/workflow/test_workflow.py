import os
import signal
import subprocess
import time

import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from advdim.tables import TABLES, read_table, schema, write_frames
from tests.workflow.conftest import ROOT, Workflow

CELL = "results/cells/dataset=digits/network=maxpool4/size=8/method=pgd_linf/epsilon=0.01/seed=0"


def tables(*names: str) -> dict[str, int]:
    return {f"table {name}": 1 for name in names}


# The ladder shows gradient norms too, so it follows every network.
FROM_CELLS_AGAIN = tables("cells", "ladder", "claims")
CELL_TABLES_AGAIN = {**FROM_CELLS_AGAIN, **tables("epochs", "samples")}
ATTACK_TABLES_AGAIN = tables("attacks", "attack_summaries", "ladder", "sandwich", "claims")
TABLES_AGAIN = {**CELL_TABLES_AGAIN, **ATTACK_TABLES_AGAIN}
FIGURES_AGAIN = {"figure": 5, "report_page": 1}
# The experiment ``dimension`` has bounds, the others have none.
SANDWICH_AGAIN = tables("bounds", "bound_summaries", "sandwich")


def test_a_new_sweep_runs_every_stage(finished):
    assert finished.first == {
        "pixels": 2, "train": 7, "attack": 4, "bounds": 4, "table examples": 1, "initialisation": 1,
        **TABLES_AGAIN, **SANDWICH_AGAIN, "table initialisation": 1, "figure": 7, "report_page": 1,
    }  # fmt: skip
    assert "Report in results/report.html, tables in results/tables." in finished.output


def test_an_unchanged_sweep_has_nothing_to_do(finished):
    assert finished.counts() == {}


def test_every_result_is_there(finished):
    for table in TABLES:
        path = finished.results / "tables" / f"{table}.parquet"
        assert pq.ParquetFile(path).schema_arrow.equals(schema(table), check_metadata=True)
    assert len(list(finished.results.glob("figures/*/*.png"))) == 7
    cells = read_table(finished.results / "tables/cells.parquet")
    assert list(cells["status"]) == ["done"] * 7
    assert cells["grad_l1_median"].gt(0).all()
    assert set(cells["dimension"]) == {64, 256}
    assert not list(finished.results.rglob("*.partial"))
    assert not (finished.results / "unfinished").exists()


def test_the_tree_reads_as_a_hive_dataset(finished):
    files = sorted(map(str, finished.results.glob("cells/**/epochs.parquet")))
    dataset = ds.dataset(files, format="parquet")
    table = read_table(finished.results / "tables/epochs.parquet")
    assert dataset.count_rows() == len(table)


def test_a_cells_summary_derives_from_its_epochs(finished):
    cells = read_table(finished.results / "tables/cells.parquet")
    epochs = read_table(finished.results / "tables/epochs.parquet")
    rows = epochs[epochs["summarised"] & (epochs["split"] == "test")]
    identity = ["dataset", "network", "size", "method", "epsilon", "seed"]
    medians = rows.groupby(identity)["vulnerability"].median()
    pd.testing.assert_series_equal(
        cells.set_index(identity)["vulnerability_median"].sort_index(),
        medians.sort_index(),
        check_names=False,
    )


def test_deleting_a_network_trains_that_cell_again(workflow):
    (workflow.folder / CELL / "network.safetensors").unlink()
    assert workflow.counts() == {
        "train": 1, "attack": 1, "bounds": 1, **TABLES_AGAIN, **SANDWICH_AGAIN, **FIGURES_AGAIN
    }  # fmt: skip


def test_an_epsilon_more_trains_the_new_cells_only(workflow):
    workflow.config["experiments"]["dimension"]["epsilons"].append(0.1)
    assert workflow.counts() == {
        "train": 2, "attack": 2, "bounds": 2, **TABLES_AGAIN, **SANDWICH_AGAIN, **FIGURES_AGAIN
    }  # fmt: skip


def test_a_seed_more_trains_the_new_cells_only(workflow):
    workflow.config["experiments"]["regularisation"]["seeds"] = [0, 1]
    assert workflow.counts() == {"train": 3, **CELL_TABLES_AGAIN, **FIGURES_AGAIN}


def test_another_spelling_of_an_epsilon_changes_nothing(workflow):
    workflow.config["experiments"]["dimension"]["epsilons"] = ["0.0", "1e-2"]
    assert workflow.counts() == {}


def test_a_methods_settings_retrain_its_cells_only(workflow):
    workflow.config["methods"]["pgd_linf"]["steps"] = 3
    assert workflow.counts() == {
        "train": 3, "attack": 2, "bounds": 2, **TABLES_AGAIN, **SANDWICH_AGAIN, **FIGURES_AGAIN
    }  # fmt: skip


def test_a_networks_settings_retrain_its_cells_only(workflow):
    workflow.config["networks"]["strided4"]["width"] = 5
    assert workflow.counts() == {"train": 3, **CELL_TABLES_AGAIN, **FIGURES_AGAIN}


def test_style_draws_figures_only(workflow):
    workflow.config["figures"]["font_size"] = 11.0
    assert workflow.counts() == {"figure": 7, "report_page": 1}


CLAIMED = {**tables("claims"), "report_page": 1}
EDITS = {
    "figures/dimension.py": {"figure": 1, "report_page": 1},
    "figures/style.py": {"figure": 7, "report_page": 1},
    "claims/base.py": CLAIMED,
    "tables/bounds_beside_attacks.py": {**SANDWICH_AGAIN, "figure": 1, **CLAIMED},
    "tables/cells.py": {
        **CELL_TABLES_AGAIN, **FIGURES_AGAIN
    },
    "attacks/foolbox_suite.py": {
        "attack": 4, "table examples": 1, **ATTACK_TABLES_AGAIN, **SANDWICH_AGAIN, "figure": 2,
        "report_page": 1,
    },
    # Networks are named as older, in their table, and trained by nobody.
    "training/regularisers.py": {**FROM_CELLS_AGAIN, **FIGURES_AGAIN},
}  # fmt: skip


@pytest.mark.parametrize("file", EDITS)
def test_edited_code_makes_again_what_hangs_on_it(finished, project, file):
    module = project / "src/advdim" / file
    text = module.read_text()
    module.write_text(text + "\n# only a comment\n")
    assert finished.counts(project=project) == {}
    module.write_text(text + "\nEDITED = True\n")
    assert finished.counts(project=project) == EDITS[file]


def test_networks_of_older_code_are_named_and_kept(workflow, project):
    workflow.only("dimension")
    module = project / "src/advdim/training/regularisers.py"
    module.write_text(module.read_text() + "\nEDITED = True\n")
    before = (workflow.folder / CELL / "network.safetensors").stat().st_mtime_ns
    done = workflow.run("--cores", "2", project=project)
    assert read_table(workflow.results / "tables/cells.parquet")["older_code"].all()
    assert "4 networks were trained by older code and are kept; this command" in done.stderr
    assert "--configfile sweep.yaml --profile none --cores 2 -R train\n" in done.stderr
    assert (workflow.folder / CELL / "network.safetensors").stat().st_mtime_ns == before


def test_touched_code_draws_nothing(finished):
    (ROOT / "src/advdim/figures/dimension.py").touch()
    assert finished.counts() == {}


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("sizs", [8], "Config key 'experiments.dimension.sizs' is unknown; did you mean 'sizes'?"),
        ("sizes", [12], "sizes' holds 12, which network 'maxpool4' cannot take"),
        ("epsilons", [-1], "is -1: must be a finite number of at least 0"),
    ],
)
def test_a_mistake_stops_before_anything_runs(raw_config, tmp_path, key, value, says):
    raw_config["experiments"]["dimension"][key] = value
    done = Workflow(tmp_path, raw_config).run("--cores", "1", check=False)
    assert done.returncode
    assert says in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not (tmp_path / "results").exists()


def test_parsing_imports_nothing_heavy(raw_config, tmp_path):
    """The whole of it: rules, configuration, digests, costs. Every cluster job does it again."""
    workflow = Workflow(tmp_path, raw_config)
    trap = tmp_path / "trap"
    trap.mkdir()
    workflow.python_path.append(trap)
    for name in ("torch", "torchvision", "matplotlib", "sklearn", "foolbox"):
        (trap / f"{name}.py").write_text("raise SystemExit('heavy: imported while parsing')\n")
    planned = subprocess.run(**workflow.command("-n"), capture_output=True)
    assert planned.returncode == 0, planned.stderr
    # The trap closes on what parsing does import.
    (trap / "pydantic.py").write_text((trap / "torch.py").read_text())
    done = subprocess.run(**workflow.command("-n"), capture_output=True)
    assert done.returncode
    assert "heavy" in done.stdout + done.stderr


def test_a_diverged_cell_is_a_result(raw_config, tmp_path):
    raw_config["experiments"] = {"dimension": raw_config["experiments"]["dimension"]}
    raw_config["experiments"]["dimension"]["sizes"] = [8]
    raw_config["training"]["learning_rate"] = 1e30
    raw_config["experiments"]["dimension"]["epsilons"] = [0]
    raw_config["experiments"]["dimension"]["figures"].pop()
    del raw_config["initialisation"]
    workflow = Workflow(tmp_path, raw_config)
    workflow.run("--cores", "2")
    cells = read_table(tmp_path / "results/tables/cells.parquet")
    assert set(cells["status"]) == {"diverged"}
    for table in (
        "attacks", "attack_summaries", "ladder", "examples", "bounds", "bound_summaries",
        "sandwich",
    ):  # fmt: skip
        assert len(read_table(tmp_path / f"results/tables/{table}.parquet")) == 0
    assert (tmp_path / "results/figures/dimension/input_dimension.png").exists()


def test_two_snakemakes_at_once_are_kept_apart(finished, tmp_path):
    workflow = finished.copy(tmp_path / "copy")
    workflow.config["training"]["epochs"] = 400
    first = workflow.start("--cores", "1")
    while not any("epoch 2/400" in text for text in workflow.logs().values()):
        assert first.poll() is None
        time.sleep(0.05)
    second = workflow.run("--cores", "1", check=False)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    assert second.returncode
    assert "cannot be locked" in (second.stdout + second.stderr).lower()


def test_an_attack_more_runs_that_attack_only(workflow):
    workflow.config["experiments"]["dimension"]["attacks"].append("pgd_linf")
    assert workflow.counts() == {
        "attack": 4, **ATTACK_TABLES_AGAIN, **SANDWICH_AGAIN, "figure": 1, "report_page": 1
    }  # fmt: skip


def test_an_attack_on_cells_that_another_experiment_attacked_is_not_run_again(workflow):
    again = {**workflow.config["experiments"]["dimension"], "sizes": [8], "figures": []}
    workflow.config["experiments"]["again"] = again
    # The list of experiments is in the table of cells, and so in all that is drawn from it.
    assert workflow.counts() == {
        **FROM_CELLS_AGAIN, **FIGURES_AGAIN
    }  # fmt: skip


def test_a_figure_is_drawn_again_when_its_experiment_gains_an_attack_that_another_had(workflow):
    workflow.only("dimension")
    one = {"sizes": [8], "epsilons": [0], "bounds": False, "attacks": ["fgsm", "gradient_l2"]}
    workflow.config["experiments"]["dimension"] |= one
    again = {**workflow.config["experiments"]["dimension"], "figures": ["attack_agreement"]}
    workflow.config["experiments"]["again"] = {**again, "attacks": ["fgsm"]}
    workflow.run("--cores", "2", "figures")
    workflow.config["experiments"]["again"] = again
    assert workflow.counts("--", "figures") == {"figure": 1, "figures": 1}
    assert workflow.counts()["table claims"] == 1


def test_an_attacks_settings_run_that_attack_again_and_train_nothing(workflow):
    workflow.config["attacks"]["options"]["pgd_linf"]["steps"] = 3
    assert workflow.counts() == {"report_page": 1}
    workflow.config["attacks"]["thresholds"] = [0.2]
    assert workflow.counts() == {
        "attack": 4, "table examples": 1, **ATTACK_TABLES_AGAIN, **SANDWICH_AGAIN, "figure": 2,
        "report_page": 1,
    }  # fmt: skip


def test_one_networks_threshold_attacks_its_cells_only(workflow):
    workflow.config["experiments"]["regularisation"]["attacks"] = ["fgsm"]
    workflow.config["attacks"]["threshold_by_network"] = {"strided4": 0.2}
    assert workflow.counts() == {"attack": 3, **ATTACK_TABLES_AGAIN, "report_page": 1}


def test_attacks_are_summarised_per_threshold(finished):
    rows = read_table(finished.results / "tables/attacks.parquet")
    assert len(rows) == 4 * 8
    assert [list(values) for values in rows["thresholds"]] == [[0.1, 0.5]] * len(rows)
    summaries = read_table(finished.results / "tables/attack_summaries.parquet")
    assert len(summaries) == 4 * 2
    reported = summaries[summaries["reported"]]
    changed = rows["prediction"] != rows["adversarial_prediction"]
    assert reported["vulnerability"].sum() * 8 == changed.sum()
    examples = read_table(finished.results / "tables/examples.parquet")
    assert list(examples["size"]) == [8, 8, 16, 16]
    assert set(examples["epsilon"]) == {0.0}


def test_bounds_settings_bound_again_and_nothing_else(workflow):
    workflow.config["bounds"]["largest_fgsm"] = 50
    assert workflow.counts() == {**SANDWICH_AGAIN, **CLAIMED, "figure": 1}
    workflow.config["bounds"]["images"] = 4
    assert workflow.counts() == {
        "bounds": 4,
        **SANDWICH_AGAIN,
        **CLAIMED,
        "figure": 1,
    }


def test_bounds_on_cells_of_another_experiment_train_and_attack_nothing(workflow):
    workflow.config["experiments"]["regularisation"]["bounds"] = True
    assert workflow.counts() == {
        "bounds": 3,
        **SANDWICH_AGAIN,
        **CLAIMED,
        "figure": 1,
    }


def test_every_bounded_image_stands_between_bound_and_attack(finished):
    rows = read_table(finished.results / "tables/bounds.parquet")
    assert len(rows) == 4 * 8
    found = rows.dropna(subset=["best_attack_l2"])
    assert len(found) > 4
    assert (found["sound"] <= found["best_attack_l2"]).all()
    assert rows["sound"].gt(0).mean() > 0.9
    summaries = read_table(finished.results / "tables/bound_summaries.parquet")
    of_bounds = summaries[summaries["quantity"] == "sound"]
    assert list(of_bounds["violations"]) == [0] * 4
    assert list(of_bounds["samples"]) == [8] * 4
    sandwich = read_table(finished.results / "tables/sandwich.parquet")
    # A threshold of the attacks' epsilon and one further, per network.
    assert len(sandwich) == 4 * 2
    assert (sandwich["certified_accuracy"] <= sandwich["attacked_accuracy"]).all()
    assert (sandwich["attacked_accuracy"] <= sandwich["accuracy"]).all()


def test_a_violated_sound_bound_stops_the_sweep_and_names_cell_and_sample(workflow):
    path = workflow.folder / CELL / "attacks/fgsm.parquet"
    rows = read_table(path)
    sample = int(rows["sample"][rows["norm_l2"].notna()].iloc[0])
    rows.loc[sample, "norm_l2"] = 1e-12
    write_frames(path, "attacks", [rows])
    target = "results/tables/bounds.parquet"
    done = workflow.run("--cores", "1", "--forcerun", target, "--", target, check=False)
    assert done.returncode
    said = (workflow.results / "logs/tables/bounds.log").read_text()
    assert f"size=8/method=pgd_linf/epsilon=0.01/seed=0, sample {sample}: the sound bound" in said
    assert "fgsm found a verified adversarial of norm 1e-12" in said
    assert not (workflow.folder / target).exists()
