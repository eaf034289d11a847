"""How a process computes, so that the same cell gives the same numbers."""

from __future__ import annotations

import os

import torch

from advdim.networks.precision import float32_only
from advdim.runs.memory import keep_freed_memory

# The workspace with which cuBLAS adds in a fixed order; it is read when CUDA starts.
CUBLAS_WORKSPACE = ":4096:8"


def reproducible(threads: int) -> None:
    """Fix threads and the order of sums and rule out TF32, so that numbers can be had again.

    What has no fixed order on a GPU (of the user's network, or a library) warns and goes on.
    The process also keeps its freed memory, which changes its speed alone.
    """
    fix_cublas()
    keep_freed_memory()
    torch.set_num_threads(threads)
    # the same switch as use_deterministic_algorithms, which loads the compiler: seconds a process
    torch.set_deterministic_debug_mode("warn")
    # nothing here reads memory that it has not written
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    plain_attention()
    float32_only()


def plain_attention() -> None:
    """Have attention computed as products and a softmax, on a processor, too.

    The fused kernels' backward passes have no derivative, which a penalty on gradients needs, and
    on a GPU no fixed order of sums.
    """
    torch.backends.cuda.enable_flash_sdp(False)
    torch.backends.cuda.enable_mem_efficient_sdp(False)
    torch.backends.cuda.enable_cudnn_sdp(False)


def fix_cublas() -> None:
    """Have cuBLAS add in a fixed order, unless the user has set how; before CUDA starts."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", CUBLAS_WORKSPACE)
