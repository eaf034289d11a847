"""The run of the workflow that a job belongs to, as the main process tells it to all jobs."""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from advdim.files import write_json

# In the environment: the file that holds the run.
VARIABLE = "ADVDIM_RUN"


@dataclass(frozen=True)
class Run:
    """A run: its name, its command without targets, and the rules and files that it forces."""

    name: str = ""
    command: str = "snakemake"
    all_forced: bool = False
    forced: tuple[str, ...] = ()

    def publish(self, folder: Path) -> None:
        """Write the run into a folder that jobs on all machines see, and its file's name into the
        environment; it goes with this process. An environment itself would not hold many names.
        """
        path = folder.absolute() / f"advdim-run-{self.name}.json"
        write_json(path, vars(self))
        os.environ[VARIABLE] = str(path)
        atexit.register(path.unlink, missing_ok=True)

    def forces(self, rule: str, outputs: Iterable[str]) -> bool:
        """Tell whether the user wants a job to make its outputs again, current or not."""
        return self.all_forced or bool({rule, *outputs} & set(self.forced))


def this_run() -> Run:
    """Return the run that this process belongs to, a nameless one outside of any, or after it."""
    try:
        return Run(**json.loads(Path(os.environ.get(VARIABLE, "")).read_bytes()))
    except OSError:
        return Run()
