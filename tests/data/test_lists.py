"""Lists of photographs: classes are told by name, and each path is there once."""

import unicodedata

import numpy as np
import pytest
from PIL import Image

from advdim.config import ConfigError, load
from advdim.config.data import FolderDataset, ParquetDataset
from advdim.data.errors import DataError
from advdim.data.sources import open_source
from advdim.data.sources.folder import list_photographs

COMPOSED = "\u00e9tang"
APART = unicodedata.normalize("NFD", COMPOSED)
EDGE = 4


@pytest.fixture
def listed(tmp_path):
    """Photographs in folders ``lake`` and ``wood``, and the lists that a test gives."""
    random = np.random.default_rng(0)
    for path in (
        f"{s}/{n}/{k}.png" for s in ("train", "test") for n in ("lake", "wood") for k in range(3)
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (EDGE, EDGE), np.uint8)).save(tmp_path / path)

    def make(lists, **settings):
        for name, paths in lists.items():
            file = tmp_path / "lists" / f"{name}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("\n".join(paths))
        return FolderDataset(source="folder", root=tmp_path, lists=tmp_path / "lists", **settings)

    return make


def three(split: str, name: str) -> list[str]:
    return [f"{split}/{name}/{k}.png" for k in range(3)]


@pytest.mark.parametrize("train", [COMPOSED, APART])
@pytest.mark.parametrize("test", [COMPOSED, APART])
def test_labels_follow_names_however_accents_are_stored(listed, train, test):
    dataset = listed({
        f"train/{train}": three("train", "lake"), "train/foret": three("train", "wood"),
        f"test/{test}": three("test", "lake"), "test/foret": three("test", "wood"),
    })  # fmt: skip
    listing, names, _ = list_photographs(dataset)
    assert dataset.missing() is None
    assert names == ["foret", COMPOSED]
    for samples in listing.values():
        assert [("lake" in path) for path, _ in samples] == [
            names[label] == COMPOSED for _, label in samples
        ]


def test_two_lists_of_one_name_are_one_class(listed):
    dataset = listed({
        f"train/{COMPOSED}": three("train", "lake")[:1],
        f"train/{APART}": three("train", "lake")[1:], "train/foret": three("train", "wood"),
        f"test/{APART}": three("test", "lake"), "test/foret": three("test", "wood"),
    })  # fmt: skip
    assert dataset.image_counts() == (6, 6)
    assert np.bincount(open_source(dataset)["train"].labels).tolist() == [3, 3]


def refused(dataset, raw_config, sentence):
    with pytest.raises(DataError, match=rf"{sentence}\.$"):
        open_source(dataset)
    raw_config["datasets"]["digits"] = dataset.model_dump(mode="json")
    with pytest.raises(ConfigError, match=rf"^Config key 'datasets\.digits': .*{sentence}\.$"):
        load(raw_config)


@pytest.mark.parametrize("overlaps", ["refuse", "drop", "keep"])
def test_a_path_that_a_split_lists_twice_is_refused(listed, raw_config, overlaps):
    dataset = listed({
        "train/a": three("train", "lake"),
        "train/b": [*three("train", "wood"), "./train/wood/1.png"],
        "test/a": three("test", "lake"), "test/b": three("test", "wood"),
    }, overlaps=overlaps)  # fmt: skip
    refused(dataset, raw_config, r"'\S+train/wood/1\.png' is twice in class 'b' of '\S+train'")


def test_a_folder_that_a_class_names_twice_is_refused(listed, raw_config):
    classes = {"a": ["lake", "lake"], "b": ["wood"]}
    root = listed({}).root
    dataset = FolderDataset(source="folder", root=root, classes=classes)
    refused(dataset, raw_config, r"'\S+train/lake/0\.png' is twice in class 'a' of '\S+train'")


def test_a_parquet_file_that_a_split_names_twice_is_refused(tmp_path):
    (tmp_path / "train-0.parquet").write_bytes(b"")
    dataset = ParquetDataset(
        source="parquet",
        train=[tmp_path / "train-*.parquet", tmp_path / "train-0.parquet"],
        test=tmp_path / "test.parquet",
    )
    assert dataset.missing() == f"train names {str(tmp_path / 'train-0.parquet')!r} twice"
