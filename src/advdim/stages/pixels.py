"""The stage that prepares one dataset at one size."""

from __future__ import annotations

from pathlib import Path

from advdim.config import Config
from advdim.data.pixels import prepare, save_pixels
from advdim.provenance import commit


def prepare_pixels(config: Config, dataset: str, size: int, output: str | Path) -> None:
    """Decode, resize, split and store a dataset, with a record of how it was made."""
    settings = config.datasets[dataset]
    pixels, resizing = prepare(settings, dataset, size)
    provenance: dict[str, object] = {
        "dataset": dataset,
        "source": settings.source,
        "settings": settings.pixel_settings(),
        "resizing": resizing,
        "commit": commit(),
    }
    save_pixels(output, pixels, provenance)
