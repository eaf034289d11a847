from __future__ import annotations

import pandas as pd

from advdim.config import load
from advdim.report.kind import kind_of


def cells(*rows, epochs=3):
    names = ["method", "epsilon", "status", "experiments"]
    return pd.DataFrame([*rows], columns=names).assign(epochs=epochs)


def test_digits_are_a_demonstration_with_its_counts(raw_config):
    kind = kind_of(load(raw_config), cells())
    assert kind.demonstration
    (images,) = kind.images
    assert "digits of 8 x 8 pixels that ship with scikit-learn" in images.description
    # 449 of the 1,797 digits are kept for tests.
    assert (images.train, images.test) == ("96 of 1,348", "32 of 449")


def test_a_published_dataset_is_none(raw_config, tmp_path):
    raw_config["datasets"]["cifar"] = {
        "source": "torchvision", "name": "CIFAR10", "root": str(tmp_path), "train_images": 5000
    }  # fmt: skip
    raw_config["experiments"]["dimension"]["dataset"] = "cifar"
    kind = kind_of(load(raw_config), cells())
    assert not kind.demonstration
    named = {images.name: images for images in kind.images}
    assert (named["cifar"].description, named["cifar"].shipped) == ("CIFAR10", False)
    assert (named["cifar"].train, named["cifar"].test) == ("5,000 of 50,000", "10,000")
    assert named["digits"].shipped


def test_networks_are_counted_by_how_they_ended_and_were_trained(raw_config):
    rows = [
        ("none", 0.0, "done", ["dimension", "regularisation"]),
        ("pgd_linf", 0.02, "failed", ["dimension"]),
        ("pgd_linf", 0.01, "done", ["dimension"]),
        ("grad_l1", 0.01, "done", ["regularisation"]),
    ]
    parts = {part.name: part for part in kind_of(load(raw_config), cells(*rows)).parts}
    dimension, fresh = parts["dimension"], parts["fresh"]
    assert dimension.statuses == {"done": 2, "failed": 1}
    assert dimension.trained == ["without a method", "pgd_linf 0.01, 0.02"]
    assert (dimension.sizes, dimension.seeds, dimension.networks) == ([8, 16], 1, ["maxpool4"])
    assert (fresh.statuses, fresh.trained, fresh.seeds) == ({}, ["not trained"], 2)


def test_networks_that_were_measured_as_they_came_are_not_trained(raw_config):
    row = ("none", 0.0, "done", ["dimension"])
    existing, usual = cells(row, epochs=0), cells(row)
    for table, said in (
        (existing, ["not trained"]),
        (pd.concat([existing, usual]), ["without a method", "not trained"]),
        (cells(row, epochs=None), ["without a method"]),
        # a network that is lost in its first epoch has none either
        (cells(("none", 0.0, "diverged", ["dimension"]), epochs=0), ["without a method"]),
    ):
        parts = {part.name: part for part in kind_of(load(raw_config), table).parts}
        assert parts["dimension"].trained == said


def test_images_that_are_gone_are_unknown(raw_config, tmp_path):
    for split in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / split / name).mkdir(parents=True)
            for number in (1, 2):
                (tmp_path / split / name / f"{number}.png").touch()
    raw_config["datasets"]["digits"] = {"source": "folder", "root": str(tmp_path), "native_size": 8}
    config = load(raw_config)
    for file in tmp_path.rglob("*.png"):
        file.unlink()
    for folder in sorted(tmp_path.rglob("*"), reverse=True):
        folder.rmdir()
    config.datasets["digits"]._remembered.clear()
    (images,) = kind_of(config, cells()).images
    assert (images.train, images.description) == ("unknown", "images of your own")
