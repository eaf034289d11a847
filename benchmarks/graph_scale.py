"""Dry run of sweeps of many cells against a bare Snakefile with as many jobs and no logic.

    python benchmarks/graph_scale.py --cells 100 1000 --output graph_scale.json

Each line gives seconds and peak memory of ``snakemake -n`` for both, and their ratio.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
CELLS_PER_JOB = 10
# The jobs of the sweep: several cells share one, each has its own link and what it waits for.
BARE = """
cells = range({cells})
localrules: ticket, train
rule all:
    input: ["epochs", "runs", "samples"]
rule table:
    input: lambda wildcards: [f"cells/a=b/seed={{i}}/{{wildcards.name}}" for i in cells]
    output: "{{name}}"
    wildcard_constraints: name="epochs|runs|samples"
    shell: "touch {{output}}"
rule train:
    input: "pixels", "tickets/a={{a}}/seed={{seed}}"
    output:
        [f"cells/a={{{{a}}}}/seed={{{{seed}}}}/{{n}}" for n in ("epochs", "runs", "samples", "net")]
    shell: "touch {{output}}"
rule ticket:
    input: lambda wildcards: f"batches/{{int(wildcards.seed) // {per_job}}}"
    output: temp(touch("tickets/a={{a}}/seed={{seed}}"))
rule batch:
    input: "pixels"
    output: temp(touch("batches/{{batch}}"))
    shell: "true"
rule pixels:
    output: "pixels"
    shell: "touch {{output}}"
"""


def sweep(cells: int) -> dict:
    """Return a sweep of that many unregularised cells, which differ in their seed."""
    return {
        "cells_per_job": CELLS_PER_JOB,
        "datasets": {"digits": {"source": "digits"}},
        "networks": {"small": {"layers": 2, "width": 4, "head": "global_max"}},
        "experiments": {
            "many": {
                "dataset": "digits",
                "network": "small",
                "sizes": [8],
                "epsilons": [0],
                "seeds": cells,
            }
        },
    }


def dry_run(folder: Path, *arguments: str) -> tuple[float, float]:
    """Return seconds and peak memory in MB of a dry run."""
    command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "all", *arguments]
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3


def compare(cells: int) -> dict[str, float]:
    """Time both graphs once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "Bare").write_text(BARE.format(cells=cells, per_job=CELLS_PER_JOB))
        (folder / "sweep.yaml").write_text(yaml.safe_dump(sweep(cells)))
        bare, _ = dry_run(folder, "--snakefile", "Bare", "--profile", "none")
        own, memory = dry_run(
            folder, "--snakefile", str(ROOT / "Snakefile"), "--configfile", "sweep.yaml",
            "--profile", "none",
        )  # fmt: skip
    return {"cells": cells, "bare_s": bare, "own_s": own, "ratio": own / bare, "peak_mb": memory}


def main() -> None:
    """Compare at each number of cells and write the results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    rows = []
    for cells in options.cells:
        rows.append(compare(cells))
        print({key: round(value, 2) for key, value in rows[-1].items()}, flush=True)
    if options.output:
        options.output.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
