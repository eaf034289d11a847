"""Settings of a dataset: where its images come from and how they reach the network."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from advdim.config.data.base import (
    LEAST_TRAINED,
    Augmentation,
    Dataset,
    EncodedDataset,
    NormalisationSettings,
)
from advdim.config.data.folder import FolderDataset
from advdim.config.data.named import TORCHVISION_NAMES, TorchvisionDataset
from advdim.config.data.parquet import ParquetDataset
from advdim.config.data.shipped import DigitsDataset, PhotographsDataset

AnyDataset = Annotated[
    DigitsDataset | TorchvisionDataset | ParquetDataset | FolderDataset | PhotographsDataset,
    Field(discriminator="source"),
]

__all__ = [
    "LEAST_TRAINED",
    "TORCHVISION_NAMES",
    "AnyDataset",
    "Augmentation",
    "Dataset",
    "DigitsDataset",
    "EncodedDataset",
    "FolderDataset",
    "NormalisationSettings",
    "ParquetDataset",
    "PhotographsDataset",
    "TorchvisionDataset",
]
