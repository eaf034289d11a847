from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import resource, sys
import torch
from advdim.runs.memory import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
torch.zeros(2**24).add_(1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(40):
    torch.empty(2**24).add_(1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(mode: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, mode], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def test_freed_blocks_are_used_again_without_page_faults() -> None:
    # 40 blocks of 64 MiB; the C library itself keeps blocks of up to 32
    assert page_faults("keep") < page_faults("default") / 5
