"""How often claims are judged wrongly where the truth lies at an end of the claimed range.

    python benchmarks/claim_calibration.py --worlds 60 --output claim_calibration.json

A claim's world is the mixture of one where it is true and one where it is false whose statistic,
on very many networks, is nearest to an end of its range; that end is then put on the statistic. A
truth just outside makes "holds" a wrong verdict, one just inside makes "fails" one: each line gives
both, in percent of the judgements, with the Monte Carlo standard error over worlds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from advdim.claims.base import Claim, judge
from advdim.claims.registry import CLAIMS, FAMILIES

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.claims import null_worlds

STATISTICAL = [claim for claim in CLAIMS if not claim.universal]
MIXTURES = [step / 20 for step in range(21)]
# One world's statistic may be off by as much as a wrong verdict takes.
TRUTH_SEEDS = (1, 2, 3, 4)
VERDICTS = ("holds", "fails")


@dataclass(frozen=True)
class Edge:
    """A claim's name, the mixture of its world, and its statistic there."""

    name: str
    mixture: float
    value: float

    def claim(self) -> Claim:
        """Return the claim with an end of its range on the statistic."""
        (claim,) = [claim for claim in CLAIMS if claim.name == self.name]
        return null_worlds.at_the_edge(claim, self.value)


def edges(many: int) -> list[Edge]:
    """Find every claim's world, and its mean statistic there on ``many`` networks per setting."""
    mixtures = null_worlds.nearest_truths(
        STATISTICAL, MIXTURES, partial(null_worlds.world, seeds=40, seed=0)
    )
    found: list[Edge] = []
    for mixture in sorted(set(mixtures.values())):
        claims = [claim for claim in STATISTICAL if mixtures[claim.name] == mixture]
        truths: dict[str, list[float]] = {claim.name: [] for claim in claims}
        for seed in TRUTH_SEEDS:
            tables = null_worlds.world(mixture, many, seed)
            for claim in claims:
                truths[claim.name].append(null_worlds.statistic(claim, tables))
        # a world that does not determine a statistic says nothing of its truth
        means = {name: float(np.nanmean(values)) for name, values in truths.items()}
        found += [Edge(name, mixture, mean) for name, mean in means.items()]
    return found


def judge_world(found: list[Edge], networks: int, seed: int) -> dict[str, str]:
    """Return each claim's verdict at its edge, in one world of every mixture."""
    verdicts = {}
    for mixture in sorted({edge.mixture for edge in found}):
        tables = null_worlds.world(mixture, networks, seed)
        for edge in found:
            if edge.mixture == mixture:
                claim = edge.claim()
                verdicts[edge.name] = judge(claim, tables, null_worlds.PLACE[claim.figure]).verdict
    return verdicts


def rates(judged: list[dict[str, str]], names: list[str]) -> dict[str, tuple[float, float]]:
    """Return, per decided verdict, its percentage and Monte Carlo standard error over worlds."""
    result = {}
    for verdict in VERDICTS:
        per_world = [100 * np.mean([world[name] == verdict for name in names]) for world in judged]
        result[verdict] = (np.mean(per_world), np.std(per_world, ddof=1) / len(per_world) ** 0.5)
    return result


def worst(judged: list[dict[str, str]], names: list[str]) -> tuple[float, str]:
    """Return the largest percentage of a wrong verdict over claims, and the claim."""
    counts = Counter((name, world[name]) for world in judged for name in names)
    return max((100 * counts[name, v] / len(judged), name) for name in names for v in VERDICTS)


def main() -> None:
    """Print the table, and write every claim's percentages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=60)
    parser.add_argument("--networks", type=int, nargs="+", default=[3, 5, 10])
    parser.add_argument("--many", type=int, default=500, help="networks that tell the truth")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    found = edges(arguments.many)
    result = {"edges": [vars(edge) for edge in found], "claims": {}}
    print("| family | claims | networks | wrongly holds, % | wrongly fails, % | worst claim, % |")
    print("| --- | --- | --- | --- | --- | --- |")
    for networks in arguments.networks:
        seeds = range(1000 * networks, 1000 * networks + arguments.worlds)
        with ProcessPoolExecutor(arguments.processes) as pool:
            judged = list(pool.map(partial(judge_world, found, networks), seeds))
        result["claims"][networks] = {
            edge.name: {v: rates(judged, [edge.name])[v][0] for v in VERDICTS} for edge in found
        }
        groups = {family: [claim.name for claim in claims] for family, claims in FAMILIES.items()}
        for family, claims in {**groups, "all": [edge.name for edge in found]}.items():
            names = [edge.name for edge in found if edge.name in claims]
            columns = [f"{mean:.1f} ± {error:.1f}" for mean, error in rates(judged, names).values()]
            share, name = worst(judged, names)
            row = [family, str(len(names)), str(networks), *columns, f"{share:.0f} ({name})"]
            print("| " + " | ".join(row) + " |", flush=True)
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
