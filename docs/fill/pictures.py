"""The pictures of the pages, drawn from the tables; each holds the digest of what made it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from docs.fill.blocks import FillError
from docs.fill.published import Published
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from advdim.catalogue.figures import FIGURES
from advdim.code_digest import code_digest
from advdim.figures.style import save
from advdim.stages.figure import of_experiments
from advdim.sweep import experiment_cells

KEY = "digest of rows and code"


def picture(
    run: Published, folder: Path, figure: str, experiments: list[str], draw: bool
) -> Path | None:
    """Return the PNG of a figure of some experiments together; None where it would be empty.

    Unless the file there shows the same rows by the same code, it is drawn, or FillError is raised.
    """
    if figure not in FIGURES or not experiments:
        raise FillError(f"'figure' takes a figure and experiments, not {figure!r} {experiments}.")
    if run.table("cells").empty:
        return None
    path = folder / f"{figure}-{'-'.join(experiments)}.png"
    tables = {name: run.table(name) for name in FIGURES[figure].tables}
    shown = of_experiments(tables, run.config, experiments)
    if any(table.empty for table in shown.values()) or _waits(run, experiments):
        return None
    digest = f"{digest_of(shown)} {code_digest(*FIGURES[figure].modules)}"
    if said(path) != digest:
        if not draw:
            raise FillError(f"The picture {path.name} is of other rows or other code.")
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn = FIGURES[figure].load()(shown, run.config.figures)
        save(drawn, [path], run.config.figures)
        plt.close(drawn)
        _sign(path, digest)
    return path


def _waits(run: Published, experiments: list[str]) -> bool:
    """Tell whether methods are planned and no network of theirs is there: panels would be empty."""
    planned = {cell.method for name in experiments for cell in experiment_cells(run.config, name)}
    return planned != {"none"} and set(run.cells(*experiments)["method"]) <= {"none"}


def digest_of(tables: Mapping[str, pd.DataFrame]) -> str:
    """Return a hash of the rows that a figure is drawn from.

    Whether the code has changed since is left out: it depends on when the table was made.
    """
    digest = hashlib.sha256()
    for name in sorted(tables):
        table = tables[name].drop(columns="older_code", errors="ignore")
        digest.update(f"{name} {table.to_json(orient='split', index=False)}".encode())
    return digest.hexdigest()[:16]


def said(path: Path) -> str | None:
    """Return the digest in a picture, None where there is neither."""
    if not path.exists():
        return None
    with Image.open(path) as image:
        return image.info.get(KEY)


def _sign(path: Path, digest: str) -> None:
    with Image.open(path) as image:
        image.load()
    info = PngInfo()
    info.add_text(KEY, digest)
    image.save(path, pnginfo=info, optimize=True)
