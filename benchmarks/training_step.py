"""Time of a training step, or of measuring, beside plain research code, as ratios in one run.

Every variant runs in a process of its own, all of them in turn for some rounds, and the best round
of each counts: processor seconds on a CPU (which other programs disturb least), wall seconds on a
GPU. ``of_matrix_rate`` is the arithmetic of the convolutions over the step's time, against the rate
of a large matrix product of the same precision: convolutions may exceed it where the library's
matrix product is the weaker of the two. ``evaluation`` is a pass in evaluation mode,
``test_attack`` PGD as every measurement runs it, in 10 steps; only methods that craft perturbations
have other precisions than float32 and TF32. The plain code runs as PyTorch starts: on a GPU with
TF32 in its convolutions and sums in any order. Writes JSON to standard output, and a figure with
``--figure``:

    python benchmarks/training_step.py --network maxpool8 --sizes 32 64 128 --methods pgd_linf none
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from processes import NotThereError, TooLateError, is_failure
from step_figure import draw
from timed_step import PASSES, VARIANTS, Step, add_options, differs

USUAL = ["none", "grad_l1", "aug_linf", "pgd_linf", "evaluation", "test_attack"]
MEASURES = ["times_the_plain_step", "nanoseconds_per_pixel"]


def main(arguments: list[str] | None = None) -> int:
    """Print the rows, and what was skipped; return 1 where a step failed, and 0 elsewhere."""
    settings = _parser().parse_args(arguments)
    found = "cuda" if torch.cuda.is_available() else "cpu"
    settings.device = found if settings.device == "auto" else settings.device
    skipped: dict[str, Exception] = {}
    rows = list(compare(settings, lambda: None, skipped))
    reasons = [f"{what}: {error}" for what, error in skipped.items()]
    print(json.dumps({"device": settings.device, "rows": rows, "skipped": reasons}, indent=2))
    if settings.figure and rows:
        draw(rows, settings.figure, MEASURES)
    return int(any(map(is_failure, skipped.values())))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_options(parser, sizes=[32, 64], steps=3)
    parser.add_argument("--methods", nargs="+", choices=PASSES, default=USUAL)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--figure", type=Path, help="draw the ratios into this file")
    return parser


def compare(
    settings: argparse.Namespace,
    seconds_left: Callable[[], float | None],
    skipped: dict[str, Exception],
) -> Iterator[dict[str, Any]]:
    """Yield a row per size, method and variant, each with its ratio to the plain step.

    What gives no row goes into ``skipped``, with its error: a variant that the device lacks once.
    """
    for size in settings.sizes:
        for method in settings.methods:
            best = best_rounds(settings, seconds_left, skipped, method, size)
            for variant, row in best.items():
                if "plain" in best:
                    row["times_the_plain_step"] = best["plain"]["seconds"] / row["seconds"]
                yield {"size": size, "method": method, "variant": variant, **row}


def best_rounds(
    settings: argparse.Namespace,
    seconds_left: Callable[[], float | None],
    skipped: dict[str, Exception],
    method: str,
    size: int,
) -> dict[str, dict[str, Any]]:
    """Time all variants in turn for some rounds; return the fastest row of each."""
    rows: dict[str, list[dict[str, Any]]] = {}
    variants = [variant for variant in settings.variants if differs(variant, method)]
    for variant in variants * settings.rounds:
        what = f"step of {method} at {size} pixels, {variant}"
        if variant in skipped or what in skipped:
            continue
        try:
            row = chosen_step(settings, variant, method, size).alone(seconds_left())
        except NotThereError as error:
            skipped[variant] = error
        except subprocess.TimeoutExpired:
            skipped[what] = TooLateError("no time was left")
        except (OSError, RuntimeError, ValueError, TooLateError) as error:
            skipped[what] = error
        else:
            rows.setdefault(variant, []).append(row)
    return {name: min(found, key=lambda row: row["seconds"]) for name, found in rows.items()}


def chosen_step(settings: argparse.Namespace, variant: str, method: str, size: int) -> Step:
    """Return one step of those that were asked for."""
    names = {field.name for field in fields(Step)}
    asked = {name: value for name, value in vars(settings).items() if name in names}
    return Step(variant=variant, method=method, size=size, **asked)


if __name__ == "__main__":
    sys.exit(main())
