import copy
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from tests.workflow.forked import make_results, snakemake

ROOT = Path(__file__).parents[2]


class Workflow:
    """The real Snakemake on a small sweep in a folder of its own."""

    def __init__(self, folder: Path, config: dict) -> None:
        self.folder = folder
        self.config = config
        self.results = folder / "results"
        self.python_path: list[Path] = []

    def command(self, *arguments: str, project: Path = ROOT) -> dict:
        """Write the sweep's file and return what starts Snakemake on it."""
        (self.folder / "sweep.yaml").write_text(yaml.safe_dump(self.config))
        profile = () if "--profile" in arguments else ("--profile", "none")
        binaries = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        python_path = os.pathsep.join(map(str, [project / "src", *self.python_path]))
        return {
            "args": [
                sys.executable, "-m", "snakemake", "--snakefile", str(project / "Snakefile"),
                "--configfile", "sweep.yaml", *profile, *arguments,
            ],
            "cwd": self.folder,
            "env": {**os.environ, "PATH": binaries, "PYTHONPATH": python_path},
            "text": True,
        }  # fmt: skip

    def run(
        self, *arguments: str, check: bool = True, project: Path = ROOT
    ) -> subprocess.CompletedProcess:
        command = self.command(*arguments, project=project)
        done = snakemake(command["args"][3:], command["cwd"], command["env"])
        if check and done.returncode:
            pytest.fail(done.stdout + done.stderr)
        return done

    def make_results(self, project: Path = ROOT) -> None:
        """Make what jobs make, without them: for tests of what comes after."""
        command = self.command(project=project)
        done = make_results("sweep.yaml", command["cwd"], command["env"])
        if done.returncode:
            pytest.fail(done.stdout + done.stderr)
        # Snakemake knows them from now on.
        self.run(
            "--touch",
            "--forceall",
            "--cores",
            "1",
            "--until",
            "train",
            "attack",
            "bounds",
            project=project,
        )

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start Snakemake and return at once."""
        return subprocess.Popen(
            **self.command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def counts(self, *arguments: str, project: Path = ROOT) -> dict[str, int]:
        """Return how many jobs of each rule a run would start, from the dry run; tables by name.

        The last two are left out, which go along with anything.
        """
        done = self.run("-n", "--quiet", "host", *arguments, project=project)
        said = done.stdout + done.stderr
        rules = re.findall(r"^ *(?:local)?rule (\w+):$", said, flags=re.MULTILINE)
        tables = re.findall(r"^ *output: .*tables/(\w+)\.parquet", said, flags=re.MULTILINE)
        names = [rule for rule in rules if rule not in {"table", "examples"}]
        names += [f"table {name}" for name in tables]
        return {rule: n for rule, n in Counter(names).items() if rule not in {"all", "complete"}}

    def logs(self, stage: str = "train") -> dict[str, str]:
        """Return the text of every log of a stage by the result's name."""
        folder = self.results / "logs" / stage
        paths = folder.rglob("*.log") if folder.exists() else ()
        return {str(path.relative_to(folder).with_suffix("")): path.read_text() for path in paths}

    def only(self, experiment: str) -> None:
        """Leave one experiment, and no figure, where a test asks for nothing else."""
        self.config["experiments"] = {experiment: self.config["experiments"][experiment]}
        self.config["experiments"][experiment]["figures"] = []
        self.config.pop("initialisation", None)

    def copy(self, folder: Path) -> "Workflow":
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Workflow(folder, copy.deepcopy(self.config))


@pytest.fixture(scope="session")
def once(tmp_path_factory, worker_id):
    """A function that runs a sweep with some arguments once for all workers of pytest-xdist."""
    root = tmp_path_factory.getbasetemp()
    shared = root if worker_id == "master" else root.parent

    def run(name: str, config: dict, *arguments: str) -> Workflow:
        workflow = Workflow(shared / name, copy.deepcopy(config))
        said = workflow.folder / "said.json"
        with FileLock(f"{workflow.folder}.lock"):
            if not said.exists():
                workflow.folder.mkdir()
                first = workflow.counts(*arguments)
                output = workflow.run("--cores", "2", *arguments).stdout
                said.write_text(json.dumps({"first": first, "output": output}))
        workflow.first, workflow.output = json.loads(said.read_text()).values()
        return workflow

    return run


@pytest.fixture(scope="session")
def finished(once):
    """A sweep that has run to its end once; tests that change something work on a copy."""
    from tests.conftest import SMALL

    return once("finished-sweep", SMALL)


@pytest.fixture
def workflow(finished, tmp_path):
    return finished.copy(tmp_path / "copy")


@pytest.fixture
def project(tmp_path):
    """A checkout that a test may edit."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("Snakefile", "workflow", "src", "envs", "profiles"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    return folder
