"""Steps that a GPU repeats from a recording (a CUDA graph) of the first ones.

A step of a small network is some hundred kernels of a few microseconds each, and a processor needs
longer to launch them than a GPU to compute them. A recording is launched at once. It holds the very
kernels of the function, so the results have the same bits.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

# Calls that fill caches and the optimiser's buffers: what is recorded must find them there.
CALLS_BEFORE = 2


class Recorded:
    """A function of tensors on a GPU that is recorded once and repeated for others of that shape.

    The function returns nothing, changes tensors in place, and neither waits for the device nor
    decides by what a tensor holds. Numbers and modes are as they were when it was recorded.
    """

    def __init__(self, function: Callable[..., None], random: torch.Generator) -> None:
        """Take the function, and the generator on the device that it draws from."""
        self.function = function
        self.random = random
        self._calls = 0
        self._places: list[Tensor] = []
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, *arguments: Tensor) -> None:
        """Compute the function; arguments of another shape than the first are not recorded."""
        if not self._places:
            self._places = [torch.empty_like(argument) for argument in arguments]
        fits = all(a.shape == p.shape for a, p in zip(arguments, self._places, strict=True))
        if not fits or self._calls < CALLS_BEFORE:
            self._calls += fits
            self.function(*arguments)
            return
        for place, argument in zip(self._places, arguments, strict=True):
            place.copy_(argument)
        if self._graph is None:
            self._graph = self._record()
        self._graph.replay()

    def _record(self) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.random)
        stream = torch.cuda.current_stream(self.random.device)
        # other threads, such as one that watches, may go on meanwhile
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            self.function(*self._places)
        return graph


@contextlib.contextmanager
def recordable_stream(device: torch.device) -> Iterator[None]:
    """Compute within in a stream of its own, as recording needs; nothing changes on a processor."""
    if device.type != "cuda":
        yield
        return
    outside, inside = torch.cuda.current_stream(device), torch.cuda.Stream(device)
    inside.wait_stream(outside)
    try:
        with torch.cuda.stream(inside):
            yield
    finally:
        outside.wait_stream(inside)
