"""``advdim figures`` draws what is finished through the real Snakemake and trains nothing."""

import pytest
import yaml

from advdim.__main__ import main
from advdim.commands import figures
from advdim.config import load
from advdim.results import all_results
from advdim.stages.job import make
from tests.workflow.conftest import ROOT


@pytest.fixture
def here(workflow, monkeypatch):
    """The folder of a finished sweep, its file written."""
    workflow.command()
    monkeypatch.chdir(workflow.folder)
    return workflow


def test_snakemakes_options_are_passed_on_and_its_status_comes_back(here, capfd):
    before = {path: path.stat().st_mtime_ns for path in here.results.rglob("*.parquet")}
    assert main(["figures", "sweep.yaml", "--options=--dry-run"]) == 0
    assert "Report in" not in capfd.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert main(["figures", "sweep.yaml", "--options=--no-such-option"]) not in {0, None}


@pytest.mark.parametrize("option", ["--config threads=1", "-C threads=1", "--configfile=a.yaml"])
def test_what_would_train_is_refused(here, capfd, option):
    assert main(["figures", "sweep.yaml", f"--options={option} --dry-run"]) == 2
    said = capfd.readouterr().err
    assert said.startswith(f"advdim: Option --options holds {option.split()[0]!r}, which would")
    assert said.count("\n") == 1


def test_without_a_checkout_it_says_where_the_workflow_is(here, monkeypatch, capfd):
    monkeypatch.setattr(figures, "CHECKOUTS", (here.folder / "site-packages", here.folder))
    # Another workflow of the user's is none of advdim's.
    (here.folder / "Snakefile").touch()
    assert main(["figures", "sweep.yaml"]) == 2
    said = capfd.readouterr().err
    assert said.startswith("advdim: The workflow's files are not part of the installed package:")
    assert said.count("\n") == 1
    assert main(["figures", "sweep.yaml", "--snakefile", "none"]) == 2
    assert "Option --snakefile names 'none', which is no file." in capfd.readouterr().err
    assert main(["figures", "sweep.yaml", "--snakefile", f"{ROOT}/Snakefile", "--options=-n"]) == 0


def test_nothing_finished_is_one_sentence(raw_config, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(raw_config))
    assert main(["figures", "sweep.yaml"]) == 2
    nothing = "advdim: Nothing is finished in 'results': there is nothing to draw.\n"
    assert capfd.readouterr().err == nothing
    config = load(raw_config)
    make(config, next(all_results(config)))
    assert main(["figures", "sweep.yaml"]) == 2
    assert capfd.readouterr().err.endswith(nothing)
    make(config, next(result for result in all_results(config) if result.stage == "train"))
    raw_config["training"]["learning_rate"] = 0.5
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(raw_config))
    assert main(["figures", "sweep.yaml"]) == 2
    assert capfd.readouterr().err.endswith(
        "advdim: Nothing is finished in 'results': 1 result is of other settings than sweep.yaml.\n"
    )
