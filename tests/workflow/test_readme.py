"""What the README and the pages under docs print must run."""

import runpy
import shutil

import duckdb
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file, save_file

from advdim.config import load
from advdim.data.batches import Batches
from advdim.data.pixels import load_pixels
from advdim.networks.build import load_network
from tests.forked import python
from tests.pages import blocks, files
from tests.workflow.conftest import ROOT, Workflow


def configuration() -> dict[str, dict]:
    """Return datasets, networks and methods of all pages; a name means one thing everywhere."""
    whole: dict[str, dict] = {"datasets": {}, "networks": {}, "methods": {}}
    for part in map(yaml.safe_load, blocks("yaml")):
        for key in whole.keys() & part.keys():
            for name, settings in part[key].items():
                assert whole[key].setdefault(name, settings) == settings, name
    return whole


def write_files(folder) -> None:
    assert set(files()) == {"my_code.py", "my_network.py"}
    for name, code in files().items():
        (folder / name).write_text(code)


def test_python_blocks_run(finished, tmp_path, monkeypatch, capsys):
    shutil.copytree(finished.results, tmp_path / "results")
    cell = next((tmp_path / "results/cells").rglob("size=8/method=none/**/network.safetensors"))
    shutil.copytree(cell.parent, tmp_path / "one_cell")
    pixels = load_pixels(tmp_path / "results/pixels/dataset=digits/size=8.safetensors")
    inputs, labels = next(iter(Batches(pixels, "test").ordered(4)))
    published = tmp_path / "published/cifar10"
    shutil.copytree(finished.results, published)
    network = "dataset=cifar10/network=maxpool8/size=32/method=none/epsilon=0/seed=0"
    (published / "cells" / network).mkdir(parents=True)
    shutil.copy(cell, published / "cells" / network)
    monkeypatch.chdir(tmp_path)
    ran = {}
    scripts = [block for block in blocks("python") if block not in files().values()]
    assert len(scripts) == 6
    images = pixels.images["test"][:4].float() / 255
    for block in scripts:
        names = {"inputs": inputs, "labels": labels, "images": images}
        exec(compile(block, "page", "exec"), names)
        ran |= names
    assert (ran["radii"].sound > 0).all()
    assert len(ran["rows"]["norm_l2"]) == 4
    torch.testing.assert_close(ran["logits"], load_network(cell)[0](inputs))
    epochs = pd.read_parquet("results/tables/epochs.parquet")
    assert dict(ran["by_size"].rows()) == epochs.groupby("size").size().to_dict()
    assert ran["count"].fetchall() == [(len(epochs),)]
    assert set(ran["verdicts"].columns) == {"claim", "estimate", "verdict"}
    assert "meaning" in capsys.readouterr().out
    # polars' means against pandas'.
    epochs = pd.read_parquet("results/tables/epochs.parquet").query("split == 'test'")
    means = epochs.groupby(["size", "epoch"])["accuracy"].mean()
    rows = pd.DataFrame(ran["accuracies"].to_dicts()).set_index(["size", "epoch"])["accuracy"]
    pd.testing.assert_series_equal(rows.sort_index(), means)
    medians = pd.read_parquet("results/tables/cells.parquet").groupby(["size", "epsilon"])
    expected = medians["vulnerability_median"].median().to_dict()
    found = {(row[0], row[1]): row[2] for row in duckdb.sql(ran["query"]).fetchall()}
    assert found == pytest.approx(expected)


