"""The data that ship with scikit-learn: digits, and tiles of two photographs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from advdim.config.data import DigitsDataset, PhotographsDataset
from advdim.data.images import ArrayImages, Images

SPLITS = ("train", "test")


def open_digits(dataset: DigitsDataset) -> dict[str, Images]:
    """Return the digits in a fixed shuffle, cut into training and test images."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    # Grey levels 0 to 16 become 0 to 255.
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)[:, None]
    names = [str(name) for name in digits.target_names]
    # A fixed shuffle: the digits come ordered by writer.
    order = np.random.default_rng(0).permutation(len(pixels))
    tests = round(len(order) * dataset.test_fraction)
    chosen = {"train": order[tests:], "test": order[:tests]}
    return {
        split: ArrayImages(pixels[rows], digits.target[rows], names)
        for split, rows in chosen.items()
    }


def open_photographs(dataset: PhotographsDataset) -> dict[str, Images]:
    """Return the tiles of the left parts for training, of the right parts for tests."""
    from sklearn.datasets import load_sample_images

    sample = load_sample_images()
    names = [Path(name).stem for name in sample.filenames]
    tiles: dict[str, list[np.ndarray]] = {split: [] for split in SPLITS}
    labels: dict[str, list[int]] = {split: [] for split in SPLITS}
    for number, photograph in enumerate(sample.images):
        border = round(photograph.shape[1] * (1 - dataset.test_fraction))
        # Cut before tiling: no test tile shares a pixel with a training tile.
        halves = {"train": photograph[:, :border], "test": photograph[:, border:]}
        for split, half in halves.items():
            cut = _tiles(half.transpose(2, 0, 1), dataset.native_edge, dataset.stride)
            tiles[split] += cut
            labels[split] += [number] * len(cut)
    return {
        split: ArrayImages(np.stack(tiles[split]), np.array(labels[split]), names)
        for split in SPLITS
    }


def _tiles(image: np.ndarray, edge: int, stride: int) -> list[np.ndarray]:
    _, height, width = image.shape
    return [
        image[:, top : top + edge, left : left + edge]
        for top in range(0, height - edge + 1, stride)
        for left in range(0, width - edge + 1, stride)
    ]
