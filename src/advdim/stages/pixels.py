"""The stage that prepares one dataset at one size."""

from __future__ import annotations

from pathlib import Path

from advdim.config import Config
from advdim.data.pixels import save_pixels
from advdim.data.prepare import prepare


def prepare_pixels(
    config: Config, dataset: str, size: int, output: str | Path, threads: int = 1
) -> dict[str, object]:
    """Decode, resize, split and store a dataset; return an account of how it was made."""
    settings = config.datasets[dataset]
    folder = Path(output).parent
    folder.mkdir(parents=True, exist_ok=True)
    pixels, account = prepare(settings, dataset, size, threads, folder)
    provenance: dict[str, object] = {
        "dataset": dataset,
        "source": settings.source,
        "settings": settings.pixel_settings(),
        **account,
    }
    save_pixels(output, pixels, provenance)
    return account
