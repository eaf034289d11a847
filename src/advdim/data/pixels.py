"""The stored pixels of one (dataset, size): a safetensors file that says how it was made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from advdim.data.errors import DataError
from advdim.tensor_files import DamagedFileError, read_tensors, stream_tensors
from advdim.units import Normalisation

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Pixels:
    """Images of one dataset at one size.

    ``images[split]`` is uint8 (N, C, edge, edge) with ``edge * factor == size``: where the size is
    an exact replication, the small pixels are kept and replicated when they are used.
    ``pixel_edge`` is the edge of an original pixel within the stored images: 1 unless the
    replication was carried out already.
    """

    images: dict[str, torch.Tensor]
    labels: dict[str, torch.Tensor]
    class_names: list[str]
    normalisation: Normalisation
    factor: int
    pixel_edge: int = 1

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.images["train"].shape[1])

    @property
    def size(self) -> int:
        """Edge of the images that a network sees, in pixels."""
        return int(self.images["train"].shape[-1]) * self.factor

    @property
    def dimension(self) -> int:
        """The input dimension ``d = channels * size * size``."""
        return self.channels * self.size**2


def save_pixels(path: str | Path, pixels: Pixels, provenance: dict[str, object]) -> None:
    """Write the pixels atomically, piece by piece; class names and provenance as metadata."""
    tensors = {f"{split}.images": t for split, t in pixels.images.items()}
    tensors |= {f"{split}.labels": t for split, t in pixels.labels.items()}
    description = {
        "class_names": pixels.class_names,
        "normalisation": {"mean": pixels.normalisation.mean, "std": pixels.normalisation.std},
        "factor": pixels.factor,
        "pixel_edge": pixels.pixel_edge,
        "provenance": provenance,
    }
    stream_tensors(path, tensors, description)


def load_pixels(path: str | Path) -> Pixels:
    """Read what ``save_pixels`` wrote; raises DataError where the file is damaged."""
    try:
        tensors, description = read_tensors(path)
    except DamagedFileError as error:
        raise DataError(
            f"Pixel file {str(path)!r} cannot be read ({error}); delete it and run again."
        ) from error
    if "normalisation" not in description:
        raise DataError(f"Pixel file {str(path)!r} is empty: its preparation has failed.")
    statistics = description["normalisation"]
    return Pixels(
        images={split: tensors[f"{split}.images"] for split in SPLITS},
        labels={split: tensors[f"{split}.labels"] for split in SPLITS},
        class_names=description["class_names"],
        normalisation=Normalisation(tuple(statistics["mean"]), tuple(statistics["std"])),
        factor=description["factor"],
        pixel_edge=description["pixel_edge"],
    )
