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
    def decoded(self) -> bool:
        """Tell whether images have to be decoded, which takes time and can fail."""
        return False

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


Corrupt = Literal["refuse", "skip"]
CORRUPT: Corrupt = Field("refuse", description="what to do with images that cannot be decoded")
Files = Annotated[list[Path], BeforeValidator(_as_list), Field(min_length=1)]


class ParquetDataset(Dataset):
    """Image Parquet in the Hugging Face layout: ``image: struct<bytes, path>`` and a label."""

    source: Literal["parquet"]
    train: Files
    test: Files
    image_column: str = "image"
    label_column: str = "label"
    native_size: PositiveInt | None = Field(None, description="edge of the images, if all alike")
    corrupt: Corrupt = CORRUPT

    @property
    def decoded(self) -> bool:
        """They are files of images."""
        return True

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
    """Photographs in folders, ``split/class/file``; or as text files list them."""

    source: Literal["folder"]
    root: Path
    train: str = "train"
    test: str = "test"
    native_size: PositiveInt | None = Field(
        None, description="bring every image to this square first: short edge, then centre crop"
    )
    classes: dict[str, Annotated[list[str], Field(min_length=1)]] = Field(
        {}, description="classes made of one or several folders; other folders are left out"
    )
    lists: Path | None = Field(
        None, description="folder of SPLIT/CLASS.txt, each with paths relative to root"
    )
    overlaps: Literal["refuse", "drop", "keep"] = Field(
        "refuse", description="of images in train and test, or in several classes"
    )
    corrupt: Corrupt = CORRUPT

    @property
    def decoded(self) -> bool:
        """They are files of images."""
        return True

    @model_validator(mode="after")
    def _one_way_to_name_classes(self) -> FolderDataset:
        if self.classes and self.lists:
            raise ValueError("give classes or lists, not both")
        return self

    @property
    def native_edge(self) -> int | None:
        """As stated in the settings."""
        return self.native_size

    def missing(self) -> str | None:
        """Name the first folder that is not there."""
        root = self.lists if self.lists else self.root
        key = "lists" if self.lists else "root"
        for split in (self.train, self.test):
            folder = root.expanduser() / split
            if not folder.is_dir():
                return f"{key} {str(root)!r} has no folder {split!r}"
            for name, members in self.classes.items():
                for member in members:
                    if not (folder / member).is_dir():
                        return f"classes.{name} names {member!r}, which {str(folder)!r} has not"
        return None

    def stored_images(self) -> tuple[int, int]:
        """Return the numbers of files in class folders, or of lines in the lists."""
        train, test = map(self._count, (self.train, self.test))
        return train, test

    def _count(self, split: str) -> int:
        if self.lists:
            files = (self.lists.expanduser() / split).glob("*.txt")
            return sum(len(file.read_text().splitlines()) for file in files)
        members = [m for group in self.classes.values() for m in group] or ["*"]
        folder = self.root.expanduser() / split
        return sum(path.is_file() for member in members for path in folder.glob(f"{member}/*"))

    def files(self) -> list[str]:
        """Return the lists; photographs are too many for the dependency graph."""
        if not self.lists:
            return []
        folders = (self.lists.expanduser() / split for split in (self.train, self.test))
        return [str(file) for folder in folders for file in sorted(folder.glob("*.txt"))]


class PhotographsDataset(Dataset):
    """Tiles of the two photographs that ship with scikit-learn: which one is a tile from?"""

    source: Literal["photographs"]
    native_size: PositiveInt = Field(64, le=160, description="edge of the tiles")
    stride: PositiveInt = Field(16, description="pixels between two tiles")
    test_fraction: float = Field(0.3, ge=0.25, le=0.75, description="right part of each photograph")

    @property
    def native_edge(self) -> int:
        """As stated in the settings."""
        return self.native_size

    def stored_images(self) -> tuple[int, int]:
        """Return the numbers of tiles of the two photographs of 640 x 427 pixels."""
        border = round(640 * (1 - self.test_fraction))
        rows = (427 - self.native_size) // self.stride + 1
        train, test = (
            2 * rows * ((width - self.native_size) // self.stride + 1)
            for width in (border, 640 - border)
        )
        return train, test


AnyDataset = Annotated[
    DigitsDataset | TorchvisionDataset | ParquetDataset | FolderDataset | PhotographsDataset,
    Field(discriminator="source"),
]
