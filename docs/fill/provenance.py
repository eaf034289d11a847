"""What was run: every network, the hardware, the hours, the code, and what is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd
from docs.fill.parts import SETTING
from docs.fill.published import Published, lines_of, markdown, number, spread

from advdim.report.networks import with_counts
from advdim.sweep import IDENTITY, Cell, attacked_cells, bounded_cells, experiments_by_cell
from advdim.words import counted


def all_networks(run: Published) -> str | None:
    """Return every network that was trained, a line per setting and device."""
    cells = run.table("cells")
    if cells.empty:
        return None
    return markdown(
        ["network", "size", "method", "strength", "seeds", "accuracy", "gradient norm",
         "vulnerability", "device", "precision", "seconds"],
        [
            [
                f"`{network}`", size, f"`{method}`", f"{epsilon:g}", _listed(group["seed"]),
                *(
                    spread(group[f"{measure}_median"])
                    for measure in ("accuracy", "grad_l1_untied", "vulnerability")
                ),
                device, precision, spread(group["seconds"]),
            ]
            for (network, size, method, epsilon, device, precision), group in cells.groupby(
                [*SETTING, "device", "precision"], sort=False, dropna=False
            )
        ],
    )  # fmt: skip


def made_of(run: Published) -> str | None:
    """Return how much was run, on what, for how long, by which code."""
    cells = run.table("cells")
    if cells.empty:
        return None
    statuses = cells["status"].value_counts()
    planned = len(experiments_by_cell(run.config))
    attacked = run.table("attack_summaries").drop_duplicates([*IDENTITY, "attack"])
    bounded = run.table("bounds").drop_duplicates(IDENTITY)
    lines = [
        f"Networks: {', '.join(f'{n} {status}' for status, n in statuses.items())}, of {planned} "
        "planned.",
        f"Attacks on a network: {len(attacked)} of {len(attacked_cells(run.config))} planned; "
        f"networks with bounds: {len(bounded)} of {len(bounded_cells(run.config))}.",
        f"Training and measuring: {number(cells['seconds'].sum() / 3600)} hours, of these "
        f"{_by(cells, 'device')}.",
        f"Arithmetic of training: {with_counts(cells['precision'])}.",
        f"Commit of the code (+: files differed from it): {with_counts(cells['commit'])}; digests "
        f"of what the networks are trained by: {with_counts(cells['code_hash'])}.",
        *(
            f"Versions ({counted(count, 'network')}): {_versions(str(versions))}."
            for versions, count in cells["versions"].value_counts().items()
        ),
        f"Flags: {_flags(cells)}.",
    ]
    return "\n".join(f"- {line}" for line in lines)


def missing(run: Published) -> str | None:
    """Return what the sweep plans and the run does not have."""
    if run.table("cells").empty:
        return None
    lines = [
        *_absent("Networks", experiments_by_cell(run.config), run.table("cells")),
        *_absent("Bounds", bounded_cells(run.config), run.table("bounds")),
    ]
    planned = attacked_cells(run.config)
    done = run.table("attack_summaries")
    for attack in dict.fromkeys(attack for _, attack in planned):
        cells = [cell for cell, name in planned if name == attack]
        lines += _absent(f"`{attack}`", cells, done[done["attack"] == attack])
    failed = run.table("cells").query("status != 'done'")
    lines += [
        f"{row.status.capitalize()}: {_cell(Cell.from_mapping(row._asdict()))}, seed {row.seed}."
        for row in lines_of(failed)
    ]
    return "\n".join(f"- {line}" for line in lines) or "Nothing is missing."


def _absent(
    what: str, planned: Sequence[Cell] | Mapping[Cell, object], rows: pd.DataFrame
) -> Iterator[str]:
    """Yield one line on the planned cells that have no rows, their seeds together."""
    there = set(rows[IDENTITY].itertuples(index=False, name=None))
    seeds: dict[str, list[int]] = {}
    for cell in planned:
        if tuple(cell.columns().values()) not in there:
            seeds.setdefault(_cell(cell), []).append(cell.seed)
    if seeds:
        named = (f"{name} (seeds {_listed(pd.Series(of))})" for name, of in seeds.items())
        yield f"{what}: {'; '.join(named)}."


def _cell(cell: Cell) -> str:
    training = "usual" if cell.method == "none" else f"`{cell.method}` {cell.epsilon}"
    return f"`{cell.network}` {cell.size} px {training}"


def _listed(seeds: pd.Series) -> str:
    return " ".join(map(str, sorted(seeds)))


def _by(cells: pd.DataFrame, column: str) -> str:
    hours = cells.groupby(column)["seconds"].sum() / 3600
    return ", ".join(f"{number(value)} on {name}" for name, value in hours.items())


def _versions(versions: str) -> str:
    return ", ".join(f"{name} {version}" for name, version in json.loads(versions).items())


def _flags(cells: pd.DataFrame) -> str:
    flags = cells["flags"].explode().dropna()
    return with_counts(flags) if len(flags) else "none"
