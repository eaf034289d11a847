"""Keep freed memory in the process: a network asks for the same large blocks again and again.

The C library hands large blocks back to the system as soon as they are freed, and each new one
comes back page by page, zeroed. For activations of some megabytes that takes as long as computing
them.
"""

from __future__ import annotations

import ctypes
import os

# parameters of mallopt(3) in the GNU C library
TRIM_THRESHOLD, TOP_PAD, MMAP_MAX, ARENA_MAX = -1, -2, -4, -8
PAD = 2**28


def keep_freed_memory() -> bool:
    """Let this process reuse freed blocks; return whether the C library can be told to.

    Results are the same. Up to 256 MiB are asked for at once, and memory goes back to the system
    only when the process ends. Allocators that replace the C library's are left alone.
    """
    if os.name != "posix" or "LD_PRELOAD" in os.environ:
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((MMAP_MAX, 0), (ARENA_MAX, 1), (TRIM_THRESHOLD, 2**31 - 1), (TOP_PAD, PAD))
    accepted = [mallopt(name, value) == 1 for name, value in settings]
    return all(accepted)
