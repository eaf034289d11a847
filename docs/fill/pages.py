"""All pages with blocks: filled from the run, and the pictures that they show."""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path

from docs.fill import parts, provenance
from docs.fill.blocks import FillError, filled
from docs.fill.pictures import picture
from docs.fill.published import Published

from advdim.catalogue.figures import FIGURES

# The page that tells what pictures show in its own words.
README = "README.md"
PARTS = {
    function.__name__: function
    for function in (
        parts.claims,
        parts.sentences,
        parts.answer,
        parts.verdicts,
        parts.networks,
        parts.epochs,
        parts.attacks,
        parts.bounds,
        provenance.all_networks,
        provenance.made_of,
        provenance.missing,
    )
}


def fill_pages(
    root: Path, run: Published, pages: list[Path], *, draw: bool = True
) -> dict[Path, str]:
    """Return the text of every page as the run has it; pictures are drawn below ``docs/figures``.

    Raises FillError, naming the page; without ``draw``, for a picture of other rows or code, too.
    """
    texts = {}
    for page in pages:
        try:
            texts[page] = filled(page.read_text(), partial(_fill, root, run, page, draw))
        except FillError as error:
            raise FillError(f"{page.relative_to(root)}: {error}") from error
    return texts


def pages_of(root: Path, run: Published) -> list[Path]:
    """Return the pages that report the run: the README, the experiments', and the run's own."""
    experiments = sorted((root / "docs/experiments").glob("*.md"))
    return [root / README, *experiments, run.results / "README.md"]


def unused_pictures(root: Path) -> list[Path]:
    """Return the pictures below ``docs/figures`` that no page shows."""
    pages = [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("published/*/*.md")]
    shown = {
        (page.parent / link).resolve()
        for page in pages
        for link in re.findall(r"\]\(([^)#]+\.png)\)", page.read_text())
    }
    return [path for path in (root / "docs/figures").rglob("*.png") if path.resolve() not in shown]


def _fill(
    root: Path, run: Published, page: Path, draw: bool, part: str, arguments: list[str]
) -> str | None:
    if part == "figure":
        return _figure(root, run, page, draw, *arguments)
    if part not in PARTS:
        raise FillError(f"There is no part {part!r}; there are figure, {', '.join(PARTS)}.")
    _check_names(run, part, arguments)
    return PARTS[part](run, *arguments)


def _figure(
    root: Path, run: Published, page: Path, draw: bool, figure: str = "", *experiments: str
) -> str | None:
    _check_names(run, "networks", list(experiments))
    folder = root / "docs/figures" / run.results.name
    path = picture(run, folder, figure, list(experiments), draw)
    if path is None:
        return None
    shown = f"![{FIGURES[figure].title}]({os.path.relpath(path, page.parent)})"
    return shown if page == root / README else f"{shown}\n\n*{FIGURES[figure].caption}*"


def _check_names(run: Published, part: str, arguments: list[str]) -> None:
    """Refuse names of figures and experiments that do not exist: they would never have data."""
    known = FIGURES if part == "claims" else run.config.experiments
    if part == "sentences":
        arguments = [name.partition("@")[2] for name in arguments]
    for name in arguments:
        if name not in known:
            raise FillError(
                f"The part {part!r} names {name!r}, which is none of {', '.join(known)}."
            )
