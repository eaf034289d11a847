"""A class that has no image left in a split is refused, however it lost them."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from advdim.config.data import FolderDataset, ParquetDataset
from advdim.data.errors import DataError
from advdim.data.prepare import prepare
from advdim.data.sources import open_source

EDGE = 4


def png(number: int) -> bytes:
    levels = np.random.default_rng(number).integers(0, 256, (EDGE, EDGE), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "png")
    return buffer.getvalue()


@pytest.fixture
def tree(tmp_path):
    """Four photographs of each of three classes in both splits."""

    def make(**settings):
        paths = [
            f"{s}/{name}/{k}.png" for s in ("train", "test") for name in "abc" for k in range(4)
        ]
        for number, path in enumerate(paths):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_bytes(png(number))
        return FolderDataset(source="folder", root=tmp_path, **settings)

    return make


@pytest.fixture
def parquet(tmp_path):
    """Parquet of these labels; each image is another."""

    def make(train, test, names=None, **settings):
        for split, labels in (("train", train), ("test", test)):
            images = pa.array([png(number) for number in range(len(labels))])
            table = pa.table({"image": images, "label": pa.array(labels)})
            metadata = {"class_names": json.dumps(names)} if names else None
            pq.write_table(table.replace_schema_metadata(metadata), tmp_path / f"{split}.parquet")
            settings[split] = tmp_path / f"{split}.parquet"
        return ParquetDataset(source="parquet", **settings)

    return make


def test_a_class_that_overlaps_take_from_training_is_named(tree):
    dataset = tree(overlaps="drop")
    for k in range(4):
        copy = dataset.root / f"test/a/copy{k}.png"
        copy.write_bytes((dataset.root / f"train/a/{k}.png").read_bytes())
    sentence = r"'overlaps: drop' leaves no photograph of class 'a' in 'train'"
    with pytest.raises(DataError, match=sentence):
        open_source(dataset)
    (dataset.root / "test/a/copy0.png").unlink()
    assert np.bincount(open_source(dataset)["train"].labels).tolist() == [1, 4, 4]


def test_a_class_that_overlaps_take_from_the_tests_is_named(tree):
    dataset = tree(overlaps="drop")
    for k in range(4):
        copy = dataset.root / f"test/c/{k}.png"
        copy.write_bytes((dataset.root / f"test/a/{k}.png").read_bytes())
    with pytest.raises(DataError, match=r"leaves no photograph of class 'c' in 'test'"):
        open_source(dataset)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_class_whose_images_are_all_corrupt_is_named(tree, split):
    dataset = tree(corrupt="skip")
    for k in range(4):
        (dataset.root / f"{split}/b/{k}.png").write_bytes(b"text")
    sentence = rf"'mine': 'corrupt: skip' leaves no image of class 'b' in '{split}'\.$"
    with pytest.raises(DataError, match=sentence):
        prepare(dataset, "mine", EDGE)


def test_a_class_that_a_subset_leaves_out_is_no_fault(tree):
    dataset = tree(corrupt="skip", train_images=3, test_images=1)
    pixels, _ = prepare(dataset, "mine", EDGE)
    assert len(pixels.labels["test"]) == 1


@pytest.mark.parametrize(
    ("train", "test", "names", "alone"),
    [
        ([0, 1] * 4, [0, 5, 1], None, "5"),
        ([0, 1] * 4, [0, 2, 1], ["cat", "dog", "eel"], "eel"),
        (["cat", "dog"] * 4, ["cat", "eel"], None, "eel"),
        (["cat", "dog"] * 4, ["cat", "eel"], ["cat", "dog", "eel"], "eel"),
    ],
)
def test_a_class_in_test_only_is_refused_whatever_its_labels(parquet, train, test, names, alone):
    with pytest.raises(DataError, match=rf"^Class '{alone}' is in test only\.$"):
        open_source(parquet(train, test, names))


@pytest.mark.parametrize(
    ("labels", "names", "only"),
    [
        ([0] * 4, None, "0"),
        ([1] * 4, None, "1"),
        (["cat"] * 4, None, "cat"),
        ([1] * 4, ["cat", "dog"], "dog"),
    ],
)
def test_parquet_of_one_class_is_refused(parquet, labels, names, only):
    sentence = (
        rf"^Labels in column 'label' of train are all '{only}': every answer would be right\.$"
    )
    with pytest.raises(DataError, match=sentence):
        open_source(parquet(labels, labels, names))
