"""The stage that measures fresh networks of one architecture, at all sizes and for all seeds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from advdim.config import Config
from advdim.data.batches import Batches
from advdim.data.pixels import load_pixels
from advdim.measures.initialisation import fill_batch_norm, mean_statistics
from advdim.networks.build import Shape, build, to_device
from advdim.stages.machine import reproducible
from advdim.streams import stream
from advdim.tables import write_table


def measure_at_initialisation(
    config: Config,
    experiment: str,
    network: str,
    pixels_files: Iterable[str | Path],
    output: str | Path,
    *,
    device: str = "cpu",
    threads: int = 1,
) -> None:
    """Write the rows of one (experiment, network): a value per size, seed and statistic."""
    reproducible(threads)
    rows = (
        row for file in pixels_files for row in _rows(config, experiment, network, file, device)
    )
    write_table(output, "initialisation", rows)


def _rows(
    config: Config, name: str, network: str, pixels_file: str | Path, device: str
) -> Iterator[dict[str, object]]:
    experiment = config.initialisation[name]
    pixels = load_pixels(pixels_file)
    shape = Shape(pixels.channels, pixels.size, len(pixels.class_names))
    train, test = (Batches(pixels, split, device) for split in ("train", "test"))
    for seed in experiment.seeds:
        owner = (name, network, pixels.size, seed)
        random = stream(*owner, "initialisation")
        model = build(config.networks[network], shape, random, pixels.normalisation)
        to_device(model, device)
        fill_batch_norm(model, train.ordered(experiment.batch_size, experiment.images))
        values = mean_statistics(
            model,
            test.ordered(experiment.batch_size, experiment.images),
            experiment.tie_noise,
            stream(*owner, "ties"),
        )
        for statistic, value in values.items():
            yield {
                "experiment": name,
                "dataset": experiment.dataset,
                "network": network,
                "size": pixels.size,
                "seed": seed,
                "dimension": pixels.dimension,
                "dampening": config.networks[network].dampening(pixels.size),
                "beyond": config.networks[network].beyond_theorems(pixels.size),
                "statistic": statistic,
                "value": value,
            }
