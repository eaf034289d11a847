"""The published run agrees with itself, and the pages with it."""

from pathlib import Path

import pytest
from docs.fill.agreement import disagreements
from docs.fill.pages import fill_pages, pages_of, unused_pictures
from docs.fill.published import Published

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def run():
    return Published.of(ROOT / "config/presets/cifar10.yaml", ROOT)


def test_the_published_run_is_what_it_says(run):
    assert disagreements(run) == []


def test_the_pages_have_what_the_published_run_has(run):
    for page, text in fill_pages(ROOT, run, pages_of(ROOT, run), draw=False).items():
        assert page.read_text() == text, f"{page} differs from the run: make docs"


def test_every_picture_is_on_a_page():
    assert unused_pictures(ROOT) == []


def test_every_experiment_of_the_run_is_on_a_page(run):
    blocks = "".join(page.read_text() for page in pages_of(ROOT, run))
    for name, experiment in run.config.experiments.items():
        for figure in experiment.figures:
            assert f": figure {figure} " in blocks or f"`{figure}`" in blocks, (name, figure)
