"""Too few images to train on: said by the key that says so, or when they are read."""

import numpy as np
import pytest
import torch
from PIL import Image

from advdim.config import ConfigError, load
from advdim.config.data import Augmentation, FolderDataset
from advdim.data.batches import Batches
from advdim.data.errors import DataError
from advdim.data.pixels import Pixels
from advdim.data.prepare import prepare
from advdim.units import Normalisation

EDGE = 4


def folder(root, count: int, **settings) -> FolderDataset:
    random = np.random.default_rng(0)
    for path in (f"{s}/{n}/{k}.png" for s in ("train", "test") for n in "ab" for k in range(count)):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (EDGE, EDGE), np.uint8)).save(root / path)
    return FolderDataset(source="folder", root=root, **settings)


@pytest.mark.parametrize(
    ("settings", "held_out", "left"),
    [
        ({"train_images": 1}, 1, 0),
        ({"train_images": 2}, 1, 1),
        ({"train_images": 10, "validation_fraction": 0.9}, 9, 1),
        ({"train_images": 10, "validation_fraction": 0.99}, 10, 0),
    ],
)
def test_a_subset_that_leaves_less_than_two_is_refused(raw_config, settings, held_out, left):
    raw_config["datasets"]["digits"] |= settings
    with pytest.raises(
        ConfigError,
        match=rf"'datasets\.digits'.* train_images is {settings['train_images']}, of which "
        rf"validation_fraction holds out {held_out} and leaves {left} to train on; at least 2 ",
    ):
        load(raw_config)


def test_three_images_are_enough(raw_config, tmp_path):
    raw_config["datasets"]["digits"]["train_images"] = 3
    load(raw_config)
    pixels, _ = prepare(folder(tmp_path, 4, train_images=3), "mine", EDGE)
    assert (len(pixels.labels["train"]), len(pixels.labels["validation"])) == (2, 1)


def test_data_of_one_image_to_train_on_are_refused(tmp_path):
    with pytest.raises(
        DataError, match=r"^Dataset 'mine': there is 1 image to train on; at least 2 are needed\.$"
    ):
        prepare(folder(tmp_path, 1), "mine", EDGE)


def test_what_is_left_of_corrupt_images_counts(tmp_path):
    dataset = folder(tmp_path, 4, classes={"a": ["a"]}, corrupt="skip")
    whole, _ = prepare(dataset, "mine", EDGE)
    trained = {image.numpy().tobytes() for image in whole.images["train"]}
    files = [
        file
        for file in (tmp_path / "train").rglob("*.png")
        if np.asarray(Image.open(file)).tobytes() in trained
    ]
    for file in files[1:]:
        file.write_bytes(b"text")
    with pytest.raises(DataError, match=r"there is 1 image to train on; at least 2 are needed\.$"):
        prepare(dataset, "mine", EDGE)


def test_batches_of_a_single_image_are_refused():
    images = torch.zeros(1, 1, EDGE, EDGE, dtype=torch.uint8)
    labels = torch.zeros(1, dtype=torch.long)
    pixels = Pixels({"train": images}, {"train": labels}, ["a"], Normalisation((0.5,), (0.5,)), 1)
    with pytest.raises(DataError, match="at least 2"):
        list(Batches(pixels, "train").shuffled(4, Augmentation(), torch.Generator()))
