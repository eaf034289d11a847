"""The workflow as a part of another, and from another folder."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def snakemake(folder: Path, *arguments: str) -> str:
    binaries = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--profile", "none", *arguments],
        cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PATH": binaries, "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    if done.returncode:
        pytest.fail(done.stdout + done.stderr)
    return done.stdout + done.stderr


def test_another_workflow_uses_this_one_as_a_module(tmp_path):
    shutil.copy(ROOT / "examples/module/project.yaml", tmp_path)
    example = ["--snakefile", str(ROOT / "examples/module/Snakefile")]
    printed = snakemake(tmp_path, *example, "--cores", "2", "most_vulnerable.txt", "advdim_all")
    assert (tmp_path / "most_vulnerable.txt").read_text().startswith("strided4 trained with")
    # The module's own handlers have run, and nothing waits to be claimed.
    assert "Report in results/advdim/report.html" in printed
    assert not (tmp_path / "results/advdim/kept").exists()
    assert not (tmp_path / "results/advdim/batches").exists()
    assert "localrules directive" not in printed
    again = snakemake(tmp_path, *example, "-n", "most_vulnerable.txt", "advdim_all")
    assert "Nothing to be done" in again
    forced = snakemake(tmp_path, *example, "-n", "-R", "advdim_train", "most_vulnerable.txt")
    assert re.search(r"^advdim_train_batch +1$", forced, flags=re.MULTILINE)


def test_a_prefix_is_refused_since_it_would_reach_half_of_the_results(tmp_path):
    text = (ROOT / "examples/module/Snakefile").read_text()
    text = text.replace("    config:\n", '    prefix: "elsewhere"\n    config:\n')
    text = text.replace("../../workflow/Snakefile", str(ROOT / "workflow/Snakefile"))
    (tmp_path / "Snakefile").write_text(text)
    shutil.copy(ROOT / "examples/module/project.yaml", tmp_path)
    with pytest.raises(
        pytest.fail.Exception, match="Module advdim takes no prefix: give 'results'"
    ):
        snakemake(tmp_path, "-n")


@pytest.mark.parametrize("snakefile", ["Snakefile", "workflow/Snakefile"])
def test_both_entry_points_mean_the_default_sweep(snakefile, tmp_path):
    arguments = ["--snakefile", str(ROOT / snakefile), "--configfile", str(ROOT / "config.yaml")]
    assert "bounds" in snakemake(tmp_path, *arguments, "-n", "--quiet", "rules")
