"""Settings of datasets that torchvision downloads and checksums, and what is known of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, model_validator

from advdim.config.data.base import Augmentation, Dataset
from advdim.config.numbers import Edge


@dataclass(frozen=True)
class Published:
    """What is known of a dataset without reading it.

    Attributes:
        edge: edge of its images in pixels; None: they are photographs of many sizes.
        channels: 1 for grey, 3 for colour.
        images: numbers of training and of test images.
        place: a file or folder that is below ``root`` once it was downloaded.
        augmentation: what training usually does, the default; none for those of the papers, whose
            presets say what they use.
    """

    edge: int | None
    channels: int
    images: tuple[int, int]
    place: str
    augmentation: Augmentation = field(default_factory=Augmentation)


PUBLISHED = {
    "CIFAR10": Published(32, 3, (50_000, 10_000), "cifar-10-batches-py"),
    "CIFAR100": Published(
        32, 3, (50_000, 10_000), "cifar-100-python", Augmentation(crop_padding=4, flip=True)
    ),
    "MNIST": Published(28, 1, (60_000, 10_000), "MNIST/raw"),
    "FashionMNIST": Published(28, 1, (60_000, 10_000), "FashionMNIST/raw"),
    # A mirrored digit is no digit.
    "SVHN": Published(32, 3, (73_257, 26_032), "train_32x32.mat", Augmentation(crop_padding=4)),
    "STL10": Published(
        96, 3, (5_000, 8_000), "stl10_binary", Augmentation(crop_padding=12, flip=True)
    ),
    "Imagenette": Published(None, 3, (9_469, 3_925), "imagenette2-160", Augmentation(flip=True)),
}
TORCHVISION_NAMES = {name.lower(): name for name in PUBLISHED}
IMAGENETTE_EDGE = 160


def _without_required_name(schema: dict[str, Any]) -> None:
    """Let an editor accept ``cifar10: {source: torchvision}``, whose key says the name."""
    schema["required"].remove("name")


class TorchvisionDataset(Dataset):
    """A dataset of this name, downloaded and checksummed by torchvision."""

    later = ("native_size",)

    model_config = ConfigDict(json_schema_extra=_without_required_name)

    source: Literal["torchvision"]
    name: Literal["CIFAR10", "CIFAR100", "MNIST", "FashionMNIST", "SVHN", "STL10", "Imagenette"] = (
        Field(description="default: what the key of the dataset says, as in cifar10 and svhn")
    )
    root: Path = Path("data")
    download: bool = True
    augmentation: Augmentation = Field(
        Augmentation(),
        description="default: crop_padding 4 and flip for CIFAR100, crop_padding 4 for SVHN, "
        "crop_padding 12 and flip for STL10, flip for Imagenette, none for the others",
    )
    native_size: Edge | None = Field(
        None,
        description="of Imagenette, whose images have many sizes: the square that each is brought "
        f"to; default: {IMAGENETTE_EDGE}",
    )

    @model_validator(mode="before")
    @classmethod
    def _usual(cls, values: Any) -> Any:
        """Fill in what depends on the name."""
        known = PUBLISHED.get(str(values.get("name"))) if isinstance(values, dict) else None
        if known is None:
            return values
        usual = {"augmentation": known.augmentation}
        if known.edge is None and values.get("native_size") is None:
            return {**usual, **values, "native_size": IMAGENETTE_EDGE}
        return {**usual, **values}

    @model_validator(mode="after")
    def _of_one_size(self) -> TorchvisionDataset:
        if self.published.edge and self.native_size:
            raise ValueError(
                f"native_size is for Imagenette; images of {self.name} have {self.published.edge} "
                "pixels"
            )
        return self

    @property
    def published(self) -> Published:
        """What is known of the dataset."""
        return PUBLISHED[self.name]

    @property
    def archive(self) -> str:
        """The smallest of Imagenette's archives that has ``native_size`` pixels."""
        wanted = self.native_size or 0
        return "160px" if wanted <= 160 else "320px" if wanted <= 320 else "full"

    @property
    def decoded(self) -> bool:
        """Imagenette's are files of images."""
        return self.published.edge is None

    @property
    def native_edge(self) -> int | None:
        """The published edge, or the square that photographs are brought to."""
        return self.published.edge or self.native_size

    @property
    def usual_channels(self) -> int:
        """As published."""
        return self.published.channels

    def usual_classes(self) -> int:
        """As published."""
        return 100 if self.name == "CIFAR100" else 10

    def stored_images(self) -> tuple[int, int]:
        """Return the published numbers."""
        return self.published.images

    def missing(self) -> str | None:
        """Name what should hold the files where downloading is switched off."""
        root = self.root.expanduser()
        if self.download:
            return None
        if not root.is_dir():
            return f"root is {str(self.root)!r}, which does not exist, and download is false"
        place = self.published.place
        if self.name == "Imagenette":
            place = {"160px": "imagenette2-160", "320px": "imagenette2-320"}.get(
                self.archive, "imagenette2"
            )
        if not (root / place).exists():
            return f"root {str(self.root)!r} has no {place!r}, and download is false"
        return None
