"""Benchmarks are scripts: their modules are found by name in their own folder."""

import importlib
from pathlib import Path

import pytest

from tests.forked import own_source, python, snakemake

ROOT = Path(__file__).parents[2]


@pytest.fixture
def benchmark_module(monkeypatch):
    """Return the function that imports one by its name."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module


@pytest.fixture
def forked_processes(benchmark_module, monkeypatch):
    """Let what the benchmarks run to its end be forked, in place of starting from nothing."""

    def run(command, _seconds=None, folder=ROOT, _environment=None):
        if command[1:3] == ["-m", "snakemake"]:
            return snakemake(*command[3:], folder=folder, environment=own_source())
        return python(*command[1:], folder=folder, environment=own_source())

    monkeypatch.setattr(benchmark_module("processes"), "run", run)
