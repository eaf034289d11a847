"""Where the processes that a workflow starts find this package."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).absolute().parents[1]
# Folders of all that is installed.
SHARED = {"site-packages", "dist-packages"}


def share_package(folder: Path) -> None:
    """Put a folder with this package first on PYTHONPATH, for scripts in an environment of theirs.

    Where it is installed among others, which would hide the environment's own, that folder is made
    below ``folder`` and holds a link to it.
    """
    home = PACKAGE.parent
    if home.name in SHARED:
        home = folder.absolute() / "advdim-package"
        _link(home / PACKAGE.name)
    known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([str(home), *filter(None, known)]))


def _link(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Renamed, since jobs that run already look it up.
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.symlink_to(PACKAGE)
    temporary.replace(path)
