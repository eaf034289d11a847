"""Where the processes that a workflow starts find this package."""

from __future__ import annotations

import os
from pathlib import Path


def share_package() -> None:
    """Put the package's folder first on PYTHONPATH, for scripts in an environment of their own."""
    known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    folders = dict.fromkeys([str(Path(__file__).parents[2]), *filter(None, known)])
    os.environ["PYTHONPATH"] = os.pathsep.join(folders)
