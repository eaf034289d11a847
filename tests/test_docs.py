"""What the pages name exists: links, sweeps, and the figures of every experiment."""

import re
from pathlib import Path

import pytest
import yaml

from advdim.config import load
from advdim.figures.registry import FIGURES

ROOT = Path(__file__).parents[1]
EXPERIMENTS = sorted((ROOT / "docs/experiments").glob("*.md"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *EXPERIMENTS]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    for link in links:
        assert link.startswith("https://") or (page.parent / link).exists(), link


@pytest.mark.parametrize("page", EXPERIMENTS, ids=lambda page: page.stem)
def test_commands_name_sweeps_and_figures_that_are_there(page):
    text = page.read_text()
    commands = re.findall(r"--configfile (\S+)(?: (results/\S+))?", text)
    assert commands or page.stem == "README"
    for preset, target in commands:
        raw = yaml.safe_load((ROOT / preset).read_text())
        if target:
            config = load(raw)
            *folder, kind, experiment, figure = target.split("/")
            assert "/".join(folder) == config.results
            assert kind == "figures"
            assert Path(figure).stem in config.experiments[experiment].figures


def test_every_figure_is_on_a_page():
    named = " ".join(page.read_text() for page in EXPERIMENTS)
    assert {figure for figure in FIGURES if f"`{figure}`" not in named} == set()


def test_every_page_says_the_same_five_things_and_is_listed():
    index = (ROOT / "docs/experiments/README.md").read_text()
    for page in EXPERIMENTS:
        if page.stem != "README":
            assert f"]({page.name})" in index
            for part in (
                "**The paper",
                "**advdim**",
                "**Deviations",
                "**Run it**",
                "**What came out",
            ):
                assert part in page.read_text(), (page.name, part)
