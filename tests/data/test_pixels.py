from dataclasses import replace

import numpy as np
import pytest
import torch

from advdim.config.data import Augmentation, DigitsDataset
from advdim.data.batches import Batches, augment, draw_moves
from advdim.data.errors import DataError
from advdim.data.pixels import load_pixels, save_pixels
from advdim.data.prepare import prepare
from advdim.data.resize import replicate, shrink
from advdim.streams import stream


@pytest.fixture(scope="module")
def digits():
    return DigitsDataset(source="digits", train_images=60, test_images=20)


def test_replication_copies_pixels():
    images = torch.arange(2 * 3 * 4 * 4).reshape(2, 3, 4, 4)
    expected = images.repeat_interleave(3, -1).repeat_interleave(3, -2)
    assert torch.equal(replicate(images, 3), expected)


def test_area_averaging_against_a_loop():
    image = np.random.default_rng(0).integers(0, 256, (3, 8, 8), dtype=np.uint8)
    small = shrink(image, 4)
    for channel, row, column in np.ndindex(3, 4, 4):
        block = image[channel, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        assert small[channel, row, column] == np.round(block.mean())


def test_oblong_images_are_resized_by_the_short_edge_and_cropped():
    image = np.zeros((3, 20, 40), dtype=np.uint8)
    image[:, :, 10:30] = 200
    small = shrink(image, 10)
    assert small.shape == (3, 10, 10)
    assert (small[:, :, 1:-1] == 200).all()


def test_native_size_is_the_identity(digits):
    from sklearn.datasets import load_digits

    pixels, account = prepare(digits, "digits", 8)
    assert (account["resizing"], pixels.factor) == ("identity", 1)
    levels = np.rint(load_digits().images * 255 / 16).astype(np.uint8)
    known = {image.tobytes() for image in levels}
    assert all(image[0].numpy().tobytes() in known for image in pixels.images["train"])


def test_larger_sizes_keep_the_small_pixels_and_the_same_split(digits):
    small, _ = prepare(digits, "digits", 8)
    large, account = prepare(digits, "digits", 32)
    assert (account["resizing"], large.factor, large.size, large.dimension) == (
        "replication by 4",
        4,
        32,
        1024,
    )
    for split in ("train", "validation", "test"):
        assert torch.equal(small.images[split], large.images[split])
        assert torch.equal(small.labels[split], large.labels[split])


def test_smaller_sizes_average(digits):
    pixels, account = prepare(digits, "digits", 4)
    assert (account["resizing"], pixels.size, pixels.factor) == ("area averaging by 2", 4, 1)


def test_splits_do_not_overlap(digits):
    everything = DigitsDataset(source="digits")
    pixels, _ = prepare(everything, "digits", 8)
    assert sum(len(labels) for labels in pixels.labels.values()) == 1797
    assert len(pixels.labels["validation"]) == round(0.1 * 1348)


def test_files_keep_everything(digits, tmp_path):
    pixels, _ = prepare(digits, "digits", 16)
    save_pixels(tmp_path / "pixels.safetensors", pixels, {})
    loaded = load_pixels(tmp_path / "pixels.safetensors")
    assert torch.equal(loaded.images["test"], pixels.images["test"])
    assert (loaded.normalisation, loaded.factor) == (pixels.normalisation, pixels.factor)
    assert loaded.class_names == pixels.class_names


def test_a_truncated_file_is_named(digits, tmp_path):
    pixels, _ = prepare(digits, "digits", 8)
    path = tmp_path / "pixels.safetensors"
    save_pixels(path, pixels, {})
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match=r"pixels\.safetensors.*delete it and run again"):
        load_pixels(path)


def materialised(pixels):
    """The same images with the replication carried out."""
    images = {split: replicate(small, pixels.factor) for split, small in pixels.images.items()}
    return replace(pixels, images=images, factor=1, pixel_edge=pixels.factor)


def test_batches_from_small_pixels_equal_materialised_ones(digits):
    pixels, _ = prepare(digits, "digits", 32)
    augmentation = Augmentation(crop_padding=2, flip=True)
    small, large = Batches(pixels, "train"), Batches(materialised(pixels), "train")
    pairs = zip(
        small.shuffled(16, augmentation, stream("test")),
        large.shuffled(16, augmentation, stream("test")),
        strict=True,
    )
    for (inputs, labels), (others, other_labels) in pairs:
        assert torch.equal(inputs, others)
        assert torch.equal(labels, other_labels)
        assert inputs.shape[-1] == 32


def test_augmentation_is_a_crop_of_the_padded_image():
    image = torch.arange(1, 17, dtype=torch.uint8).reshape(1, 1, 4, 4)
    padded = torch.nn.functional.pad(image, (1, 1, 1, 1))
    windows = {
        window.tobytes()
        for row in range(3)
        for column in range(3)
        for crop in [padded[0, 0, row : row + 4, column : column + 4].numpy()]
        for window in (crop, crop[:, ::-1])
    }
    augmentation = Augmentation(crop_padding=1, flip=True)
    moves = draw_moves(500, augmentation, stream("test"))
    drawn = augment(image.expand(500, -1, -1, -1), augmentation, moves, 1)
    assert {one[0].numpy().tobytes() for one in drawn} == windows


def test_a_last_single_image_is_left_out(digits):
    pixels, _ = prepare(digits, "digits", 8)
    batches = Batches(pixels, "train")
    sizes = [
        len(labels) for _, labels in batches.shuffled(len(batches) - 1, Augmentation(), stream())
    ]
    assert sizes == [len(batches) - 1]
