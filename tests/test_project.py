"""What is said in several files about one project agrees."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from advdim import __version__
from advdim.__main__ import main
from advdim.config import schema
from advdim.config.reference import reference

ROOT = Path(__file__).parents[1]
LOCK = dict(
    line.split("==")
    for file in ("requirements.txt", "development.txt")
    for line in (ROOT / "envs" / file).read_text().splitlines()
    if "==" in line and not line.startswith("#")
)


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_version_is_the_same_everywhere(capsys):
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == __version__
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text()
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"advdim {__version__}\n"


def test_modules_fit_in_the_head():
    lengths = {
        path: len(path.read_text().splitlines()) for path in (ROOT / "src/advdim").rglob("*.py")
    }
    assert {path: count for path, count in lengths.items() if count > 350} == {}


def test_the_lock_satisfies_what_the_package_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = project["optional-dependencies"].values()
    needed = [*project["dependencies"], *(line for group in groups for line in group)]
    locked = {canonical(name): version for name, version in LOCK.items()}
    for requirement in map(Requirement, needed):
        version = locked[canonical(requirement.name)]
        assert requirement.specifier.contains(version.split("+")[0]), requirement


def test_the_conda_environment_has_the_locks_lines():
    environment = yaml.safe_load((ROOT / "envs/advdim.yaml").read_text())
    (pip,) = [part["pip"] for part in environment["dependencies"] if isinstance(part, dict)]
    assert pip == (ROOT / "envs/requirements.txt").read_text().split(), "run make conda"


def test_the_container_installs_the_lock_and_names_a_supported_python():
    recipe = (ROOT / "Containerfile").read_text()
    assert "pip install --no-cache-dir -r envs/requirements.txt" in recipe
    (version,) = re.findall(r"^FROM \S+/python:(3\.\d+)-slim", recipe, flags=re.MULTILINE)
    assert version in {"3.11", "3.12", "3.13"}


def test_the_reference_page_is_current_and_names_every_key():
    page = (ROOT / "config/README.md").read_text()
    assert page == reference(schema()), "run make schema"
    for key in ("experiments", "crop_padding", "hang_minutes", "tie_noise"):
        assert f"| `{key}` |" in page


def test_the_citation_names_the_three_papers():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {reference["year"] for reference in citation["references"]} == {2017, 2018, 2019}
    assert {"cff-version", "message", "title", "authors"} <= set(citation)


def test_hosted_checks_run_the_same_commands():
    commands = re.findall(r"^make (\S+)", (ROOT / ".ci/run").read_text(), flags=re.MULTILINE)
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    matrix = jobs["check"]["strategy"]["matrix"]
    ran = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert ran == ["make ${{ matrix.command }}", "make test-slurm"]
    assert sorted([*matrix["command"], "test-slurm"]) == sorted(commands)
    pythons = {*matrix["python"], *(extra["python"] for extra in matrix["include"])}
    assert pythons == {"3.11", "3.12", "3.13"}
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert [hook["entry"] for hook in hooks] == ["make lint", "make schema"]
