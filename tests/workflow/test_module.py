"""The workflow as a part of another, and from another folder."""

import os
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
    assert "claims in results/advdim/claims.html" in printed
    assert not (tmp_path / "results/advdim/kept").exists()
    assert not (tmp_path / "results/advdim/batches").exists()
    assert "localrules directive" not in printed
    again = snakemake(tmp_path, *example, "-n", "most_vulnerable.txt", "advdim_all")
    assert "Nothing to be done" in again


@pytest.mark.parametrize("snakefile", ["Snakefile", "workflow/Snakefile"])
def test_both_entry_points_mean_the_default_sweep(snakefile, tmp_path):
    arguments = ["--snakefile", str(ROOT / snakefile), "--configfile", str(ROOT / "config.yaml")]
    assert "bounds" in snakemake(tmp_path, *arguments, "-n", "--quiet", "rules")
