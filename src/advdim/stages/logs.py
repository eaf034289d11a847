"""Send a stage's log lines, warnings and last error to its own file."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def log_to(path: str | Path) -> Iterator[None]:
    """Log to ``path`` within the block; an error is logged there too and then raised again."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, mode="a")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger("advdim")
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").addHandler(handler)
    try:
        yield
    except Exception as error:
        root.exception("%s", error)
        raise
    finally:
        root.removeHandler(handler)
        logging.getLogger("py.warnings").removeHandler(handler)
        handler.close()
