"""Where images come from: each source gives labelled images of one split, decoded on demand."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from advdim.config.data import (
    AnyDataset,
    DigitsDataset,
    FolderDataset,
    ParquetDataset,
    PhotographsDataset,
    TorchvisionDataset,
)
from advdim.data.encoded import EncodedImages
from advdim.data.errors import DataError
from advdim.data.folders import list_photographs
from advdim.data.images import ArrayImages, Images
from advdim.data.torchvision_import import torchvision

SPLITS = ("train", "test")


def open_source(dataset: AnyDataset) -> dict[str, Images]:
    """Return the splits ``train`` and ``test`` of a dataset.

    Raises DataError where a file is missing, truncated or not in the stated layout.
    """
    openers: dict[type, Callable[[Any], dict[str, Images]]] = {
        DigitsDataset: _digits,
        TorchvisionDataset: _torchvision,
        ParquetDataset: _parquet,
        FolderDataset: _folder,
        PhotographsDataset: _photographs,
    }
    splits = openers[type(dataset)](dataset)
    for name, images in splits.items():
        if not len(images):
            raise DataError(f"Split {name!r} of {dataset.source} holds no image.")
    if splits["train"].class_names != splits["test"].class_names:
        raise DataError(f"The {dataset.source} splits train and test differ in their classes.")
    return splits


def _digits(dataset: DigitsDataset) -> dict[str, Images]:
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


def _torchvision(dataset: TorchvisionDataset) -> dict[str, Images]:
    constructor = getattr(torchvision("datasets"), dataset.name)
    splits: dict[str, Images] = {}
    for split in SPLITS:
        root = dataset.root.expanduser()
        try:
            data = constructor(root, train=split == "train", download=dataset.download)
        except (RuntimeError, OSError) as error:
            raise DataError(f"{dataset.name} cannot be read from {str(root)!r}: {error}") from error
        pixels = np.asarray(data.data)
        pixels = pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
        splits[split] = ArrayImages(pixels, np.asarray(data.targets), list(data.classes))
    return splits


def _parquet(dataset: ParquetDataset) -> dict[str, Images]:
    return {
        split: _parquet_split(dataset, [path.expanduser() for path in getattr(dataset, split)])
        for split in SPLITS
    }


def _parquet_split(dataset: ParquetDataset, paths: list[Path]) -> Images:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [dataset.image_column, dataset.label_column]
    tables = []
    for path in paths:
        try:
            tables.append(pq.read_table(path, columns=columns))
        except (pa.ArrowInvalid, pa.ArrowKeyError, OSError) as error:
            raise DataError(f"Parquet file {str(path)!r} cannot be read: {error}") from error
        if tables[-1].num_columns != 2:
            have = ", ".join(pq.read_schema(path).names)
            raise DataError(f"Parquet file {str(path)!r} has columns {have}; wanted are {columns}.")
    table = pa.concat_tables(tables)
    column = table[dataset.image_column].combine_chunks()
    if not pa.types.is_struct(column.type) or column.type.get_field_index("bytes") < 0:
        raise DataError(
            f"Column {dataset.image_column!r} is {column.type}, not struct<bytes, path>."
        )
    encoded = column.field("bytes")
    labels = table[dataset.label_column].to_numpy()
    return EncodedImages(
        lambda index: io.BytesIO(encoded[index].as_py()),
        lambda index: f"{index} of {', '.join(str(path) for path in paths)}",
        labels,
        _parquet_class_names(table.schema, dataset.label_column, labels),
    )


def _parquet_class_names(schema: Any, label_column: str, labels: np.ndarray) -> list[str]:
    """Read the names from the Hugging Face metadata; number the classes where there is none."""
    metadata = schema.metadata or {}
    if b"huggingface" in metadata:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        names = features.get(label_column, {}).get("names")
        if names:
            return [str(name) for name in names]
    if b"class_names" in metadata:
        return [str(name) for name in json.loads(metadata[b"class_names"])]
    return [str(label) for label in range(int(labels.max()) + 1)]


def _folder(dataset: FolderDataset) -> dict[str, Images]:
    listing, names, overlaps = list_photographs(dataset)
    splits: dict[str, Images] = {}
    for split, samples in listing.items():
        files = [path for path, _ in samples]
        labels = np.array([label for _, label in samples])
        splits[split] = EncodedImages(
            files.__getitem__, files.__getitem__, labels, names, dataset.native_size
        )
        splits[split].remark = overlaps
    return splits


def _photographs(dataset: PhotographsDataset) -> dict[str, Images]:
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
