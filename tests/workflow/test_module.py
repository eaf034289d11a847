"""The workflow as a part of another, and from another folder."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests import forked

ROOT = Path(__file__).parents[2]


def snakemake(folder: Path, *arguments: str, **environment: str) -> str:
    binaries = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": binaries, "PYTHONPATH": str(ROOT / "src"), **environment}
    done = forked.snakemake("--profile", "none", *arguments, folder=folder, environment=environment)
    if done.returncode:
        pytest.fail(done.stdout + done.stderr)
    return done.stdout + done.stderr


def test_another_workflow_uses_this_one_as_a_module(tmp_path):
    shutil.copy(ROOT / "examples/module/project.yaml", tmp_path)
    example = ["--snakefile", str(ROOT / "examples/module/Snakefile")]
    printed = snakemake(tmp_path, *example, "--cores", "2", "most_vulnerable.txt", "advdim_all")
    assert (tmp_path / "most_vulnerable.txt").read_text().startswith("strided4 trained with")
    assert "Report in results/advdim/report.html" in printed
    assert "localrules directive" not in printed
    again = snakemake(tmp_path, *example, "-n", "most_vulnerable.txt", "advdim_all")
    assert "Nothing to be done" in again
    forced = snakemake(tmp_path, *example, "-n", "-R", "advdim_train", "most_vulnerable.txt")
    assert re.search(r"^advdim_train +2$", forced, flags=re.MULTILINE)
    run = tmp_path / "results/advdim/cells"
    (record,) = run.rglob("method=none/**/run.json")
    before = record.stat().st_mtime_ns
    snakemake(tmp_path, *example, "--cores", "2", "-R", "advdim_train", "--until", "advdim_train")
    assert record.stat().st_mtime_ns > before
    log = next((tmp_path / "results/advdim/logs/train").rglob("method=none/**/*.log"))
    assert log.read_text().count("training dataset=") == 1


def test_a_repository_is_a_module_from_anywhere(tmp_path):
    """The forms that Snakemake documents for a repository, on a bare clone of this one."""
    bare = tmp_path / "repositories" / "advdim.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", ROOT, bare], check=True)
    head = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    commit = subprocess.run(head, capture_output=True, text=True, check=True).stdout.strip()
    text = (ROOT / "examples/module/Snakefile").read_text()
    text = text.replace(
        '"../../workflow/Snakefile"',
        f'github("owner/advdim", path="workflow/Snakefile", commit="{commit}")',
    ).replace('    conda:\n        "../../envs/advdim.yaml"\n', "")
    folder = tmp_path / "a place of one's own"
    folder.mkdir()
    (folder / "Snakefile").write_text(text)
    for name in ("project.yaml", "most_vulnerable.py"):
        shutil.copy(ROOT / "examples/module" / name, folder)
    environment = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{bare.parent}/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/owner/",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    # A rule of each kind of script is enough, and pixels are the cheapest.
    snakemake(folder, "--cores", "2", "--until", "advdim_pixels", **environment)
    assert list((folder / "results/advdim/pixels").rglob("*.json"))


def test_a_prefix_is_refused_since_it_would_reach_half_of_the_results(tmp_path):
    text = (ROOT / "examples/module/Snakefile").read_text()
    text = text.replace("    config:\n", '    prefix: "elsewhere"\n    config:\n')
    text = text.replace("../../workflow/Snakefile", str(ROOT / "workflow/Snakefile"))
    (tmp_path / "Snakefile").write_text(text)
    shutil.copy(ROOT / "examples/module/project.yaml", tmp_path)
    with pytest.raises(pytest.fail.Exception, match="advdim takes no prefix: give 'results'"):
        snakemake(tmp_path, "--cores", "1", "advdim_all")


def test_a_read_only_checkout_is_enough(tmp_path):
    project = tmp_path / "a read-only place"
    project.mkdir()
    for name in ("Snakefile", "workflow", "src", "envs", "profiles", "config.yaml"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, project / name)
    subprocess.run(["chmod", "-R", "a-w", str(project)], check=True)
    work = tmp_path / "work"
    work.mkdir()
    (work / "sweep.yaml").write_text(
        yaml.safe_dump(
            yaml.safe_load((ROOT / "examples/module/project.yaml").read_text())["advdim"]
        )
    )
    arguments = ["--snakefile", str(project / "Snakefile"), "--configfile", "sweep.yaml"]
    snakemake(work, *arguments, "--cores", "2", "--until", "pixels")
    assert list((work / "results/advdim/pixels").rglob("*.json"))


@pytest.mark.parametrize("snakefile", ["Snakefile", "workflow/Snakefile"])
def test_both_entry_points_mean_the_default_sweep(snakefile, tmp_path):
    arguments = ["--snakefile", str(ROOT / snakefile), "--configfile", str(ROOT / "config.yaml")]
    assert "bounds" in snakemake(tmp_path, *arguments, "-n", "--quiet", "rules")
