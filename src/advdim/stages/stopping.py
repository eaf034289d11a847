"""Being told to stop: by a scheduler before the end of the time, or by hand."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
# SLURM signals a job step itself and once more through its srun, some 10 ms later.
SECONDS_OF_ONE_REQUEST = 5


class Stop:
    """Signals that tell the process to stop.

    They end it at once with status 128 + signal, as a shell reports it; within ``awaited`` they are
    kept until somebody asks, so that a state may be written first. What comes within
    ``SECONDS_OF_ONE_REQUEST`` of the first is the same request; a later one ends it anyway.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._received_at = 0.0
        self._awaited = False
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, self._receive)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.received is None:
            self.received, self._received_at = number, now
            if not self._awaited:
                self.end()
        elif now - self._received_at > SECONDS_OF_ONE_REQUEST:
            self.end()

    @contextlib.contextmanager
    def awaited(self) -> Iterator[None]:
        """Keep a signal that comes within the block until it is asked for."""
        self._awaited = True
        try:
            yield
        finally:
            self._awaited = False

    def requested(self) -> bool:
        """Tell whether a signal has come."""
        return self.received is not None

    def end(self) -> None:
        """End the process as the signal asks."""
        raise SystemExit(128 + (self.received or signal.SIGTERM))
