"""Settings of a dataset: where its images come from and how they reach the network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, PositiveInt, PrivateAttr, model_validator

from advdim.config.base import Settings
from advdim.config.numbers import Edge

# Batch norm has no variance of a single image.
LEAST_TRAINED = 2


class Augmentation(Settings):
    """Training augmentation, applied to the original pixels before they are replicated."""

    crop_padding: int = Field(
        0, ge=0, le=1024, description="zero padding in original pixels; 0: no crop"
    )
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


class Remembered(dict[object, Any]):
    """What was read of the disk, by whatever it depends on; a sweep asks for it per cell.

    It is no part of the settings that hold it: any two are equal.
    """

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Remembered)


class Dataset(Settings):
    """What all sources share."""

    # Keys that came later: where they say nothing, pixels made before them stay valid.
    later: ClassVar[tuple[str, ...]] = ("bits",)
    # Keys that say where files lie: what is in them counts, and is compared by content.
    places: ClassVar[frozenset[str]] = frozenset({"root", "download"})
    _remembered: Remembered = PrivateAttr(default_factory=lambda: Remembered())

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

    @model_validator(mode="after")
    def _leaves_images_to_train_on(self) -> Self:
        images = self.train_images
        if images and images - self.held_out(images) < LEAST_TRAINED:
            out = self.held_out(images)
            raise ValueError(
                f"train_images is {images}, of which validation_fraction holds out {out} and "
                f"leaves {images - out} to train on; at least {LEAST_TRAINED} are needed"
            )
        return self

    def held_out(self, images: int) -> int:
        """Return how many of so many training images the best weights are chosen on."""
        return max(1, round(images * self.validation_fraction))

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

    def usual_classes(self) -> int | None:
        """Return the number of classes, or None where only reading all labels tells."""
        return None

    def missing(self) -> str | None:
        """Return a sentence about what is missing or wrong on disk, or None; decodes no image."""
        return None

    def image_counts(self) -> tuple[int, int]:
        """Return how many training and test images the sweep uses, without decoding any."""
        train, test = self.stored_images()
        return min(train, self.train_images or train), min(test, self.test_images or test)

    def stored_images(self) -> tuple[int, int]:
        """Return how many training and test images the source holds."""
        raise NotImplementedError

    def files(self) -> dict[str, Path]:
        """Return the files that say what the images are, by a name that moving leaves as it is."""
        return {}

    def listed(self) -> Iterator[tuple[str, Path]]:
        """Yield the image files that are no ``files``, each by a name that moving leaves as it is.

        What cannot be listed is left out: it is refused where it is read, in a sentence.
        """
        yield from ()

    def pixel_settings(self) -> str:
        """Return, as canonical JSON, what the stored pixels depend on."""
        silent = {key for key in self.later if getattr(self, key, None) is None}
        return self.canonical(exclude={"augmentation", "training"} | self.places | silent)


class EncodedDataset(Dataset):
    """Files of images, whatever their size, mode and orientation."""

    native_size: Edge | None = Field(
        None, description="bring every image to this square first: short edge, then centre crop"
    )
    bits: int | None = Field(
        None,
        ge=1,
        le=16,
        description="bits that 16-bit images use; default: 16, refused where they use 14 or fewer",
    )
    corrupt: Literal["refuse", "skip"] = Field(
        "refuse", description="what to do with images that cannot be decoded"
    )

    @property
    def decoded(self) -> bool:
        """They are files of images."""
        return True

    @property
    def native_edge(self) -> int | None:
        """As stated in the settings."""
        return self.native_size
