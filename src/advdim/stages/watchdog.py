"""End a process that makes no progress, so that its work can be tried again."""

from __future__ import annotations

import contextlib
import faulthandler
import time
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def watched(minutes: float | None, log: str | Path) -> Iterator[Callable[[], None]]:
    """Yield a function to be called at every progress; end the process where it is not.

    After ``minutes`` without a call, the stack of every thread goes to ``log`` and the process
    ends with status 1. The clock is the interpreter's own thread in C, so that work stuck in a
    library is ended as well. None: never.
    """
    if minutes is None:
        yield lambda: None
        return
    seconds, called = minutes * 60, 0.0
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    with open(log, "a") as file:

        def progress() -> None:
            nonlocal called
            # Setting the clock again starts a thread; not at every batch.
            if time.monotonic() - called > seconds / 20:
                called = time.monotonic()
                faulthandler.dump_traceback_later(seconds, file=file, exit=True)

        progress()
        try:
            yield progress
        finally:
            faulthandler.cancel_dump_traceback_later()