def test_configuration_blocks_are_valid(raw_config, tmp_path, monkeypatch):
    parts = [yaml.safe_load(block) for block in blocks("yaml")]
    default = yaml.safe_load((ROOT / "config.yaml").read_text())
    for part in parts:
        if {"experiments", "initialisation"} & set(part):
            load({**default, **part})
    datasets, networks, methods = configuration().values()
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
    for name in ("folder", "photographs"):
        datasets[name]["root"] = str(tmp_path)
    for name in ("train", "test"):
        datasets["parquet"][name] = str(ROOT / "README.md")
    (tmp_path / "mine.safetensors").touch()
    for name in ("existing", "trained"):
        networks[name]["weights"] = str(tmp_path / "mine.safetensors")
    write_files(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    load({**raw_config, "datasets": {**raw_config["datasets"], **datasets}, "networks": {
        **raw_config["networks"], **networks}, "methods": methods})  # fmt: skip


def test_own_data_network_method_and_attack_run_together(tmp_path):
    """One sweep of what the pages print, from one's own photographs to one's own names."""
    write_files(tmp_path)
    random = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 6)):
        for k, label in enumerate(("cat", "dog")):
            folder = tmp_path / "photos" / split / label
            folder.mkdir(parents=True)
            for image in range(count):
                noise = random.integers(100 * k, 100 * k + 120, (20, 24, 3), dtype=np.uint8)
                Image.fromarray(noise).save(folder / f"{image}.png")
    parts = configuration()
    (attacks,) = [a for a in map(yaml.safe_load, blocks("yaml")) if "random_signs" in str(a)]
    measurement = {"every": 1, "summary_epochs": 1, "steps": 1}
    config = {
        "datasets": {"photographs": parts["datasets"]["photographs"]},
        "networks": {"mine": parts["networks"]["mine"]},
        "methods": parts["methods"],
        "training": {"epochs": 1, "batch_size": 8, "measurement": measurement},
        "attacks": {**attacks["attacks"], "threshold": 0.1, "thresholds": []},
        "experiments": {
            "own": {
                "dataset": "photographs", "network": "mine", "sizes": [8], "methods": ["noisy"],
                "epsilons": [0.1], "attacks": ["random_signs"],
                "figures": ["regularisation_methods", "attack_agreement"],
            }
        },
    }  # fmt: skip
    workflow = Workflow(tmp_path, config)
    workflow.run("--cores", "2", "figures")
    cells = pd.read_parquet(tmp_path / "results/tables/cells.parquet")
    assert list(cells["method"]) == ["noisy"]
    assert cells["first_order_factor"].isna().all()
    summaries = pd.read_parquet(tmp_path / "results/tables/attack_summaries.parquet")
    assert set(summaries["attack"]) == {"random_signs"}
    assert len(list((tmp_path / "results/figures/own").glob("*.png"))) == 2
    # Edited code runs again where it is used: here by a network, a method and an attack.
    code = files()["my_code.py"]
    (tmp_path / "my_code.py").write_text(
        code.replace('    """Return a random', '    # why\n    """Return a random')
    )
    assert not {"train", "attack", "figure"} & set(workflow.counts())
    (tmp_path / "my_code.py").write_text(code.replace("epsilon * noise", "2 * epsilon * noise"))
    assert workflow.counts()["train"] == 1
    (tmp_path / "my_code.py").write_text(code.replace("def noisy", "def noisier"))
    done = workflow.run("-n", check=False)
    said = "'methods.noisy': module 'my_code' has no 'noisy'; it has noisier, random_signs"
    assert said in done.stdout + done.stderr


def test_the_existing_network_of_the_examples_is_measured_attacked_and_bounded(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    example = ROOT / "examples/existing_network"
    shutil.copy(example / "digits_network.py", tmp_path)
    runpy.run_path("digits_network.py", run_name="__main__")
    config = yaml.safe_load((example / "sweep.yaml").read_text())
    config["datasets"]["digits"] |= {"train_images": 400, "test_images": 100}
    few = {"autoattack_linf": {"steps": 2, "queries": 5}}
    config["attacks"] |= {"images": 4, "options": few}
    config["bounds"] = {"images": 4}
    # The others have tests of their own elsewhere.
    config["experiments"]["existing"] |= {"attacks": ["autoattack_linf"], "figures": []}
    workflow = Workflow(tmp_path, config)
    environment = workflow.command()["env"]
    check = ("-m", "advdim", "check", "sweep.yaml")
    checked = python(*check, folder=tmp_path, environment=environment)
    assert checked.stdout == "sweep.yaml is valid: 2 networks and 2 attacks.\n"
    made = ("--", *(f"results/tables/{table}.parquet" for table in ("cells", "bounds")))
    workflow.run("--cores", "2", *made)
    cells = pd.read_parquet(tmp_path / "results/tables/cells.parquet").set_index("size")
    assert (cells["epochs"] == 0).all()
    assert cells["accuracy_median"][8] > 0.8
    bounds = pd.read_parquet(tmp_path / "results/tables/bounds.parquet")
    assert (bounds["sound"] > 0).all()
    assert len(bounds) == 8
    # Other weights are noticed, the same ones elsewhere or touched are not.
    weights = tmp_path / "digits.safetensors"
    weights.touch()
    assert not workflow.counts(*made)
    tensors = load_file(weights)
    tensors["9.bias"][0] += 3
    save_file(tensors, weights)
    assert workflow.counts(*made)["train"] == 2
