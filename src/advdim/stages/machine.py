"""How a process computes, so that the same cell gives the same numbers."""

from __future__ import annotations

import torch

from advdim.memory import keep_freed_memory


def float32_only(threads: int) -> None:
    """Fix the thread count and rule out TF32, so that a cell's numbers can be had again.

    The process also keeps its freed memory, which changes its speed alone.
    """
    keep_freed_memory()
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
