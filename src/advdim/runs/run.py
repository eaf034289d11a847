"""The run of the workflow that a job belongs to, as the main process tells it to all jobs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass

VARIABLE = "ADVDIM_RUN"


@dataclass(frozen=True)
class Run:
    """A run: its name, its command without targets, and the rules and files that it forces."""

    name: str = ""
    command: str = "snakemake"
    all_forced: bool = False
    forced: tuple[str, ...] = ()

    def publish(self) -> None:
        """Put the run into the environment, from which jobs on all machines read it."""
        os.environ[VARIABLE] = json.dumps(vars(self))

    def forces(self, rule: str, outputs: Iterable[str]) -> bool:
        """Tell whether the user wants a job to make its outputs again, current or not."""
        return self.all_forced or bool({rule, *outputs} & set(self.forced))


def this_run() -> Run:
    """Return the run that this process belongs to, a nameless one outside of any."""
    text = os.environ.get(VARIABLE)
    return Run(**json.loads(text)) if text else Run()
