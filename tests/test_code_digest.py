"""The digest of code, on a copy of the package that is edited."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from tests.workflow.conftest import ROOT

RESULT_STAGES = ("pixels", "train", "attack", "bounds", "initialisation")
MODULES = {stage: [f"advdim.stages.{stage}"] for stage in RESULT_STAGES} | {
    "autoattack": ["advdim.stages.attack", "advdim.attacks.autoattack"],
    "table_cells": ["advdim.stages.tables.cells"],
    "table_bounds": ["advdim.stages.tables.bounds"],
    "claims": ["advdim.stages.tables.claims"],
    "report": [
        "advdim.stages.report",
        "advdim.catalogue.figures",
        "advdim.catalogue.figures_of_attacks",
    ],
    "dimension": ["advdim.stages.figure", "advdim.catalogue.methods", "advdim.figures.dimension"],
    "pooling": ["advdim.stages.figure", "advdim.catalogue.methods", "advdim.figures.pooling"],
}


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package") / "advdim"
    shutil.copytree(ROOT / "src/advdim", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def digests(package):
    code = (
        "import importlib.util, json, sys;"
        f"spec = importlib.util.spec_from_file_location('c', {str(package / 'code_digest.py')!r});"
        "c = importlib.util.module_from_spec(spec); spec.loader.exec_module(c);"
        f"print(json.dumps([c.code_digest(*m) for m in {list(MODULES.values())!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return dict(zip(MODULES, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize(
    ("file", "edit", "changed"),
    [
        ("units.py", "\nEDITED = 1\n", {"pixels", "train", "attack", "bounds", "initialisation",
                                       "autoattack"}),
        ("training/regularisers.py", "\nEDITED = 1\n", {"train"}),
        ("config/network.py", "\nEDITED = 1\n", {"train", "attack", "bounds", "initialisation",
                                                "autoattack"}),
        ("attacks/autoattack.py", "\nEDITED = 1\n", {"autoattack"}),
        ("attacks/base.py", "\nEDITED = 1\n", {"attack", "autoattack"}),
        ("bounds/sound.py", "\nEDITED = 1\n", {"bounds"}),
        ("data/prepare.py", "\nEDITED = 1\n", {"pixels"}),
        ("tables/bounds_beside_attacks.py", "\nEDITED = 1\n", {"table_bounds"}),
        ("tables/cells.py", "\nEDITED = 1\n", {"table_cells"}),
        ("report/page.py", "\nEDITED = 1\n", {"report"}),
        ("report/templates/page.html", "<p>Edited.</p>", {"report"}),
        ("figures/pooling.py", "\nEDITED = 1\n", {"pooling"}),
        ("figures/style.py", "\nEDITED = 1\n", {"pooling", "dimension"}),
        ("catalogue/figures.py", "\nEDITED = 1\n", {"report"}),
        ("catalogue/figures_of_attacks.py", "\nEDITED = 1\n", {"report"}),
        ("catalogue/methods.py", "\nEDITED = 1\n", {"pooling", "dimension"}),
        # What only checks, stores or explains.
        ("config/explain.py", "\nEDITED = 1\n", set()),
        ("tables/parquet.py", "\nEDITED = 1\n", set()),
        ("units.py", "\n# a comment\n\n\n", set()),
    ],
)  # fmt: skip
def test_an_edit_changes_what_hangs_on_it(package, file, edit, changed):
    path, before = package / file, digests(package)
    text = path.read_text()
    try:
        path.write_text(text + edit)
        after = digests(package)
    finally:
        path.write_text(text)
    assert {name for name in MODULES if before[name] != after[name]} == changed


def test_docstrings_and_layout_do_not_count(package):
    path, before = package / "units.py", digests(package)
    text = path.read_text()
    try:
        path.write_text(re.sub('"""(?=[A-Z])', '"""Otherwise. ', text).replace("\n\n", "\n\n\n"))
        assert path.read_text() != text
        assert digests(package) == before
    finally:
        path.write_text(text)
