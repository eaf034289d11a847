"""Settings of a dataset: where its images come from and how they reach the network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveInt, model_validator

from advdim.config.base import Settings

TORCHVISION_EDGES = {"CIFAR10": 32, "MNIST": 28, "FashionMNIST": 28}
TORCHVISION_NAMES = {name.lower(): name for name in TORCHVISION_EDGES}


class Augmentation(Settings):
    """Training augmentation, applied to the original pixels before they are replicated."""

    crop_padding: int = Field(0, ge=0, description="zero padding in original pixels; 0: no crop")
    flip: bool = Field(False, description="horizontal flip with probability one half")


class NormalisationSettings(Settings):
    """Per-channel mean and standard deviation of the pixels, in units of [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[Annotated[float, Field(gt=0)], ...]

    @model_validator(mode="after")
    def _same_length(self) -> NormalisationSettings:
        if len(self.mean) != len(self.std):
            raise ValueError("mean and std must have one value per channel each")
        return self


class Dataset(Settings):
    """What all sources share."""

    train_images: PositiveInt | None = Field(
        None, description="use a fixed random subset of this many training images"
    )
    test_images: PositiveInt | None = Field(None, description="likewise for the test images")
    validation_fraction: float = Field(0.1, gt=0, lt=1)
    normalisation: NormalisationSettings | None = Field(
        None, description="default: computed from the training pixels"
    )
    augmentation: Augmentation = Augmentation()
    training: dict[str, Any] = Field({}, description="training settings that differ here")

    @property
    def native_edge(self) -> int | None:
        """The edge of the original images in pixels, or None where only the data tell."""
        return None

    @property
    def usual_channels(self) -> int:
        """Channels to expect before the data have been read."""
        return 3

    def missing(self) -> str | None:
        """Return a sentence about what is missing on disk, or None; opens no data."""
        return None

    def image_counts(self) -> tuple[int, int]:
        """Return how many training and test images the sweep uses, without decoding any."""
        train, test = self.stored_images()
        return min(train, self.train_images or train), min(test, self.test_images or test)

    def stored_images(self) -> tuple[int, int]:
        """Return how many training and test images the source holds."""
        raise NotImplementedError

    def files(self) -> list[str]:
        """Return the files that the images come from, for the dependency graph."""
        return []

    def pixel_settings(self) -> str:
        """Return, as canonical JSON, what the stored pixels depend on."""
        return self.canonical(exclude={"augmentation", "training", "download"})


class DigitsDataset(Dataset):
    """The 1,797 handwritten digits of 8 x 8 pixels that ship with scikit-learn."""

    source: Literal["digits"]
    test_fraction: float = Field(0.25, gt=0, lt=1)

    @property
    def native_edge(self) -> int:
        """8 pixels."""
        return 8

    @property
    def usual_channels(self) -> int:
        """Grey."""
        return 1

    def stored_images(self) -> tuple[int, int]:
        """Return the two shares of the 1,797 digits."""
        tests = round(1797 * self.test_fraction)
        return 1797 - tests, tests


class TorchvisionDataset(Dataset):
    """CIFAR-10, MNIST or Fashion-MNIST, downloaded and checksummed by torchvision."""

    source: Literal["torchvision"]
    name: Literal["CIFAR10", "MNIST", "FashionMNIST"]
    root: Path = Path("data")
    download: bool = True

    @property
    def native_edge(self) -> int:
        """32 pixels for CIFAR-10, 28 for the others."""
        return TORCHVISION_EDGES[self.name]

    @property
    def usual_channels(self) -> int:
        """Colour for CIFAR-10, grey for the others."""
        return 3 if self.name == "CIFAR10" else 1

    def stored_images(self) -> tuple[int, int]:
        """Return the published numbers."""
        return (50_000 if self.name == "CIFAR10" else 60_000), 10_000

    def missing(self) -> str | None:
        """Name the folder that should hold the files where downloading is switched off."""
        if self.download or self.root.expanduser().is_dir():
            return None
        return f"root is {str(self.root)!r}, which does not exist, and download is false"


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str | Path) else value


Files = Annotated[list[Path], BeforeValidator(_as_list), Field(min_length=1)]


class ParquetDataset(Dataset):
    """Image Parquet in the Hugging Face layout: ``image: struct<bytes, path>`` and a label."""

    source: Literal["parquet"]
    train: Files
    test: Files
    image_column: str = "image"
    label_column: str = "label"
    native_size: PositiveInt | None = Field(None, description="edge of the images, if all alike")

    @property
    def native_edge(self) -> int | None:
        """As stated in the settings."""
        return self.native_size

    def missing(self) -> str | None:
        """Name the first file that is not there."""
        for split, paths in (("train", self.train), ("test", self.test)):
            for path in paths:
                if not path.expanduser().is_file():
                    return f"{split} names {str(path)!r}, which does not exist"
        return None

    def stored_images(self) -> tuple[int, int]:
        """Return the row counts in the files' footers."""
        import pyarrow.parquet as pq

        train, test = (
            sum(pq.read_metadata(path.expanduser()).num_rows for path in paths)
            for paths in (self.train, self.test)
        )
        return train, test

    def files(self) -> list[str]:
        """Return the Parquet files."""
        return [str(path.expanduser()) for path in (*self.train, *self.test)]


class FolderDataset(Dataset):
    """A folder of images, ``split/class/file``."""

    source: Literal["folder"]
    root: Path
    train: str = "train"
    test: str = "test"
    native_size: PositiveInt | None = Field(None, description="edge of the images, if all alike")

    @property
    def native_edge(self) -> int | None:
        """As stated in the settings."""
        return self.native_size

    def missing(self) -> str | None:
        """Name the first folder that is not there."""
        for split in (self.train, self.test):
            if not (self.root.expanduser() / split).is_dir():
                return f"root {str(self.root)!r} has no folder {split!r}"
        return None

    def stored_images(self) -> tuple[int, int]:
        """Return the numbers of files in class folders."""
        train, test = (
            sum(path.is_file() for path in (self.root.expanduser() / split).glob("*/*"))
            for split in (self.train, self.test)
        )
        return train, test


AnyDataset = Annotated[
    DigitsDataset | TorchvisionDataset | ParquetDataset | FolderDataset,
    Field(discriminator="source"),
]
