"""What the pages name exists: links, files, sweeps, and the figures of every experiment."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from advdim.catalogue.attacks import ATTACKS
from advdim.catalogue.figures import FIGURES
from advdim.claims.registry import CLAIMS
from advdim.config import load
from advdim.tables import TABLES
from tests.pages import PAGES, ROOT, blocks

EXPERIMENTS = sorted((ROOT / "docs/experiments").glob("*.md"))
FOLDERS = "benchmarks|config|docs|envs|examples|profiles|published|src|tests|workflow"
# What a run makes.
MADE = ("published/",)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    for link in links:
        assert link.startswith("https://") or (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_that_a_page_names_are_there(page):
    named = re.findall(rf"(?<![\w./-])(?:{FOLDERS})/[\w./-]*\w", page.read_text())
    for name in named:
        assert name.startswith(MADE) or (ROOT / name).exists(), name


def test_pages_that_the_code_cites_are_there():
    pattern = r"\b(docs/[a-z_/]+|[A-Z]+)\.md\b"
    found = subprocess.run(
        ["git", "grep", "-noE", pattern, "--", ":!*.md"], cwd=ROOT, capture_output=True, text=True
    )
    cited = found.stdout.splitlines()
    assert len(cited) > 3
    for line in cited:
        where, _, name = line.rpartition(":")
        assert (ROOT / name).exists() or (ROOT / "docs" / name).exists(), where


def test_pages_name_every_attack_and_every_table():
    for page, names in (("attacks", ATTACKS), ("tables", TABLES)):
        text = (ROOT / f"docs/{page}.md").read_text()
        assert {name for name in names if f"`{name}`" not in text} == set()


def test_the_page_on_claims_knows_how_many_there_are():
    with_interval = sum(not claim.universal for claim in CLAIMS)
    said = f"There are {len(CLAIMS)} claims, {with_interval} of them with an interval."
    assert said in (ROOT / "docs/claims.md").read_text()


def test_the_readme_can_be_read_in_one_go():
    assert len((ROOT / "README.md").read_text().splitlines()) < 150


def test_every_page_is_linked_from_the_readme():
    readme = (ROOT / "README.md").read_text()
    for page in PAGES[1:]:
        if page.parent.name != "experiments" or page.stem == "README":
            assert f"]({page.relative_to(ROOT)})" in readme, page


@pytest.mark.parametrize("page", EXPERIMENTS, ids=lambda page: page.stem)
@pytest.mark.usefixtures("images_of_presets")
def test_commands_name_sweeps_and_figures_that_are_there(page):
    text = page.read_text()
    commands = re.findall(r"--configfile (\S+)(?: -- ((?:results|published)/\S+))?", text)
    assert commands or page.stem == "README"
    for preset, target in commands:
        raw = yaml.safe_load((ROOT / preset).read_text())
        if target:
            config = load(raw)
            *folder, kind, experiment, figure = target.split("/")
            assert "/".join(folder) == config.results
            assert kind == "figures"
            assert Path(figure).stem in config.experiments[experiment].figures


def test_nothing_but_a_file_follows_the_option_for_it():
    """Snakemake takes every word up to the next option for one more file."""
    commands = [line.split() for line in "".join(blocks("sh")).splitlines() if "#" not in line[:1]]
    after = [
        words[words.index("--configfile") + 2 :] for words in commands if "--configfile" in words
    ]
    assert any(words[:1] == ["--"] for words in after)
    assert all(words[0][0] in "-#|\\" for words in after if words)


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
