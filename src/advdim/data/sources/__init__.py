"""Where images come from: each source gives labelled images of one split, decoded on demand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from advdim.config.data import (
    AnyDataset,
    DigitsDataset,
    FolderDataset,
    ParquetDataset,
    PhotographsDataset,
    TorchvisionDataset,
)
from advdim.data.errors import DataError
from advdim.data.images import Images
from advdim.data.sources.folder import open_folder
from advdim.data.sources.named import open_torchvision
from advdim.data.sources.parquet import open_parquet
from advdim.data.sources.shipped import open_digits, open_photographs


def open_source(dataset: AnyDataset) -> dict[str, Images]:
    """Return the splits ``train`` and ``test`` of a dataset.

    Raises DataError where a file is missing, truncated or not in the stated layout.
    """
    openers: dict[type, Callable[[Any], dict[str, Images]]] = {
        DigitsDataset: open_digits,
        TorchvisionDataset: open_torchvision,
        ParquetDataset: open_parquet,
        FolderDataset: open_folder,
        PhotographsDataset: open_photographs,
    }
    splits = openers[type(dataset)](dataset)
    for name, images in splits.items():
        if not len(images):
            raise DataError(f"Split {name!r} of {dataset.source} holds no image.")
    return splits
