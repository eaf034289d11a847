import copy
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from tests.forked import snakemake

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
        folder, environment = command["cwd"], command["env"]
        done = snakemake(*command["args"][3:], folder=folder, environment=environment)
        if check and done.returncode:
            pytest.fail(done.stdout + done.stderr)
        return done

    def paste(self, command: str) -> subprocess.CompletedProcess:
        """Run a command that advdim has printed; a shell splits it into words."""
        split = ["bash", "-c", f"printf '%s\\0' {command}"]
        words = subprocess.run(split, capture_output=True, text=True, check=True).stdout
        program, *arguments = words.split("\0")[:-1]
        assert program == "snakemake"
        options = self.command()
        return snakemake(*arguments, folder=options["cwd"], environment=options["env"])

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start Snakemake in a process group of its own and return at once."""
        return subprocess.Popen(
            **self.command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip

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
    """A function that makes a folder by name once for all workers of pytest-xdist."""
    root = tmp_path_factory.getbasetemp()
    shared = root if worker_id == "master" else root.parent

    def made(name: str, make: Callable[[Path], None]) -> Path:
        folder = shared / name
        with FileLock(f"{folder}.lock"):
            if not (folder / "made").exists():
                folder.mkdir()
                make(folder)
                (folder / "made").touch()
        return folder

    return made


@pytest.fixture(scope="session")
def finished(once):
    """A sweep that has run to its end once; tests that change something work on a copy."""
    from tests.conftest import SMALL

    def run(folder: Path) -> None:
        workflow = Workflow(folder, SMALL)
        first = workflow.counts()
        output = workflow.run("--cores", "2").stdout
        (folder / "said.json").write_text(json.dumps({"first": first, "output": output}))

    workflow = Workflow(once("finished-sweep", run), copy.deepcopy(SMALL))
    workflow.first, workflow.output = json.loads(
        (workflow.folder / "said.json").read_text()
    ).values()
    return workflow


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
