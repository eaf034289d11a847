"""Benchmarks are scripts: their modules are found by name in their own folder."""

import importlib
from pathlib import Path

import pytest


@pytest.fixture
def benchmark_module(monkeypatch):
    """Return the function that imports one by its name."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    return importlib.import_module
