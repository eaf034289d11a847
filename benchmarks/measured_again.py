"""Networks of a finished run measured again: are the numbers those in its files?

Draws some of the run's networks, loads each from its file and measures its first test images as
training did. On the kind of device that trained it, predictions and norms are the same; on another,
gradients agree to rounding, and test attacks start elsewhere. Writes JSON to standard output, a
line per network to standard error:

    python benchmarks/measured_again.py config/presets/cifar10.yaml --networks 10 --images 500
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import yaml

from advdim.config import Config, load
from advdim.data.batches import Batches
from advdim.data.pixels import Pixels
from advdim.data.prepare import prepare
from advdim.measures.vulnerability import SampleMeasures, measure
from advdim.networks.build import load_network
from advdim.records import read_record
from advdim.results import Result, all_results
from advdim.stages.machine import reproducible
from advdim.streams import stream
from advdim.tables import read_table

PER_IMAGE = ("label", "prediction", "loss", "grad_l1", "grad_l2")


def finished(config: Config) -> list[Result]:
    """Return the run's results of training that are done."""
    return [
        result
        for result in all_results(config)
        if result.stage == "train"
        and (read_record(result.record(config)) or {}).get("status") == "done"
    ]


def measured(config: Config, result: Result, pixels: Pixels, images: int | None) -> SampleMeasures:
    """Measure the first test images of a result's network as at the end of its training."""
    cell, record = result.cell, read_record(result.record(config))
    assert record is not None
    settings = config.training_of(cell.dataset, cell.network).measurement
    test = Batches(pixels, "test")
    batches = test.ordered(settings.batch_size, images or settings.images or len(test))
    network, *_ = load_network(result.files(config)["network"])
    owner = tuple(asdict(cell).values())
    return measure(
        network,
        batches,
        settings,
        record["attack_threshold"],
        noise=stream("test", "tie noise"),
        start=stream(*owner, "test", "test attack"),
    )


def compared(config: Config, result: Result, again: SampleMeasures) -> dict[str, Any]:
    """Compare a network's measures with those in its files: of each image, and on average.

    Averages are of all test images, and so left out where fewer are measured.
    """
    files = result.files(config)
    samples, epochs = (read_table(files[name]) for name in ("samples", "epochs"))
    before = samples[samples["split"] == "test"]
    whole = len(before) == len(again.label)
    before = before.iloc[: len(again.label)]
    now = {name: getattr(again, name).numpy() for name in PER_IMAGE}
    last = epochs[epochs["split"] == "test"].iloc[-1]
    averages = {name: [float(last[name]), value] for name, value in again.averages().items()}
    gap = (before["grad_l1"] - now["grad_l1"]).abs() / before["grad_l1"].clip(1e-12)
    return {
        "cell": result.cell.directory,
        "device": (read_record(result.record(config)) or {}).get("device"),
        "images": len(before),
        "same": all((before[name] == values).all() for name, values in now.items()),
        "same_predictions": float((before["prediction"] == now["prediction"]).mean()),
        "largest_gap_of_norms": float(gap.max()),
        **({"averages": averages} if whole else {}),
    }


def main() -> None:
    """Draw networks, measure them, compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("config", type=Path)
    parser.add_argument("--networks", type=int, default=10)
    parser.add_argument("--images", type=int, help="the first ones only")
    parser.add_argument("--seed", type=int, default=0)
    settings = parser.parse_args()
    reproducible(torch.get_num_threads())
    config = load(yaml.safe_load(settings.config.read_text()))
    there = finished(config)
    drawn = random.Random(settings.seed).sample(there, min(settings.networks, len(there)))
    rows = []
    known: dict[tuple[str, int], Pixels] = {}
    for result in drawn:
        name, size = result.cell.dataset, result.cell.size
        if (name, size) not in known:
            known[name, size], _ = prepare(config.datasets[name], name, size)
        again = measured(config, result, known[name, size], settings.images)
        rows.append(compared(config, result, again))
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
