"""Peak memory and time of preparing a folder of 20,000 files and Parquet files over 2 GiB.

    python benchmarks/large_inputs.py [--scratch FOLDER] [--cases folder ...]

Each image is a small PNG with random bytes behind it, so that files are large and decoding is not.
Needs some 3 GB of disk at a time, in a temporary folder that is removed.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from advdim.config.data import AnyDataset, FolderDataset, ParquetDataset
from advdim.data.pixels import save_pixels
from advdim.data.prepare import prepare
from advdim.data.torchvision_import import torchvision

EDGE = 8
SPLITS = ("train", "test")
SCHEMA = pa.schema(
    {"image": pa.struct([("bytes", pa.binary()), ("path", pa.string())]), "label": pa.int64()}
)
# Images, bytes behind each, rows per row group, rows handed to the writer at a time: it makes one
# page, which a reader has to hold, of all that share a dictionary.
PARQUET = {
    "groups": (11_000, 200_000, 100, 100),
    "one-group": (11_000, 200_000, 11_000, 1),
    "large-pages": (11_000, 200_000, 11_000, 1_000),
    "large-images": (40, 60_000_000, 40, 1),
    "large-images-large-pages": (40, 60_000_000, 20, 20),
}
FOLDER = "folder"
CASES = (FOLDER, *PARQUET)


def encoded(random: np.random.Generator, behind: int) -> bytes:
    pixels = random.integers(0, 256, (EDGE, EDGE, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue() + os.urandom(behind)


def make_folder(root: Path) -> None:
    random = np.random.default_rng(0)
    for split, count in zip(SPLITS, (16_000, 4_000), strict=True):
        for number in range(count):
            place = root / split / f"class{number % 10}"
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{number:05}.png").write_bytes(encoded(random, 20_000))


def make_parquet(root: Path, count: int, behind: int, rows: int, at_once: int) -> None:
    random = np.random.default_rng(0)
    for split, images in zip(SPLITS, (count, 4), strict=True):
        with pq.ParquetWriter(root / f"{split}.parquet", SCHEMA) as writer:
            for start in range(0, images, at_once):
                numbers = range(start, min(start + at_once, images))
                made = [{"bytes": encoded(random, behind), "path": None} for _ in numbers]
                batch = pa.record_batch([made, [k % 2 for k in numbers]], schema=SCHEMA)
                writer.write_batch(batch, row_group_size=rows)


def settings(root: Path) -> AnyDataset:
    if (root / "train").is_dir():
        return FolderDataset(source="folder", root=root, native_size=EDGE)
    train, test = (root / f"{split}.parquet" for split in SPLITS)
    return ParquetDataset(source="parquet", train=train, test=test)


def peak_megabytes() -> float:
    """Return this program's own peak; getrusage would count what its parent held at the fork."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def measure(root: Path) -> dict[str, float]:
    """Check and prepare in this process; memory is what is added to the imported libraries."""
    torchvision("transforms.v2.functional")
    dataset, before, start = settings(root), peak_megabytes(), time.perf_counter()
    if missing := dataset.missing():
        raise SystemExit(missing)
    checked = time.perf_counter()
    pixels, _ = prepare(dataset, "mine", EDGE, threads=2)
    save_pixels(root / "pixels.safetensors", pixels, {})
    done = time.perf_counter()
    return {
        "images": sum(len(labels) for labels in pixels.labels.values()),
        "check_seconds": round(checked - start, 2),
        "prepare_seconds": round(done - checked, 1),
        "libraries_megabytes": round(before),
        "added_megabytes": round(peak_megabytes() - before),
    }


def run(case: str, scratch: Path | None) -> dict[str, object]:
    with tempfile.TemporaryDirectory(dir=scratch) as place:
        root = Path(place)
        if case == FOLDER:
            make_folder(root)
        else:
            make_parquet(root, *PARQUET[case])
        size = sum(file.stat().st_size for file in root.rglob("*") if file.is_file())
        command = [sys.executable, __file__, "--measure", place]
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return {"case": case, "gigabytes": round(size / 2**30, 2), **json.loads(found)}


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--scratch", type=Path, help="folder for the temporary files")
    options.add_argument("--cases", nargs="+", choices=CASES, default=CASES)
    options.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    return options


def main() -> None:
    options = parser().parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    for case in options.cases:
        print(json.dumps(run(case, options.scratch)), flush=True)


if __name__ == "__main__":
    main()
