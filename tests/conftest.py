import copy

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

torch.set_num_threads(1)

SMALL = {
    "datasets": {
        "digits": {
            "source": "digits",
            "train_images": 96,
            "test_images": 32,
            "augmentation": {"crop_padding": 1, "flip": True},
        }
    },
    "networks": {
        "maxpool4": {
            "layers": 4,
            "width": 4,
            "pool": "max",
            "pool_after": [2, 4],
            "dilation": "size / 8",
            "head": "global_max",
        },
        "strided4": {"layers": 4, "width": 4, "strides": [1, 2, 2, 2]},
    },
    "training": {
        "epochs": 3,
        "batch_size": 32,
        "halve_every": 2,
        "measurement": {"every": 2, "summary_epochs": 2, "steps": 2, "images": 16},
    },
    "methods": {"pgd_linf": {"steps": 2, "relative_step": 0.5}},
    "attacks": {
        "threshold": 0.1,
        "thresholds": [0.5],
        "images": 8,
        "options": {"pgd_linf": {"steps": 2, "relative_step": 0.5}},
        "examples": {"attack": "fgsm", "images": 2},
    },
    "bounds": {"images": 8},
    "figures": {"formats": ["png"]},
    "initialisation": {
        "fresh": {
            "dataset": "digits",
            "networks": ["maxpool4"],
            "sizes": [8, 16],
            "seeds": 2,
            "images": 4,
        }
    },
    "experiments": {
        "dimension": {
            "dataset": "digits",
            "network": "maxpool4",
            "sizes": [8, 16],
            "methods": ["pgd_linf"],
            "epsilons": [0, 0.01],
            "seeds": 1,
            "attacks": ["fgsm"],
            "bounds": True,
            "figures": ["input_dimension", "adversarial_examples", "certified_dimension"],
        },
        "regularisation": {
            "dataset": "digits",
            "network": "strided4",
            "sizes": [8],
            "methods": ["grad_l1", "pgd_linf"],
            "epsilons": [0, 0.01],
            "seeds": [0],
            "figures": ["regularisation_methods", "matched_strengths"],
        },
    },
}


@pytest.fixture(autouse=True)
def _seeded():
    """The same random numbers whatever tests a worker ran before."""
    torch.manual_seed(0)


@pytest.fixture
def raw_config() -> dict:
    """A sweep of seconds with every block; a fresh copy, to be edited by the test."""
    return copy.deepcopy(SMALL)


@pytest.fixture
def images_of_presets(monkeypatch, tmp_path):
    """A folder with the files of images that presets name, without images."""
    table = pa.table({"image": [{"bytes": b"", "path": None}] * 3, "label": [0, 1, 0]})
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / "data/photographs" / split / name).mkdir(parents=True)
            for number in (1, 2):
                (tmp_path / "data/photographs" / split / name / f"{number}.jpg").touch()
        pq.write_table(table, tmp_path / f"data/cifar10_{split}.parquet")
    monkeypatch.chdir(tmp_path)
