"""What the README prints must run."""

import re
import shutil

import yaml

from advdim.config import load
from advdim.data.batches import Batches
from advdim.data.pixels import load_pixels
from tests.workflow.conftest import ROOT

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def test_python_blocks_run(finished, tmp_path, monkeypatch, capsys):
    shutil.copytree(finished.results, tmp_path / "results")
    cell = next((tmp_path / "results/cells").rglob("size=8/method=none/**/network.safetensors"))
    shutil.copytree(cell.parent, tmp_path / "one_cell")
    pixels = load_pixels(tmp_path / "results/pixels/dataset=digits/size=8.safetensors")
    inputs, labels = next(iter(Batches(pixels, "test").ordered(4)))
    monkeypatch.chdir(tmp_path)
    assert len(blocks("python")) == 2
    for block in blocks("python"):
        names = {"inputs": inputs, "labels": labels}
        exec(compile(block, "README.md", "exec"), names)
    assert (names["radii"].sound > 0).all()
    assert len(names["rows"]["norm_l2"]) == 4
    assert "meaning" in capsys.readouterr().out


def test_configuration_blocks_are_valid(raw_config, tmp_path):
    parts = [yaml.safe_load(block) for block in blocks("yaml")]
    default = yaml.safe_load((ROOT / "config.yaml").read_text())
    for part in parts:
        if {"experiments", "initialisation"} & set(part):
            load({**default, **part})
    (datasets,) = [part for part in parts if "datasets" in part]
    (networks,) = [part for part in parts if "networks" in part]
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
    datasets = datasets["datasets"]
    datasets["folder"]["root"] = str(tmp_path)
    for name in ("train", "test"):
        datasets["parquet"][name] = str(ROOT / "README.md")
    networks = networks["networks"]
    networks["mine"]["module"] = "torch.nn:Module"
    load({**raw_config, "datasets": {**raw_config["datasets"], **datasets}, "networks": {
        **raw_config["networks"], **networks}})  # fmt: skip
