"""What a result was made with: code, versions, commit and hardware."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGE = Path(__file__).parent
LIBRARIES = ("advdim", "torch", "torchvision", "numpy", "pyarrow", "snakemake")
TRAINING_CODE = (
    "data/batches.py",
    "data/resize.py",
    "measures.py",
    "networks",
    "perturbations.py",
    "streams.py",
    "tensor_files.py",
    "training",
    "units.py",
)
# The registry is left out: adding an attack to it changes no other attack's result.
ATTACK_CODE = (
    "attacks/autoattack.py",
    "attacks/base.py",
    "attacks/evaluate.py",
    "attacks/fixed.py",
    "attacks/foolbox_suite.py",
    "attacks/minimal.py",
    "attacks/pgd.py",
    "perturbations.py",
    "stages/attacks.py",
)
BOUND_CODE = ("bounds", "stages/bounds.py")


def source_hash(*names: str) -> str:
    """Return a hash of modules and folders of this package, independent of file times."""
    digest = hashlib.sha256()
    for name in names:
        path = PACKAGE / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.relative_to(PACKAGE).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


@cache
def training_code() -> str:
    """Return the hash of all code that a trained network depends on."""
    return source_hash(*TRAINING_CODE)


def versions() -> str:
    """Return the versions of Python and the libraries, as JSON."""
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "not installed"
    return json.dumps(found, sort_keys=True)


def commit() -> str:
    """Return the git commit of the code, ``+`` appended where files differ from it."""
    try:
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
