"""Dry run of sweeps of many cells with three attacks each against a bare Snakefile.

    python benchmarks/graph_scale.py --cells 100 1000 10000 --output graph_scale.json

The bare one has the same jobs with the same files, and no logic. Each line gives seconds and peak
memory of ``snakemake -n`` for both, and their ratios; ``--finished`` repeats it on records that are
there and current.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
BARE = """
cells, attacks = range({cells}), ("fgsm", "gradient_l2", "pgd_linf")
TRAINED, ATTACKED = ("network", "epochs", "samples", "run"), ("rows", "json")

def of_cells(*names):
    return [f"cells/a=b/seed={{i}}/{{n}}" for i in cells for n in names]

def of_attacks():
    return [f"cells/a=b/seed={{i}}/{{a}}.{{n}}" for i in cells for a in attacks for n in ATTACKED]

def of_table(wildcards):
    if wildcards.name in ("attacks", "summaries"):
        return of_attacks()
    return of_cells("run", "epochs" if wildcards.name == "cells" else wildcards.name)

rule all:
    input: "page", lambda wildcards: of_cells(*TRAINED) + of_attacks()
    localrule: True

rule page:
    input: expand("tables/{{name}}", name=("epochs", "samples", "cells", "attacks", "summaries"))
    output: "page"
    shell: "touch {{output}}"

rule table:
    input: of_table
    output: "tables/{{name}}"
    shell: "touch {{output}}"

rule train:
    input: "pixels", "pixels.json"
    output: [f"cells/a={{{{a}}}}/seed={{{{seed}}}}/{{n}}" for n in TRAINED]
    params: settings="a", revision=lambda wildcards: 0
    resources: mem_mb=1500, runtime=lambda wildcards, attempt: attempt * 10
    shell: "touch {{output}}"

rule attack:
    input: "cells/a={{a}}/seed={{seed}}/network", "cells/a={{a}}/seed={{seed}}/run", "pixels.json"
    output: [f"cells/a={{{{a}}}}/seed={{{{seed}}}}/{{{{attack}}}}.{{n}}" for n in ATTACKED]
    params: settings="a", revision=lambda wildcards: 0
    resources: mem_mb=1500, runtime=lambda wildcards, attempt: attempt * 10
    shell: "touch {{output}}"

rule pixels:
    output: "pixels", "pixels.json"
    shell: "touch {{output}}"
"""


def sweep(cells: int) -> dict:
    """Return a sweep of that many unregularised cells, which differ in their seed."""
    return {
        "datasets": {"digits": {"source": "digits"}},
        "networks": {"small": {"layers": 2, "width": 4, "head": "global_max"}},
        "experiments": {
            "many": {
                "dataset": "digits",
                "network": "small",
                "sizes": [8],
                "epsilons": [0],
                "seeds": cells,
                "attacks": ["fgsm", "gradient_l2", "pgd_linf"],
            }
        },
    }


def dry_run(folder: Path, *arguments: str) -> tuple[float, float]:
    """Return seconds and peak memory in MB of a dry run."""
    command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "all", *arguments]
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - start, usage.ru_maxrss / 1e3


def finish(folder: Path, raw: Mapping) -> None:
    """Write files and current records for every result of the sweep."""
    from advdim.config import load
    from advdim.files import write_json
    from advdim.results import all_results, code_hash, config_hash, inputs_of

    config = load({**raw, "results": str(folder / "results")})
    for result in all_results(config):
        for path in result.files(config).values():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        record = {
            "status": "done", "because": None, "revision": 0, "content": result.name,
            "config_hash": config_hash(config, result), "code_hash": code_hash(config, result),
            "inputs": inputs_of(config, result),
        }  # fmt: skip
        write_json(result.record(config), record)


def compare(cells: int, finished: bool) -> dict[str, float]:
    """Time both graphs once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "Bare").write_text(BARE.format(cells=cells))
        raw = sweep(cells)
        (folder / "sweep.yaml").write_text(yaml.safe_dump(raw))
        bare, bare_mb = dry_run(folder, "--snakefile", "Bare", "--profile", "none")
        if finished:
            finish(folder, raw)
        own, own_mb = dry_run(
            folder, "--snakefile", str(ROOT / "Snakefile"), "--configfile", "sweep.yaml"
        )
    return {
        "cells": cells, "bare_s": bare, "own_s": own, "time": own / bare,
        "bare_mb": bare_mb, "own_mb": own_mb, "memory": own_mb / bare_mb,
    }  # fmt: skip


def main() -> None:
    """Compare at each number of cells and write the results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--finished", action="store_true")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    rows = []
    for cells in options.cells:
        rows.append(compare(cells, options.finished))
        print({key: round(value, 2) for key, value in rows[-1].items()}, flush=True)
    if options.output:
        options.output.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
