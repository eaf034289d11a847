"""What a result was made with: code, versions, commit and hardware."""

from __future__ import annotations

import json
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGE = Path(__file__).parents[1].resolve()
LIBRARIES = ("advdim", "torch", "torchvision", "numpy", "pyarrow", "snakemake")


def versions() -> str:
    """Return the versions of Python and the libraries, as JSON."""
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "not installed"
    return json.dumps(found, sort_keys=True)


@cache
def commit() -> str:
    """Return the git commit of the code, ``+`` appended where files differ from it.

    ``unknown`` where the code lies in no checkout of its own, whatever repository is around it.
    """
    try:
        if Path(_git("rev-parse", "--show-toplevel"), "src", "advdim").resolve() != PACKAGE:
            return "unknown"
        head = _git("rev-parse", "--short=12", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(PACKAGE), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def hardware(device: str) -> str:
    """Return a name of the device that a person recognises."""
    if device.startswith("cuda"):
        import torch

        return str(torch.cuda.get_device_name(device))
    try:
        information = Path("/proc/cpuinfo").read_text()
        names = [
            line.split(":", 1)[1].strip()
            for line in information.splitlines()
            if "model name" in line
        ]
        return names[0]
    except (OSError, IndexError):
        return platform.processor() or platform.machine()
